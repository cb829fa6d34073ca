"""A stretch of pictures, encoded by an encoder of its own, in a file of its own.

Segments are joined packet by packet into the final file (`rife.media.video.mux`). Exact times do not live in
here but in the plan: a segment's frames are numbered, and a file that counts milliseconds counts numbers well.
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
"""No codec holds back more frames than this between decoding and showing order."""


def segment_suffix(codec: str) -> str:
    """Ending of the segments of an encoder."""
    return ".mov" if encoder_row(codec).is_quicktime else ".mkv"


class SegmentWriter:
    """An open segment: `write` pictures in order, then `finish`."""

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
            path: with the ending that `segment_suffix` gives.
            encoding: encoder, pixel format and options.
            first: first picture of the source: size and colour.
            frame_rate: average frames per second, for the encoder's rate control.
            time_base: seconds per tick of the times given to `write`.
            sample_aspect_ratio: width over height of a pixel.
            threads: of the encoder; as many as it likes if None.

        Raises:
            MediaError: the file cannot be created, or the encoder refuses.
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
                f"the encoder {encoding.codec} refused the video ({said[0] if said else reason_of(err)}).",
                hint=Hint("Take another one with {codec}, or other settings for it."),
            ) from err
        self._video, self._codec = stream, encoder

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, picture: av.VideoFrame, pts: int) -> None:
        """Encode a picture at a time.

        Args:
            picture: in the encoding's pixel format.
            pts: time in ticks of the writer's time base, later than all before.
        """
        self._numbers[pts] = len(self._numbers)
        if self._stored_format is not None:
            picture = renamed(picture, self._stored_format)
        if picture.interlaced_frame:
            picture = _copy(picture, picture.format.name)  # some encoders write the mark, and made pictures have none
        picture.pts = pts
        picture.time_base = self._time_base
        picture.pict_type = 0  # the decoder's frame types are not the encoder's
        self._mux(picture)

    def finish(self) -> None:
        """Write what the encoder still holds, and the end of the file.

        Raises:
            MediaError: it could not be written.
        """
        self._mux(None)
        try:
            self._file.close()
        except (av.FFmpegError, OSError) as err:
            raise MediaError(f"the end of a segment could not be written ({err}).") from err

    def _encoder(self, encoding: Encoding, frame_rate: Fraction) -> tuple[VideoCodecContext, VideoStream | None]:
        """An encoder that is not open yet, and its track; none where the file does not admit to hold the codec."""
        # The rate is a hint beside the exact times of the frames; a long fraction does not fit its field.
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
                    raise MediaError(f"{self._codec.name}: gave a frame without a time.")
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
        packet: as it lies in the file.
        number: of the frame in showing order, from 0.
    """

    packet: Packet[VideoStream]
    number: int


class SegmentReader:
    """A finished segment: its packets in decoding order, each with the number of its frame."""

    def __init__(self, path: Path) -> None:
        """Open a segment.

        Raises:
            MediaError: it cannot be read.
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
        """Yield the packets in decoding order; a segment is read into memory for that."""
        packets = [packet for packet in self._file.demux(self.stream) if packet.size]
        showing = sorted(packet.pts or 0 for packet in packets)
        numbers = {pts: number for number, pts in enumerate(showing)}
        yield from (SegmentPacket(packet, numbers[packet.pts or 0]) for packet in packets)

    def pictures(self, encoding: Encoding) -> Iterator[av.VideoFrame]:
        """Yield the decoded pictures in showing order, in the pixel format of their encoding."""
        try:
            for picture in self._file.decode(self.stream):
                yield renamed(picture, encoding.pixel_format)
        except av.FFmpegError as err:
            raise MediaError(
                f"{self.path}: this segment cannot be read any more ({reason_of(err)}).", hint=RESTART
            ) from err


def renamed(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    """The same samples under another name of their pixel format; the picture itself if it has that name.

    Opacity that only the new name has is full; opacity that only the old one has was put there so.
    """
    return picture if picture.format.name == name else _copy(picture, name)


def _copy(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    """The same samples and colours in a picture of its own, which is progressive."""
    out = av.VideoFrame(picture.width, picture.height, name)
    for plane, values in zip_longest(samples(out), samples(picture)):
        if plane is not None:
            plane[:] = 255 if values is None else values
    out.colorspace, out.color_range = picture.colorspace, picture.color_range
    out.color_primaries, out.color_trc = picture.color_primaries, picture.color_trc
    return out


def copy_colour(picture: av.VideoFrame, context: VideoCodecContext) -> None:
    """Give a codec the colour tags of a picture."""
    context.colorspace, context.color_range = picture.colorspace, range_tag(picture)
    context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc


def _create(path: Path) -> OutputContainer:
    try:
        return av.open(str(path.absolute()), "w")
    except (av.FFmpegError, OSError) as err:
        raise MediaError(f"{path}: cannot be written ({err}).") from err
