"""Decoders of alpha, which PyAV does not choose by itself."""

from __future__ import annotations

from collections.abc import Mapping

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rife.media.colour.pixel_formats import has_alpha

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders of alpha by codec: FFmpeg's own decoders ignore the second frame that holds alpha in Matroska and WebM."""


_ALPHA_TAG = "alpha_mode"


def has_alpha_tag(metadata: Mapping[str, str]) -> bool:
    """Whether a Matroska or WebM track is tagged as having alpha; the name of the tag may have either case."""
    return any(name.lower() == _ALPHA_TAG and value == "1" for name, value in metadata.items())


def with_alpha_tag(metadata: Mapping[str, str], *, codec: str, pixel_format: str) -> dict[str, str]:
    """Metadata of an output track: those of the source's track, with the alpha tag of the output itself.

    Args:
        metadata: metadata of the source's track.
        codec: FFmpeg's canonical name of the output's codec.
        pixel_format: pixel format of the output.
    """
    others = {name: value for name, value in metadata.items() if name.lower() != _ALPHA_TAG}
    return others | ({_ALPHA_TAG: "1"} if codec in _ALPHA_DECODERS and has_alpha(pixel_format) else {})


def alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """A decoder for a stream whose alpha its default decoder ignores; None if the default decoder is sufficient.

    Decode the stream's packets with its `decode`; times and colours are those of the default decoder.
    """
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    if name is None or not has_alpha_tag(stream.metadata) or name not in av.codecs_available:
        return None
    usual = stream.codec_context
    decoder = av.CodecContext.create(name, "r")
    if not isinstance(decoder, VideoCodecContext):
        return None
    if usual.extradata:
        decoder.extradata = usual.extradata
    # Properties that only the container stores reach the frames through the decoder.
    decoder.colorspace, decoder.color_range = usual.colorspace, usual.color_range
    decoder.color_primaries, decoder.color_trc = usual.color_primaries, usual.color_trc
    return decoder
