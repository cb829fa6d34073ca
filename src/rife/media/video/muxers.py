"""Capabilities of containers: FFmpeg's muxers are tested in memory with each track's own parameters.

A muxer accepts or rejects a track when it writes its header. A list of codec names is not sufficient: a muxer may
accept a codec with one sample format or channel layout, and reject it with another.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, TypeVar, cast

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

AnyStream = TypeVar("AnyStream", bound=Stream)
Strictness = Literal["normal", "experimental"]
"""FFmpeg's `strict` option of a muxer."""

STRICTNESSES: tuple[Strictness, ...] = ("normal", "experimental")
"""The values of `strict`, the strictest first."""

_REFUSALS = (av.FFmpegError, ValueError, OverflowError)
"""Errors of PyAV for a track that a muxer rejects."""

_UNDERSTATES_CODECS = ("matroska",)
"""Muxers that support more codecs than they list, by their tags in AVI and WAV; PyAV checks the list only."""

_SAME_TAGS = ("avi", "asf", "wav", "matroska,webm")
"""Formats with the codec tags of AVI and WAV, which Matroska uses for codecs without a name of its own."""

_ATTACHED = b"what a file beside the tracks holds"

_NO_TAG = "\0\0\0\0"


def reason_of(error: Exception) -> str:
    """Reason of an error, without names of FFmpeg's functions or of temporary files."""
    return str(getattr(error, "strerror", None) or error)


def muxer_options(strictness: Strictness) -> dict[str, str]:
    """Options of an output file for a strictness of its muxer."""
    return {"strict": strictness}


def copied_stream(file: OutputContainer, stream: AnyStream) -> AnyStream:
    """Create a track for the packets of another file's track.

    Args:
        file: output, before its header is written.
        stream: track of an open input; FFmpeg need not have a decoder for it.

    Returns:
        The track, with the parameters of `stream` and the muxer's own codec tag.

    Raises:
        ValueError: the muxer does not support the codec.
        FFmpegError: the parameters cannot be copied.
    """
    copy = _stream_like(file, stream)
    if isinstance(copy, AudioStream) and file.format.name not in _UNDERSTATES_CODECS:
        layout = copy.codec_context.layout
        if layout.name == f"{layout.nb_channels} channels":
            # AVI and WAV store only the number of channels; MP4 requires a known channel layout for PCM.
            copy.codec_context.layout = f"{layout.nb_channels}c"
    return copy


def coded_stream(file: OutputContainer, encoder: VideoCodecContext) -> VideoStream:
    """Create a video track for the packets of an encoder whose codec the muxer does not list.

    Args:
        file: output, before its header is written; its muxer is in `_UNDERSTATES_CODECS`.
        encoder: the open encoder.

    Raises:
        ValueError: the muxer is another one.
    """
    with _placeholder("video") as placeholder:
        track = cast("VideoStream", file.add_stream_from_template(placeholder))
    # PyAV also accepts a codec in place of a stream; its stubs do not say so.
    BitStreamFilterContext("null", cast("Stream", encoder.codec), track)
    context = track.codec_context
    context.width, context.height, context.pix_fmt = encoder.width, encoder.height, encoder.pix_fmt
    context.extradata, context.codec_tag = encoder.extradata, encoder.codec_tag
    return track


@contextmanager
def trial(muxer: str, strictness: Strictness = "normal") -> Iterator[tuple[OutputContainer, io.BytesIO]]:
    """Open an output file in memory to test a muxer; errors of closing it are ignored."""
    memory = io.BytesIO()
    file = av.open(memory, "w", format=muxer, options=muxer_options(strictness))
    try:
        yield file, memory
    finally:
        with suppress(*_REFUSALS):
            file.close()


def holds(muxer: str, stream: Stream, *, strictness: Strictness = "normal") -> bool:
    """Whether a container holds the packets of a track.

    Args:
        muxer: FFmpeg's name of the muxer.
        stream: audio, subtitle or video track of an open input.
        strictness: strictness of the muxer.
    """
    with trial(muxer, strictness) as (file, _):
        try:
            copied_stream(file, stream)
            file.start_encoding()
        except _REFUSALS:
            return False
    return True


def needed_strictness(muxer: str, stream: Stream) -> Strictness | None:
    """Strictest setting at which a muxer accepts a track; None if it rejects the track."""
    return next((level for level in STRICTNESSES if holds(muxer, stream, strictness=level)), None)


def header_of(muxer: str, stream: Stream) -> bytes:
    """Header of a file with a single track; empty if the muxer rejects the track."""
    with trial(muxer, "normal") as (file, memory):
        try:
            copied_stream(file, stream)
            file.start_encoding()
        except _REFUSALS:
            return b""
        with suppress(*_REFUSALS):
            file.close()
        return memory.getvalue()


def admits(muxer: str, codec: av.Codec) -> bool:
    """Whether a muxer lists a codec; some muxers support more codecs than they list."""
    with trial(muxer) as (file, _):
        return codec.canonical_name in {_canonical_name(name) for name in file.supported_codecs}


def holds_attachments(muxer: str) -> bool:
    """Whether a container holds attached files; some muxers accept them without writing them."""
    with trial(muxer) as (file, memory):
        try:
            file.add_attachment("name", "application/octet-stream", _ATTACHED)
            file.start_encoding()
            file.close()
        except _REFUSALS:
            return False
        return _ATTACHED in memory.getvalue()


def holds_cover(muxer: str, stream: Stream, cover: Packet[Stream]) -> bool:
    """Whether a container holds a cover; some muxers accept one without writing it.

    Args:
        muxer: FFmpeg's name of the muxer.
        stream: track of the cover in an open input.
        cover: packet of the cover.
    """
    with trial(muxer, "normal") as (file, memory):
        try:
            copy = copied_stream(file, stream)
            copy.disposition = stream.disposition
            file.start_encoding()
            packet: Packet[Stream] = Packet(bytes(cover))
            packet.stream, packet.time_base = copy, cover.time_base
            packet.pts = packet.dts = 0
            file.mux(packet)
            file.close()
            memory.seek(0)
            with av.open(memory) as written:
                return any(found.disposition & Disposition.attached_pic for found in written.streams)
        except _REFUSALS:
            return False


def _stream_like(file: OutputContainer, stream: AnyStream) -> AnyStream:
    with suppress(ValueError):
        if stream.codec_context is not None:
            return file.add_stream_from_template(stream, opaque=True)
    if stream.codec_context is not None and file.format.name not in _UNDERSTATES_CODECS:
        raise ValueError(f"{file.format.name} does not hold {stream.codec_context.codec.canonical_name}")
    with _placeholder(stream.type) as placeholder:
        copy = cast("AnyStream", file.add_stream_from_template(placeholder))
    BitStreamFilterContext("null", stream, copy)
    copy.time_base = stream.time_base
    if stream.container.format.name not in _SAME_TAGS:
        copy.codec_context.codec_tag = _NO_TAG
    return copy


@contextmanager
def _placeholder(kind: str) -> Iterator[Stream]:
    """A track that every muxer of `_UNDERSTATES_CODECS` lists, whose parameters are overwritten by those of another.

    Raises:
        ValueError: tracks of this kind cannot be copied.
    """
    contents: dict[str, tuple[str, bytes, dict[str, str]]] = {
        "audio": ("wav", _SILENCE, {}),
        "subtitle": ("srt", b"1\n00:00:00,000 --> 00:00:01,000\n-\n", {}),
        "video": ("rawvideo", bytes(4), {"video_size": "2x2", "pixel_format": "gray"}),
    }
    if kind not in contents:
        raise ValueError(f"tracks of the kind {kind} are not copied")
    name, content, options = contents[kind]
    with av.open(io.BytesIO(content), format=name, options=options) as file:
        yield file.streams[0]


_SILENCE = struct.pack("<4sI8sIHHIIHH4sI8x", b"RIFF", 44, b"WAVEfmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 8)
"""A WAV file of four samples."""


def _canonical_name(name: str) -> str:
    try:
        return av.Codec(name, "w").canonical_name
    except ValueError:
        return av.Codec(name, "r").canonical_name
