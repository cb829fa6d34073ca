"""Decoders that PyAV does not choose by itself, and that see more of a stream."""

from __future__ import annotations

from collections.abc import Mapping

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rife.media.colour.pixel_formats import has_alpha

_OPACITY_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these pass over the second picture that holds opacity in Matroska and WebM."""


_OPACITY_TAG = "alpha_mode"


def has_opacity_tag(metadata: Mapping[str, str]) -> bool:
    """Whether a Matroska or WebM track says that it holds opacity; FFmpeg writes the name of the tag in either case."""
    return any(name.lower() == _OPACITY_TAG and value == "1" for name, value in metadata.items())


def with_opacity_tag(metadata: Mapping[str, str], *, codec: str, pixel_format: str) -> dict[str, str]:
    """Metadata of a track with the tag that its own pictures call for, whatever the source's track said.

    Args:
        metadata: of the source's track.
        codec: FFmpeg's canonical name of the codec of the output.
        pixel_format: of the output.
    """
    kept = {name: value for name, value in metadata.items() if name.lower() != _OPACITY_TAG}
    return kept | ({_OPACITY_TAG: "1"} if codec in _OPACITY_DECODERS and has_alpha(pixel_format) else {})


def opacity_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """A decoder for a stream whose opacity its usual decoder would leave out; None where the usual one is right.

    Decode the stream's packets with its `decode`; times and colours are as with the usual one.
    """
    name = _OPACITY_DECODERS.get(stream.codec_context.name)
    if name is None or not has_opacity_tag(stream.metadata) or name not in av.codecs_available:
        return None
    usual = stream.codec_context
    decoder = av.CodecContext.create(name, "r")
    if not isinstance(decoder, VideoCodecContext):
        return None
    if usual.extradata:
        decoder.extradata = usual.extradata
    # What only the container tells reaches pictures through the decoder.
    decoder.colorspace, decoder.color_range = usual.colorspace, usual.color_range
    decoder.color_primaries, decoder.color_trc = usual.color_primaries, usual.color_trc
    return decoder
