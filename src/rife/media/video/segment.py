"""Segments: consecutive frames in a file of their own, each encoded by a new instance of the encoder.

Segments are concatenated packet by packet into the final file (`rife.media.video.mux`). Exact times are stored in the
plan: the frames of a segment have numbers as timestamps, which survive a time base of milliseconds.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import cast

import av
from av.codec.context import CodecContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rife.errors import RESTART, Hint, JobError, MediaError
from rife.media.colour.convert import adapted, range_tag
from rife.media.colour.pixel_formats import samples
from rife.media.video.encoder_table import encoder_row
from rife.media.video.encoders import quiet, refusal
from rife.media.video.encoding import Encoding
from rife.media.video.muxers import admits, coded_stream, reason_of

_NUMBER = Fraction(1, 1000)
_DEEPEST_REORDERING = 32
"""Largest number of frames that any codec delays for reordering."""


def segment_suffix(codec: str) -> str:
    """Extension of the segments of an encoder."""
    return ".mov" if encoder_row(codec).is_quicktime else ".mkv"


class SegmentWriter:
    """Writer of a segment: `write` frames in order, then `finish`."""

    def __init__(
        self,
        path: Path,
        encoding: Encoding,
        *,
        first: av.VideoFrame,
        frame_rate: Fraction,
        time_base: Fraction,
        sample_aspect_ratio: Fraction | None,
        threads: int | None = None,
    ) -> None:
        """Create the file.

        Args:
            path: path with the extension of `segment_suffix`.
            encoding: encoder, pixel format and options.
            first: first frame of the source, for size and colour tags.
            frame_rate: average frames per second, for the encoder's rate control.
            time_base: seconds per tick of the times given to `write`.
            sample_aspect_ratio: width over height of a pixel.
            threads: number of the encoder's threads; its own choice if None.

        Raises:
            MediaError: the file cannot be created.
            JobError: the encoder does not open.
        """
        self._numbers: dict[int, int] = {}
        self._decoded = 0
        self._time_base = time_base
        self._stored_format = encoding.stored_format
        self._file = _create(path)
        try:
            encoder, stream = self._encoder(encoding, frame_rate)
            encoder.width, encoder.height = first.width, first.height
            encoder.pix_fmt = encoding.stored_format or encoding.pixel_format
            encoder.time_base = time_base
            encoder.thread_count = threads or 0
            copy_colour(adapted(first, encoding.pixel_format), encoder)
            if sample_aspect_ratio:
                encoder.sample_aspect_ratio = sample_aspect_ratio
            with quiet():
                if stream is None:
                    encoder.open()
                    stream = coded_stream(self._file, encoder)
                stream.time_base = _NUMBER
                self._file.start_encoding()
        except (av.FFmpegError, ValueError, OverflowError, OSError) as err:
            self._file.close()
            said = refusal(
                encoding.codec,
                encoding.stored_format or encoding.pixel_format,
                encoding.options,
                size=(first.width, first.height),
                frame_rate=frame_rate.limit_denominator(10_000),
                time_base=time_base,
            )
            raise JobError(
                f"the encoder {encoding.codec} rejected the video ({said[0] if said else reason_of(err)}).",
                hint=Hint("Use another one with {codec}, or other settings for it."),
            ) from err
        self._video, self._codec = stream, encoder

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, picture: av.VideoFrame, pts: int) -> None:
        """Encode a frame.

        Args:
            picture: a frame in the encoding's pixel format.
            pts: presentation time in ticks of the writer's time base, greater than all before.
        """
        self._numbers[pts] = len(self._numbers)
        if self._stored_format is not None:
            picture = renamed(picture, self._stored_format)
        if picture.interlaced_frame:
            picture = _copy(picture, picture.format.name)  # some encoders store the flag, which new frames do not have
        picture.pts = pts
        picture.time_base = self._time_base
        picture.pict_type = 0  # the decoder's frame types are not the encoder's
        self._mux(picture)

    def finish(self) -> None:
        """Flush the encoder, and complete the file.

        Raises:
            MediaError: the file cannot be written.
        """
        self._mux(None)
        try:
            self._file.close()
        except (av.FFmpegError, OSError) as err:
            raise MediaError(f"the end of a segment could not be written ({err}).") from err

    def _encoder(self, encoding: Encoding, frame_rate: Fraction) -> tuple[VideoCodecContext, VideoStream | None]:
        """An encoder that is not open yet, and its track; None for a codec that the muxer does not list."""
        # The rate is only a hint, since frames have exact times; a long fraction does not fit its field.
        rate = frame_rate.limit_denominator(10_000)
        if admits(self._file.format.name, av.Codec(encoding.codec, "w")):
            stream = cast("VideoStream", self._file.add_stream(encoding.codec, rate=rate))
            stream.codec_context.options = dict(encoding.options)
            return stream.codec_context, stream
        encoder = cast("VideoCodecContext", CodecContext.create(encoding.codec, "w"))
        encoder.options, encoder.framerate = dict(encoding.options), rate
        return encoder, None

    def _mux(self, picture: av.VideoFrame | None) -> None:
        try:
            for packet in self._codec.encode(picture):
                packet.stream = self._video
                if packet.pts is None:
                    raise MediaError(f"{self._codec.name}: the encoder returned a packet without a pts.")
                packet.pts = self._numbers[packet.pts]
                packet.dts = self._decoded - _DEEPEST_REORDERING
                packet.duration, packet.time_base = 1, _NUMBER
                self._decoded += 1
                self._file.mux(packet)
        except (av.FFmpegError, OSError) as err:
            hint = " The disk is full." if getattr(err, "errno", None) == errno.ENOSPC else ""
            raise MediaError(f"writing a segment failed ({err}).{hint}") from err


@dataclass(frozen=True)
class SegmentPacket:
    """An encoded frame of a segment.

    Attributes:
        packet: the packet in the file.
        number: index of the frame in presentation order, from 0.
    """

    packet: Packet[VideoStream]
    number: int


class SegmentReader:
    """Reader of a finished segment: packets in decoding order with the numbers of their frames, or decoded frames."""

    def __init__(self, path: Path) -> None:
        """Open a segment.

        Raises:
            MediaError: the segment cannot be read.
        """
        self.path = path
        try:
            self._file: InputContainer = av.open(str(path.absolute()))
            self.stream: VideoStream = self._file.streams.video[0]
        except (av.FFmpegError, OSError, IndexError) as err:
            raise MediaError(
                f"{path}: this segment cannot be read any more ({reason_of(err)}). Remove it, and start again."
            ) from err

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def packets(self) -> Iterator[SegmentPacket]:
        """Yield the packets in decoding order; the segment is read into memory."""
        packets = [packet for packet in self._file.demux(self.stream) if packet.size]
        showing = sorted(packet.pts or 0 for packet in packets)
        numbers = {pts: number for number, pts in enumerate(showing)}
        yield from (SegmentPacket(packet, numbers[packet.pts or 0]) for packet in packets)

    def pictures(self, encoding: Encoding) -> Iterator[av.VideoFrame]:
        """Yield the decoded frames in presentation order, in the pixel format of their encoding."""
        try:
            for picture in self._file.decode(self.stream):
                yield renamed(picture, encoding.pixel_format)
        except av.FFmpegError as err:
            raise MediaError(
                f"{self.path}: this segment cannot be read any more ({reason_of(err)}).", hint=RESTART
            ) from err


def renamed(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    """The same samples in another pixel format of equal channels and bit depth; the frame itself if it has that format.

    Alpha that only the new format has is opaque; alpha that only the old format has was added in the same way.
    """
    return picture if picture.format.name == name else _copy(picture, name)


def _copy(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    """A progressive copy of the samples and colour tags."""
    out = av.VideoFrame(picture.width, picture.height, name)
    for plane, values in zip_longest(samples(out), samples(picture)):
        if plane is not None:
            plane[:] = 255 if values is None else values
    out.colorspace, out.color_range = picture.colorspace, picture.color_range
    out.color_primaries, out.color_trc = picture.color_primaries, picture.color_trc
    return out


def copy_colour(picture: av.VideoFrame, context: VideoCodecContext) -> None:
    """Copy the colour tags of a frame to a codec."""
    context.colorspace, context.color_range = picture.colorspace, range_tag(picture)
    context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc


def _create(path: Path) -> OutputContainer:
    try:
        return av.open(str(path.absolute()), "w")
    except (av.FFmpegError, OSError) as err:
        raise MediaError(f"{path}: cannot be written ({err}).") from err
