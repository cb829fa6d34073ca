"""What a kind of file holds: FFmpeg's muxers are asked, with each track's own parameters, in memory.

A muxer says when it writes its header whether it takes a track. A list of codec names would say less: the same codec
may be taken with one sample format or channel layout, and not with another.
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
"""Its values, the strictest first."""

_REFUSALS = (av.FFmpegError, ValueError, OverflowError)
"""What PyAV raises where a muxer does not take a track."""

_KNOWS_MORE_THAN_IT_SAYS = ("matroska",)
"""Muxers that take codecs by their tags in AVI and WAV, and answer no to those who ask by codec alone, as PyAV does."""

_SAME_TAGS = ("avi", "asf", "wav", "matroska,webm")
"""Formats whose codec tags are those of AVI and WAV, which Matroska uses for what it has no name for."""

_ATTACHED = b"what a file beside the tracks holds"

_NO_TAG = "\0\0\0\0"


def reason_of(error: Exception) -> str:
    """What went wrong in an error's words, without the name of a function of FFmpeg or of a temporary file."""
    return str(getattr(error, "strerror", None) or error)


def muxer_options(strictness: Strictness) -> dict[str, str]:
    """Options of an output file that may hold what its muxer calls normal, or experimental."""
    return {"strict": strictness}


def copied_stream(file: OutputContainer, stream: AnyStream) -> AnyStream:
    """Create a track for the packets of another file's track.

    Args:
        file: not yet begun.
        stream: of an open input; this FFmpeg need not have a decoder for it.

    Returns:
        The track, with the parameters of `stream` and a codec tag that the muxer chooses.

    Raises:
        ValueError: the muxer does not take the codec.
        FFmpegError: the parameters cannot be copied.
    """
    copy = _stream_like(file, stream)
    if isinstance(copy, AudioStream) and file.format.name not in _KNOWS_MORE_THAN_IT_SAYS:
        layout = copy.codec_context.layout
        if layout.name == f"{layout.nb_channels} channels":
            # AVI and WAV tell a number of channels only; MP4 holds PCM of a known layout only.
            copy.codec_context.layout = f"{layout.nb_channels}c"
    return copy


def coded_stream(file: OutputContainer, encoder: VideoCodecContext) -> VideoStream:
    """Create a picture track for the packets of an encoder, where the muxer does not admit to take its codec.

    Args:
        file: not yet begun; of a muxer of `_KNOWS_MORE_THAN_IT_SAYS`.
        encoder: open.

    Raises:
        ValueError: the muxer is another one.
    """
    with _placeholder("video") as placeholder:
        track = cast("VideoStream", file.add_stream_from_template(placeholder))
    # PyAV's stubs leave out that a codec may stand for a stream.
    BitStreamFilterContext("null", cast("Stream", encoder.codec), track)
    context = track.codec_context
    context.width, context.height, context.pix_fmt = encoder.width, encoder.height, encoder.pix_fmt
    context.extradata, context.codec_tag = encoder.extradata, encoder.codec_tag
    return track


@contextmanager
def trial(muxer: str, strictness: Strictness = "normal") -> Iterator[tuple[OutputContainer, io.BytesIO]]:
    """An output file in memory, to ask a muxer what it takes; errors of its end are passed over."""
    memory = io.BytesIO()
    file = av.open(memory, "w", format=muxer, options=muxer_options(strictness))
    try:
        yield file, memory
    finally:
        with suppress(*_REFUSALS):
            file.close()


def holds(muxer: str, stream: Stream, *, strictness: Strictness = "normal") -> bool:
    """Whether a kind of file holds the packets of a track.

    Args:
        muxer: FFmpeg's name for the kind of file.
        stream: of an open input; sound, subtitles or a picture track.
        strictness: how far the muxer may go.
    """
    with trial(muxer, strictness) as (file, _):
        try:
            copied_stream(file, stream)
            file.start_encoding()
        except _REFUSALS:
            return False
    return True


def needed_strictness(muxer: str, stream: Stream) -> Strictness | None:
    """How far a muxer has to go to hold a track; None if it never does."""
    return next((level for level in STRICTNESSES if holds(muxer, stream, strictness=level)), None)


def header_of(muxer: str, stream: Stream) -> bytes:
    """The header that a muxer writes for a track alone; empty if it does not take the track."""
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
    """Whether a kind of file says that it holds a codec; some hold more."""
    with trial(muxer) as (file, _):
        return codec.canonical_name in {_canonical_name(name) for name in file.supported_codecs}


def holds_attachments(muxer: str) -> bool:
    """Whether a kind of file holds files beside its tracks; some muxers take them, and leave them out of the file."""
    with trial(muxer) as (file, memory):
        try:
            file.add_attachment("name", "application/octet-stream", _ATTACHED)
            file.start_encoding()
            file.close()
        except _REFUSALS:
            return False
        return _ATTACHED in memory.getvalue()


def holds_cover(muxer: str, stream: Stream, cover: Packet[Stream]) -> bool:
    """Whether a kind of file holds a cover; some muxers take one, and leave it out of the file.

    Args:
        muxer: FFmpeg's name for the kind of file.
        stream: the cover's track in an open input.
        cover: its packet.
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
    if stream.codec_context is not None and file.format.name not in _KNOWS_MORE_THAN_IT_SAYS:
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
    """A track that every muxer of `_KNOWS_MORE_THAN_IT_SAYS` admits to take, to be overwritten by another one's.

    Raises:
        ValueError: no track of this kind can be copied.
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
