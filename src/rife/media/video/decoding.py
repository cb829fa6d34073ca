"""One pass over the picture track of a file: packets in, pictures with their times out, and what is out of order."""

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
from rife.media.video.decoders import opacity_decoder
from rife.media.video.findings import Findings
from rife.media.video.packets_in_time import PacketsInTime, end_seconds, is_cut_off
from rife.media.video.showing_times import Ends, ShowingTimes
from rife.media.video.video_file import refuse_encrypted

_MOST_DELAY_FRAMES = 16
"""No codec shows its first picture later than this after it is decoded."""


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file before a pass.

    Attributes:
        path: of the file.
        info: of its pictures.
        ends: where its header says that it ends.
        can_jump: its clock may jump.
        holds_on: where it is damaged, the frame before is held and decoding goes on; else it stops.
    """

    path: Path
    info: VideoInfo
    ends: Ends
    can_jump: bool
    holds_on: bool


class DecodingPass:
    """A pass over an open file; it can be made once."""

    def __init__(
        self,
        facts: FileFacts,
        container: InputContainer,
        stream: VideoStream,
        *,
        start_ticks: Callable[[Stream], int],
        delay: int | None,
    ) -> None:
        """Begin where the container stands.

        Args:
            facts: of the file.
            container: the open file.
            stream: its picture track.
            start_ticks: where the file starts, on the clock of a track.
            delay: ticks by which all its times are too late, where an earlier pass has seen that.
        """
        self.delay = delay
        self._facts, self._stream = facts, stream
        self._decoder = opacity_decoder(stream)
        self._packets = PacketsInTime(container, None, start_ticks=start_ticks, joins=facts.can_jump)
        self._start_ticks = start_ticks(stream)
        self._times = self._new_times()
        self._reached_seconds = Fraction(0)
        self._last_is_corrupt = self._key_was_decoded = False
        self._other_pictures: set[int] = set()
        self._came_later: Fraction | None = None

    def frames(self, *, from_start: bool) -> Generator[SourceFrame]:
        """Yield the pictures with their times.

        Args:
            from_start: the container stands at its beginning.

        Raises:
            TruncatedMediaError: the file ends, or cannot be decoded any further, before its own end.
            MediaError: no frame could be decoded, or the picture is encrypted or goes on in another track.
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
                    self._times.damaged(picture)  # half of it is a guess of the decoder
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
        """What was out of order."""
        times = self._times
        return Findings(self._packets.jumps, tuple(times.lost), tuple(times.not_believed), times.in_decoding_order)

    def _new_times(self) -> ShowingTimes:
        reorders = bool(self._stream.codec_context.has_b_frames)
        facts = self._facts
        return ShowingTimes(facts.info, facts.ends, reorders=reorders, delay=self.delay or 0, fills=facts.holds_on)

    def _decoded(self, packet: Packet[Stream], *, first: bool) -> list[av.VideoFrame]:
        """The pictures that a packet gives; none where it is of another track."""
        if packet.stream is not self._stream:
            self._pass_by(packet)
            return []
        if packet.dts is not None or packet.size:  # the end of the file comes as an empty packet
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
        """Note how far another track gets; and whether a picture begins in it where this one has ended."""
        if packet.dts is None or is_cut_off(packet):
            return
        self._reached_seconds = max(self._reached_seconds, end_seconds(packet))
        is_picture = packet.stream.type == "video" and not packet.stream.disposition & Disposition.attached_pic
        if is_picture and packet.stream.index not in self._other_pictures:
            self._other_pictures.add(packet.stream.index)
            if self._facts.can_jump and self._times.frames:
                self._came_later = self._times.end_seconds

    def _goes_on(self, packet: Packet[Stream] | None, error: av.FFmpegError) -> bool:
        """Whether a pass goes on behind what could not be read (no packet) or decoded."""
        if packet is None:
            if not (self._facts.holds_on and self._packets.may_go_on(error)):
                return False
            self._times.damaged(None)
            return True
        if not packet.size:
            return False
        # An edit list or a cut may let a track begin before its first key frame, or hide what leads up to a picture.
        if packet.is_discard:
            return True
        if self._facts.holds_on:
            self._times.damaged(packet)
            return True
        return not (packet.is_keyframe or self._key_was_decoded)

    def _delay_of(self, packet: Packet[Stream]) -> int:
        """By how much the times of a container without times for showing are too late, from its first packet."""
        if packet.pts is None or packet.dts is None or packet.pts <= packet.dts:
            return 0
        start = self._stream.start_time
        # FFmpeg knows the first time for showing, or has nothing but the first time for decoding.
        if start is not None and start - self._start_ticks != packet.dts:
            return 0
        delay = packet.pts - packet.dts
        return delay if delay * self._facts.info.time_base * self._facts.info.frame_rate <= _MOST_DELAY_FRAMES else 0

    def _held_back(self) -> list[av.VideoFrame]:
        """Pictures that the decoder had finished but not given out when it failed."""
        try:
            return (self._decoder or self._stream).decode(None)
        except av.FFmpegError:
            return []

    def _problem(self, failure: av.FFmpegError | None) -> MediaError | None:
        """What is wrong with where the pass ended, if anything."""
        if failure is not None:
            return self._truncated(str(failure.strerror))
        if self._last_is_corrupt:
            return self._truncated("the last packet is incomplete")
        if self._times.frames == 0:
            return MediaError(f"{self._facts.path}: no frame could be decoded.")
        announced = self._facts.info.duration_seconds
        if announced is None or self._packets.jumps:
            return None
        # Containers round their length, and count it from another track's start: half a second is no loss.
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
        """The picture track ends where another one begins: recordings of different make in one file."""
        return MediaError(
            f"{self._facts.path}: at {float(at):.2f} s the file goes on with other tracks than it began with: it is "
            "put together of recordings that do not fit. Cut it there, and convert the parts one by one."
        )
