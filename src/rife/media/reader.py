"""Reading a video file as a stream: pictures with their times, and the packets of the other tracks."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from rife.errors import MediaError, TruncatedMediaError
from rife.media.decoders import opacity_decoder
from rife.media.siting import read_siting
from rife.media.source import SourceFrame, VideoInfo

_DEFAULT_RATE = Fraction(25)
_MOST_PIXELS = 16384 * 8192
"""Four times an 8K picture; a damaged header must not fill the memory."""
_LATEST_TICK = 2**53
"""Times beyond this, centuries or more, are damage; a factor and another clock still have to fit into 64 bits."""
_PRIMING_SECONDS = Fraction(-1, 10)


class VideoReader:
    """An open video file: its pictures, and the packets of its other tracks. Each pass opens the file anew."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            MediaError: no such file, not a video, or one without a picture track.
        """
        self.path = path
        self.container = _open(path)
        try:
            self.stream = _picture_stream(path, self.container)
            self.info = _info(path, self.container, self.stream)
        except MediaError:
            self.container.close()
            raise
        self._start_seconds = Fraction(self.container.start_time or 0, av.time_base)
        self.siting = read_siting(self.container, self.stream)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    @property
    def other_streams(self) -> list[Stream]:
        """Tracks other than the picture."""
        return [stream for stream in self.container.streams if stream.index != self.stream.index]

    def packets(self, indices: Collection[int]) -> Iterator[Packet[Stream]]:
        """Yield the packets of some of the other tracks, in the file's order.

        Args:
            indices: of these streams.

        Raises:
            MediaError: the file cannot be read any further; what was yielded before is good.
        """
        with _open(self.path) as container:
            wanted = [stream for stream in container.streams if stream.index in indices]
            try:
                for packet in container.demux(wanted) if wanted else ():
                    self._shift(packet)
                    if packet.size and packet.stream.disposition & Disposition.attached_pic:
                        packet.pts = packet.dts = 0  # a cover has no time
                    if packet.dts is not None and not _is_cut_off(packet):
                        yield packet
            except av.FFmpegError as err:
                raise MediaError(f"{self.path}: its other tracks cannot be read to the end ({err.strerror}).") from err

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield every frame of the picture track.

        Args:
            from_pts: the pts of the frame to begin with, as an earlier pass gave it; the first one if not given.

        Raises:
            TruncatedMediaError: the file ends, or cannot be decoded any further, before the end that it
                announces; what was yielded before is good.
            MediaError: no frame could be decoded, or there is none at `from_pts`.
        """
        if from_pts is None:
            yield from self._decoded(None)
            return
        # From the key frame before it, where seeking leads there; else from the beginning, which always does.
        for seek_to in (from_pts, None):
            frames = self._decoded(seek_to)
            first = next((frame for frame in frames if frame.pts >= from_pts), None)
            if first is not None and first.pts == from_pts:
                yield first
                yield from frames
                return
            frames.close()
        raise MediaError(f"{self.path}: there is no frame at {float(from_pts * self.info.time_base):.3f} s any more.")

    def _decoded(self, seek_to: int | None) -> Generator[SourceFrame]:
        clock = _Clock(self.info)
        reached_seconds = Fraction(0)
        failure: av.FFmpegError | None = None
        last_is_corrupt = False
        with _open(self.path) as container:
            stream = container.streams[self.stream.index]
            # Frame threads decode ahead, and lose what they hold when a packet is damaged; slices lose nothing.
            cast("VideoStream", stream).thread_type = "SLICE"
            if seek_to is not None and not self._found(container, stream, seek_to):
                return
            own_decoder = opacity_decoder(cast("VideoStream", stream))
            packets = container.demux()
            while True:
                try:
                    packet = next(packets, None)
                    if packet is None:
                        break
                    self._shift(packet)
                    if packet.stream is not stream:
                        if packet.dts is not None and not _is_cut_off(packet):
                            reached_seconds = max(reached_seconds, _end_seconds(packet))
                        continue
                    if packet.dts is not None:  # the end of the file comes as an empty packet
                        last_is_corrupt = packet.is_corrupt
                    pictures = own_decoder.decode(packet) if own_decoder else _pictures(packet)
                except av.FFmpegError as err:
                    failure = err
                    break
                yield from map(clock.timed, pictures)
            if failure is not None:
                yield from map(clock.timed, _held_back(stream if own_decoder is None else own_decoder))
        if failure is not None:
            raise self._truncated(clock, str(failure.strerror)) from failure
        if last_is_corrupt:
            raise self._truncated(clock, "the last packet is incomplete")
        self._check_end(clock, max(reached_seconds, clock.end_seconds))

    def _found(self, container: InputContainer, stream: Stream, pts: int) -> bool:
        try:
            container.seek(pts + self._start_ticks(stream), stream=stream, backward=True, any_frame=False)
        except av.FFmpegError:
            return False
        return True

    def _start_ticks(self, stream: Stream) -> int:
        if self._start_seconds <= 0 or stream.time_base is None:
            return 0
        return round(self._start_seconds / stream.time_base)

    def _shift(self, packet: Packet[Stream]) -> None:
        """Count time from the file's own start: a recording may begin at any hour."""
        ticks = self._start_ticks(packet.stream)
        packet.pts = None if packet.pts is None else packet.pts - ticks
        packet.dts = None if packet.dts is None else packet.dts - ticks

    def _check_end(self, clock: _Clock, reached_seconds: Fraction) -> None:
        """Compare where the file ended with where its header says that it does."""
        if clock.frames == 0:
            raise MediaError(f"{self.path}: no frame could be decoded.")
        announced = self.info.duration_seconds
        if announced is None:
            return
        # Containers round their length, and count it from another track's start: half a second is no loss.
        slack = max(Fraction(1, 2), 2 / self.info.frame_rate)
        if reached_seconds < announced - slack:
            raise self._truncated(clock, "the file ends")

    def _truncated(self, clock: _Clock, reason: str) -> MediaError:
        if clock.frames == 0:
            return MediaError(f"{self.path}: no frame could be decoded ({reason}); the file is empty or damaged.")
        announced = self.info.duration_seconds
        of = f" of {float(announced):.2f} s" if announced is not None else ""
        return TruncatedMediaError(
            f"{self.path}: decoding stopped at {float(clock.end_seconds):.2f} s{of}, after {clock.frames} frames "
            f"({reason}): the file is truncated or damaged."
        )


class _Clock:
    """Gives every picture a time that grows, whatever the file left out."""

    def __init__(self, info: VideoInfo) -> None:
        self.time_base = info.time_base
        self.frames = 0
        self._usual = max(1, round(1 / (info.frame_rate * info.time_base)))
        self._last = 0
        self._next = 0

    @property
    def end_seconds(self) -> Fraction:
        return self._next * self.time_base

    def timed(self, picture: av.VideoFrame) -> SourceFrame:
        pts = picture.pts
        if pts is None or (self.frames and pts <= self._last) or abs(pts) > _LATEST_TICK:
            pts = self._next
        duration = picture.duration or (pts - self._last if self.frames else self._usual)
        if not 0 < duration <= _LATEST_TICK:
            duration = self._usual
        self.frames += 1
        self._last, self._next = pts, pts + duration
        return SourceFrame(picture, pts, duration)


def _open(path: Path) -> InputContainer:
    if path.is_dir():
        raise MediaError(f"{path}: expected a video file, got a folder.")
    try:
        # An absolute path cannot be taken for a protocol, whatever colons are in it.
        return av.open(str(path.absolute()), metadata_errors="replace")
    except FileNotFoundError as err:
        raise MediaError(f"{path}: no such file. Check the path.") from err
    except PermissionError as err:
        raise MediaError(f"{path}: no permission to read it.") from err
    except (av.FFmpegError, OSError, ValueError) as err:
        raise MediaError(
            f"{path}: not a video that can be read ({getattr(err, 'strerror', None) or err}). If it should be one, "
            "it is damaged or its download is incomplete."
        ) from err


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise MediaError(f"{path}: expected a video, but the file has no picture track.")


def _info(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    rate = stream.average_rate or stream.guessed_rate or _DEFAULT_RATE
    duration = None if container.duration is None else Fraction(container.duration, av.time_base)
    frames = stream.frames or (round(duration * rate) if duration else None)
    context = stream.codec_context
    if context.width <= 0 or context.height <= 0 or stream.time_base is None:
        raise MediaError(f"{path}: the picture track does not tell its size or time base; the file is damaged.")
    if context.width * context.height > _MOST_PIXELS:
        raise MediaError(
            f"{path}: has pictures of {context.width}x{context.height}; expected at most {_MOST_PIXELS // 1_000_000} "
            "million pixels. If they are not that large, the file is damaged."
        )
    return VideoInfo(
        path=path,
        width=context.width,
        height=context.height,
        frame_rate=rate,
        time_base=stream.time_base,
        frames=frames,
        duration_seconds=duration,
        sample_aspect_ratio=stream.sample_aspect_ratio or None,
    )


def _is_cut_off(packet: Packet[Stream]) -> bool:
    """Whether an edit list hides the packet for good; what primes a sound decoder just before zero is needed."""
    return packet.is_discard and _end_seconds(packet) < _PRIMING_SECONDS


def _end_seconds(packet: Packet[Stream]) -> Fraction:
    ticks = (packet.pts if packet.pts is not None else packet.dts or 0) + (packet.duration or 0)
    return ticks * packet.time_base


def _pictures(packet: Packet[Stream]) -> list[av.VideoFrame]:
    return cast("list[av.VideoFrame]", packet.decode())


def _held_back(decoder: Stream | av.VideoCodecContext) -> list[av.VideoFrame]:
    """Pictures that the decoder had finished but not given out when it failed."""
    try:
        return cast("VideoStream", decoder).decode(None)
    except av.FFmpegError:
        return []
