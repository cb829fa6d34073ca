"""Decoders that PyAV does not choose by itself, and that see more of a stream."""

from __future__ import annotations

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

_OPACITY_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these pass over the second picture that holds opacity in Matroska and WebM."""


def opacity_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """A decoder for a stream whose opacity its usual decoder would leave out; None where the usual one is right.

    Decode the stream's packets with its `decode`; times and colours are as with the usual one.
    """
    name = _OPACITY_DECODERS.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
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
