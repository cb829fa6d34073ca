"""Streaming reader of a video file: frames with their times, and packets of the other tracks."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from rife.errors import MediaError
from rife.media.colour.chroma_siting import read_siting
from rife.media.source import SourceFrame
from rife.media.video.decoding import DecodingPass, FileFacts
from rife.media.video.findings import Findings
from rife.media.video.packets_in_time import PacketsInTime, is_cut_off
from rife.media.video.showing_times import Ends
from rife.media.video.track_length import counts_in_decoding_order, stated_end_seconds
from rife.media.video.video_file import VideoFile
from rife.options import OnDamage


class VideoReader:
    """An open video file as a `Source`, with the packets of its other tracks. Each pass opens the file again."""

    def __init__(self, path: Path, *, on_damage: OnDamage = "stop") -> None:
        """Open a file.

        Args:
            path: path of the file.
            on_damage: at frames that cannot be decoded, `stop`, or `hold` the previous frame and continue after them.

        Raises:
            MediaError: the file does not exist, is no video, or has no video track.
        """
        self.path = path
        self.findings = Findings()
        self._holds = on_damage == "hold"
        self._file = VideoFile(path)
        self.container, self.stream, self.info = self._file.open_for_video()
        self._start_seconds = Fraction(self.container.start_time or 0, av.time_base)
        self._can_jump = bool(self.container.format.flags & cast("int", Flags.ts_discont.value))
        self._ends = self._stated_ends()
        self._delay: int | None = None
        self.siting = read_siting(self.container, self.stream)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    @property
    def other_streams(self) -> list[Stream]:
        """The tracks other than the video track."""
        return [stream for stream in self.container.streams if stream.index != self.stream.index]

    @property
    def notes(self) -> list[str]:
        """Findings of the latest pass about damage and times, as sentences."""
        return self.findings.notes()

    def packets(self, indices: Collection[int]) -> Iterator[Packet[Stream]]:
        """Yield the packets of some of the other tracks, in the file's order.

        Args:
            indices: stream indices of the tracks.

        Raises:
            MediaError: reading fails before the end of the file; all packets yielded before are valid.
        """
        if not indices:
            return
        with self._file.open() as container:
            # The offset at a discontinuity depends on all tracks.
            wanted = None if self._can_jump else [stream for stream in container.streams if stream.index in indices]
            packets = PacketsInTime(container, wanted, start_ticks=self._start_ticks, joins=self._can_jump)
            while True:
                try:
                    packet = packets.next()
                except (av.FFmpegError, LookupError) as err:
                    if self._holds and packets.may_go_on(err):
                        continue
                    reason = getattr(err, "strerror", None) or "tracks begin that are not in its header"
                    raise MediaError(f"{self.path}: its other tracks cannot be read to the end ({reason}).") from err
                if packet is None:
                    return
                if packet.stream.index not in indices:
                    continue
                if packet.size and packet.stream.disposition & Disposition.attached_pic:
                    packet.pts = packet.dts = 0  # a cover has no time
                if packet.dts is not None and not is_cut_off(packet):
                    yield packet

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield every frame of the video track.

        Args:
            from_pts: pts of the first frame, known from an earlier pass; the beginning if not given.

        Raises:
            TruncatedMediaError: the file ends, or decoding fails, before its stated end; all frames yielded before
                are valid.
            MediaError: no frame can be decoded, or there is none at `from_pts`.
        """
        if from_pts is None:
            yield from self._decoded(None)
            return
        # From the previous key frame, if seeking finds the frame; else from the beginning.
        for seek_to in (from_pts, None) if self.findings.can_seek else (None,):
            frames = self._decoded(seek_to)
            first = next((frame for frame in frames if frame.pts >= from_pts), None)
            if first is not None and first.pts == from_pts:
                yield first
                yield from frames
                return
            frames.close()
        raise MediaError(f"{self.path}: there is no frame at {float(from_pts * self.info.time_base):.3f} s any more.")

    def _decoded(self, seek_to: int | None) -> Generator[SourceFrame]:
        with self._file.open() as container:
            stream = cast("VideoStream", container.streams[self.stream.index])
            # Frame threads decode several frames at once, and lose them at a damaged packet; slice threads do not.
            stream.thread_type = "SLICE"
            if seek_to is not None and not self._found(container, stream, seek_to):
                return
            facts = FileFacts(self.path, self.info, self._ends, can_jump=self._can_jump, holds_on=self._holds)
            one = DecodingPass(facts, container, stream, start_ticks=self._start_ticks, delay=self._delay)
            try:
                yield from one.frames(from_start=seek_to is None)
            except GeneratorExit:  # the rest of the file was not read
                raise
            except MediaError:
                self._learn(one, from_start=seek_to is None)
                raise
            self._learn(one, from_start=seek_to is None)

    def _learn(self, one: DecodingPass, *, from_start: bool) -> None:
        if from_start:
            self.findings, self._delay = one.findings(), one.delay

    def _stated_ends(self) -> Ends:
        of_decoding = counts_in_decoding_order(self.container)
        start = max(self._start_seconds, Fraction(0))
        picture = stated_end_seconds(self.path, self.container, self.stream)
        file = self.info.duration_seconds
        if self._can_jump:
            return Ends(lengths_are_of_decoding=of_decoding)
        if picture is not None:
            picture -= start
            # A stale tag, left by another program, describes another file.
            if not of_decoding and (file is None or picture > file + Fraction(1, 2)):
                picture = None
            elif of_decoding and file is not None:
                file = max(file, picture)
        return Ends(picture, file, of_decoding)

    def _found(self, container: InputContainer, stream: Stream, pts: int) -> bool:
        try:
            container.seek(pts + self._start_ticks(stream), stream=stream, backward=True, any_frame=False)
        except av.FFmpegError:
            return False
        return True

    def _start_ticks(self, stream: Stream) -> int:
        """Start time of the file in ticks of a track: a recording may begin at any time."""
        if self._start_seconds <= 0 or stream.time_base is None:
            return 0
        return round(self._start_seconds / stream.time_base)
