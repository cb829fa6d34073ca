"""One decoding pass over the video track of a file: frames with their times, and findings about damage."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from rife.errors import MediaError, TruncatedMediaError
from rife.media.source import SourceFrame, VideoInfo
from rife.media.video.decoders import alpha_decoder
from rife.media.video.findings import Findings
from rife.media.video.packets_in_time import PacketsInTime, end_seconds, is_cut_off
from rife.media.video.showing_times import Ends, ShowingTimes
from rife.media.video.video_file import refuse_encrypted

_MOST_DELAY_FRAMES = 16
"""Longest delay of any codec from decoding to presentation of its first frame."""


@dataclass(frozen=True)
class FileFacts:
    """Facts of a file before a pass.

    Attributes:
        path: path of the file.
        info: properties of its frames.
        ends: stated ends of the track and the file.
        can_jump: whether the format allows timestamp discontinuities.
        holds_on: at damage, hold the previous frame and continue; otherwise stop.
    """

    path: Path
    info: VideoInfo
    ends: Ends
    can_jump: bool
    holds_on: bool


class DecodingPass:
    """A single pass over an open file."""

    def __init__(
        self,
        facts: FileFacts,
        container: InputContainer,
        stream: VideoStream,
        *,
        start_ticks: Callable[[Stream], int],
        delay: int | None,
    ) -> None:
        """Begin at the current position of the container.

        Args:
            facts: facts of the file.
            container: the open file.
            stream: its video track.
            start_ticks: start time of the file in ticks of a track.
            delay: ticks by which all times are too late, known from an earlier pass; None if unknown.
        """
        self.delay = delay
        self._facts, self._stream = facts, stream
        self._decoder = alpha_decoder(stream)
        self._packets = PacketsInTime(container, None, start_ticks=start_ticks, joins=facts.can_jump)
        self._start_ticks = start_ticks(stream)
        self._times = self._new_times()
        self._reached_seconds = Fraction(0)
        self._last_is_corrupt = self._key_was_decoded = False
        self._other_pictures: set[int] = set()
        self._came_later: Fraction | None = None

    def frames(self, *, from_start: bool) -> Generator[SourceFrame]:
        """Yield the frames with their times.

        Args:
            from_start: whether the container is at its beginning.

        Raises:
            TruncatedMediaError: the file ends, or decoding fails, before its stated end.
            MediaError: no frame can be decoded, the video is encrypted, or it continues in another track.
        """
        failure: av.FFmpegError | None = None
        while failure is None:
            packet: Packet[Stream] | None = None
            try:
                packet = self._packets.next()
                if packet is None:
                    break
                pictures = self._decoded(packet, first=from_start and self.delay is None)
            except LookupError as err:
                raise self._goes_on_elsewhere(self._times.end_seconds) from err
            except av.FFmpegError as err:
                if not self._goes_on(packet, err):
                    failure = err
                continue
            for picture in pictures:
                if self._facts.holds_on and picture.is_corrupt and self._times.frames:
                    self._times.damaged(picture)  # the decoder guesses a part of it
                else:
                    yield from self._times.shown(picture)
        if failure is not None:
            for picture in self._held_back():
                yield from self._times.shown(picture)
        if self._came_later is not None:
            raise self._goes_on_elsewhere(self._came_later)
        problem = self._problem(failure)
        if problem is None or (self._facts.holds_on and self._times.frames):
            until = max(self._reached_seconds, self._times.end_seconds)
            held_until = until if self._facts.holds_on else None
            yield from self._times.finish(is_whole=problem is None, held_until=held_until)
            return
        yield from self._times.finish(is_whole=False)
        raise problem from failure

    def findings(self) -> Findings:
        """Findings of the pass about damage and times."""
        times = self._times
        return Findings(self._packets.jumps, tuple(times.lost), tuple(times.not_believed), times.in_decoding_order)

    def _new_times(self) -> ShowingTimes:
        reorders = bool(self._stream.codec_context.has_b_frames)
        facts = self._facts
        return ShowingTimes(facts.info, facts.ends, reorders=reorders, delay=self.delay or 0, fills=facts.holds_on)

    def _decoded(self, packet: Packet[Stream], *, first: bool) -> list[av.VideoFrame]:
        """Decode a packet; no frames for a packet of another track."""
        if packet.stream is not self._stream:
            self._pass_by(packet)
            return []
        if packet.dts is not None or packet.size:  # an empty packet marks the end of the file
            if first and not self._times.frames and self.delay is None:
                self.delay = self._delay_of(packet)
                self._times = self._new_times()
            self._came_later = None
            self._last_is_corrupt = packet.is_corrupt
            refuse_encrypted(self._facts.path, packet)
            self._times.sent(packet)
            if self._facts.holds_on:
                self._reached_seconds = max(self._reached_seconds, end_seconds(packet))
        pictures = self._decoder.decode(packet) if self._decoder else cast("list[av.VideoFrame]", packet.decode())
        self._key_was_decoded = self._key_was_decoded or packet.is_keyframe
        return pictures

    def _pass_by(self, packet: Packet[Stream]) -> None:
        """Note the end of another track, and whether video begins in it after the end of this track."""
        if packet.dts is None or is_cut_off(packet):
            return
        self._reached_seconds = max(self._reached_seconds, end_seconds(packet))
        is_picture = packet.stream.type == "video" and not packet.stream.disposition & Disposition.attached_pic
        if is_picture and packet.stream.index not in self._other_pictures:
            self._other_pictures.add(packet.stream.index)
            if self._facts.can_jump and self._times.frames:
                self._came_later = self._times.end_seconds

    def _goes_on(self, packet: Packet[Stream] | None, error: av.FFmpegError) -> bool:
        """Whether the pass continues after a failed read (`packet` is None) or a packet that cannot be decoded."""
        if packet is None:
            if not (self._facts.holds_on and self._packets.may_go_on(error)):
                return False
            self._times.damaged(None)
            return True
        if not packet.size:
            return False
        # By an edit list or a cut, a track may begin before its first key frame, and leading packets may be hidden.
        if packet.is_discard:
            return True
        if self._facts.holds_on:
            self._times.damaged(packet)
            return True
        return not (packet.is_keyframe or self._key_was_decoded)

    def _delay_of(self, packet: Packet[Stream]) -> int:
        """Delay of all times in a container without presentation times, in ticks, from the first packet."""
        if packet.pts is None or packet.dts is None or packet.pts <= packet.dts:
            return 0
        start = self._stream.start_time
        # FFmpeg's start time is the first presentation time, or, without presentation times, the first decoding time.
        if start is not None and start - self._start_ticks != packet.dts:
            return 0
        delay = packet.pts - packet.dts
        return delay if delay * self._facts.info.time_base * self._facts.info.frame_rate <= _MOST_DELAY_FRAMES else 0

    def _held_back(self) -> list[av.VideoFrame]:
        """Frames that the decoder had completed but not returned when it failed."""
        try:
            return (self._decoder or self._stream).decode(None)
        except av.FFmpegError:
            return []

    def _problem(self, failure: av.FFmpegError | None) -> MediaError | None:
        """The error of a pass that ended too early; None if it is complete."""
        if failure is not None:
            return self._truncated(str(failure.strerror))
        if self._last_is_corrupt:
            return self._truncated("the last packet is incomplete")
        if self._times.frames == 0:
            return MediaError(f"{self._facts.path}: no frame could be decoded.")
        announced = self._facts.info.duration_seconds
        if announced is None or self._packets.jumps:
            return None
        # Containers round durations, and may count from the start of another track: half a second is no loss.
        slack = max(Fraction(1, 2), 2 / self._facts.info.frame_rate)
        if max(self._reached_seconds, self._times.end_seconds) < announced - slack:
            return self._truncated("the file ends")
        return None

    def _truncated(self, reason: str) -> MediaError:
        path, times = self._facts.path, self._times
        if times.frames == 0:
            return MediaError(f"{path}: no frame could be decoded ({reason}); the file is empty or damaged.")
        announced = self._facts.info.duration_seconds
        of = f" of {float(announced):.2f} s" if announced is not None and not self._packets.jumps else ""
        return TruncatedMediaError(
            f"{path}: decoding stopped at {float(times.end_seconds):.2f} s{of}, after {times.frames} frames "
            f"({reason}): the file is truncated or damaged."
        )

    def _goes_on_elsewhere(self, at: Fraction) -> MediaError:
        """The error for a video track that ends where another one begins: concatenated recordings that differ."""
        return MediaError(
            f"{self._facts.path}: at {float(at):.2f} s the file continues with other tracks than it began with: it is "
            "a concatenation of recordings that differ. Cut it there, and convert the parts one by one."
        )
