"""Timestamp discontinuities: recordings, parts of a stream, and files that were concatenated byte by byte.

The clock of transport and program streams may change at any packet. This module bridges such a discontinuity as
players do: the packets after it directly follow those before it, and the offset between video and audio after it is
preserved. A discontinuity is detected where the decoding times of a track decrease, or jump forward while no other
track reaches the new time. A gap that all tracks share, shorter than such a jump, is preserved as a gap.

Each clock of a file is an offset that is added to its times. A track changes to the next clock at its own first packet
after the discontinuity: packets of other tracks from before the discontinuity may still follow that packet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

_LEAP_SECONDS = Fraction(10)
"""A longer forward jump is another clock, a shorter one a gap: FFmpeg's own dts_delta_threshold."""

_FALL_SECONDS = Fraction(1, 10)
"""A decoding time that decreases by less is jitter: FFmpeg's own bound."""

_LOOKED_AT_PACKETS = 4096
_LOOKED_AT_SECONDS = Fraction(5)
"""Largest distance after a discontinuity at which the first packets of the other tracks are searched for."""

_LEADING_PACKETS = 16
"""Number of packets after a discontinuity that contain all leading frames: those shown before the first packet's frame.
"""


@dataclass(frozen=True)
class Jump:
    """A discontinuity: one clock of a file ends and another one begins.

    Attributes:
        at_seconds: its position, in continuous time.
        by_seconds: difference from the expected time; negative if the clock went backwards.
    """

    at_seconds: Fraction
    by_seconds: Fraction


@dataclass
class _Track:
    """State of a track while its packets are read."""

    time_base: Fraction
    clock: int = 0
    decoded: Fraction | None = None  # continuous decoding time of its last packet
    next: Fraction = Fraction(0)  # expected continuous decoding time of its next packet
    end: Fraction = Fraction(0)  # continuous end of its frames or samples
    usual: Fraction = Fraction(0)

    def pass_on(self, packet: Packet[Stream], offset: Fraction) -> None:
        decoded, shown = (_seconds(packet.dts, self), _seconds(packet.pts, self))
        when = decoded if decoded is not None else shown
        if when is None:
            return
        when += offset
        stated = (packet.duration or 0) * self.time_base
        if stated > 0:
            self.usual = stated
        elif self.decoded is not None and 0 < when - self.decoded < _LEAP_SECONDS:
            self.usual = when - self.decoded
        length = self.usual
        self.decoded, self.next = when, when + length
        self.end = max(self.end, self.next, self.next if shown is None else shown + offset + length)


@dataclass
class _Sides:
    """End of a track before a discontinuity, in continuous time, and its beginning after it, by the new clock."""

    track: _Track
    old_offset: Fraction
    next: Fraction
    end: Fraction
    begin_decoded: Fraction | None = None
    begin_shown: Fraction | None = None
    count: int = 0
    reached: Fraction = Fraction(0)

    def look_at(self, packet: Packet[Stream], jump: Fraction, *, pos: int | None, is_first: bool) -> None:
        """Add a packet of the track.

        Args:
            packet: the packet with the times of the file.
            jump: difference of the new clock from the expected time.
            pos: byte position of the discontinuity in the file; None if unknown.
            is_first: whether this packet revealed the discontinuity.
        """
        when = _when(packet)
        if when is None:
            return
        error = when + self.old_offset - self.next
        leaps = not -_FALL_SECONDS <= error <= _LEAP_SECONDS and abs(error - jump) <= _LEAP_SECONDS
        goes_with = leaps or _goes_with(packet, error, jump, pos=pos, usual=self.track.usual)
        if not (is_first or self.count or goes_with):
            length = (packet.duration or 0) * self.track.time_base or self.track.usual
            self.next = when + self.old_offset + length
            self.end = max(self.end, self.next)
            return
        self.count += 1
        if self.count <= _LEADING_PACKETS:
            shown = when if packet.pts is None else packet.pts * self.track.time_base
            self.begin_decoded = when if self.begin_decoded is None else min(self.begin_decoded, when)
            self.begin_shown = shown if self.begin_shown is None else min(self.begin_shown, shown)
        self.reached = when - (self.begin_decoded or when)

    @property
    def offset(self) -> Fraction | None:
        """Smallest offset of the new clock for this track; None if no packet of it follows the discontinuity."""
        if self.begin_decoded is None or self.begin_shown is None:
            return None
        return max(self.next - self.begin_decoded, self.end - self.begin_shown)


@dataclass
class JoinedClocks:
    """Packets of a file in its order, with times that are continuous over every discontinuity.

    Attributes:
        jumps: the discontinuities so far.
    """

    read: Callable[[], Packet[Stream] | None]
    jumps: list[Jump] = field(default_factory=list)
    _offsets: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    _tracks: dict[int, _Track] = field(default_factory=dict)
    _waiting: deque[Packet[Stream]] = field(default_factory=deque)
    _failure: Exception | None = None
    _discontinuity_pos: int | None = None

    def __iter__(self) -> Iterator[Packet[Stream]]:
        """Yield the packets; an error of `read` is raised after the packets before it."""
        while (packet := self.next()) is not None:
            yield packet

    def next(self) -> Packet[Stream] | None:
        """The next packet, or None at the end of the file.

        Raises:
            Exception: the error of `read`.
        """
        if not self._waiting and not self._look_at_one_more():
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            return None
        packet = self._waiting.popleft()
        when = _when(packet)
        if when is None or packet.time_base is None:
            return packet
        kind = packet.stream.type
        offset = self._offset_of(packet, when) if kind in ("video", "audio") else self._nearest(when)
        ticks = round(offset / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
        return packet

    def _look_at_one_more(self) -> bool:
        """Read one packet into the queue, and return whether there is one."""
        if self._failure is not None:
            return False
        try:
            packet = self.read()
        except Exception as err:  # noqa: BLE001 (raised once the packets before it are read)
            self._failure = err
            return False
        if packet is not None:
            self._waiting.append(packet)
        return packet is not None

    def _offset_of(self, packet: Packet[Stream], when: Fraction) -> Fraction:
        """Offset for the times of a video or audio packet; the packet's track may change to another clock."""
        index = packet.stream.index
        if index not in self._tracks:
            self._tracks[index] = self._begun(packet, when)
        track = self._tracks[index]
        if track.decoded is not None:
            error = when + self._offsets[track.clock] - track.next
            newest = len(self._offsets) - 1
            jumps = self._is_jump(track, error, when + self._offsets[track.clock])
            is_after = jumps or self._is_after_discontinuity(packet, track, error)
            if track.clock < newest and is_after and self._follows(track, when, newest):
                track.clock = newest
            elif jumps:
                self._bridge(packet, track, error)
        track.pass_on(packet, self._offsets[track.clock])
        return self._offsets[track.clock]

    def _begun(self, packet: Packet[Stream], when: Fraction) -> _Track:
        """Create the state of a new track; if it begins far from all others, it reveals a discontinuity."""
        track = _Track(packet.time_base)
        track.clock = self._offsets.index(self._nearest(when))
        if self._tracks:
            error = when + self._offsets[track.clock] - self._now
            if abs(error) > _LEAP_SECONDS:
                self._bridge(packet, track, error)
        return track

    def _bridge(self, packet: Packet[Stream], track: _Track, error: Fraction) -> None:
        """Begin a new clock at a packet of a track."""
        at, self._discontinuity_pos = self._now, packet.pos
        self._offsets.append(self._bridged(packet, track, error))
        track.clock = len(self._offsets) - 1
        self.jumps.append(Jump(at, error))

    @property
    def _now(self) -> Fraction:
        """End of video and audio so far, in continuous time."""
        return max((track.end for track in self._tracks.values()), default=Fraction(0))

    def _is_after_discontinuity(self, packet: Packet[Stream], track: _Track, error: Fraction) -> bool:
        """Whether a packet without a jump of its own follows the latest discontinuity of another track."""
        if not self.jumps or track.clock == len(self._offsets) - 1:
            return False
        jump = self.jumps[-1]
        if track.end > jump.at_seconds + _LOOKED_AT_SECONDS:
            return False
        return _goes_with(packet, error, jump.by_seconds, pos=self._discontinuity_pos, usual=track.usual)

    def _follows(self, track: _Track, when: Fraction, clock: int) -> bool:
        """Whether a packet continues its track without a jump by another clock."""
        return -_FALL_SECONDS <= when + self._offsets[clock] - track.next <= _LEAP_SECONDS

    def _is_jump(self, track: _Track, error: Fraction, when: Fraction) -> bool:
        if track.decoded is not None and when < track.decoded - _FALL_SECONDS:
            return True
        if error <= _LEAP_SECONDS:
            return False
        # If audio continues meanwhile, a frame that is shown for minutes is valid.
        others = (other for other in self._tracks.values() if other is not track and other.decoded is not None)
        return all(other.end < when - _LEAP_SECONDS for other in others)

    def _bridged(self, packet: Packet[Stream], jumped: _Track, error: Fraction) -> Fraction:
        """Offset of a new clock: the smallest one by which no track overlaps its own end before the discontinuity."""
        now = self._now
        sides = {
            index: _Sides(track, self._offsets[track.clock], track.next, track.end)
            for index, track in self._tracks.items()
            if track.end > now - _LEAP_SECONDS
        }
        for index in range(_LOOKED_AT_PACKETS):
            side = sides.get(packet.stream.index)
            if side is not None:
                side.look_at(packet, error, pos=self._discontinuity_pos, is_first=index == 0)
            if all(side.count >= _LEADING_PACKETS for side in sides.values()):
                break
            if any(side.reached > _LOOKED_AT_SECONDS for side in sides.values()):
                break
            if index >= len(self._waiting) and not self._look_at_one_more():
                break
            packet = self._waiting[index]
        offsets = [offset for side in sides.values() if (offset := side.offset) is not None]
        return max(offsets, default=self._offsets[jumped.clock] - error)

    def _nearest(self, when: Fraction) -> Fraction:
        """Offset of the clock by which a packet without predecessors is nearest to the current video and audio."""
        if len(self._offsets) == 1:
            return self._offsets[0]
        now = self._now
        used = {self._offsets[track.clock] for track in self._tracks.values()} | {self._offsets[-1]}
        return min(used, key=lambda offset: abs(when + offset - now))


def _goes_with(packet: Packet[Stream], error: Fraction, jump: Fraction, *, pos: int | None, usual: Fraction) -> bool:
    """Whether a packet near a discontinuity belongs after it: by its time, or its position in a concatenated file."""
    if abs(error - jump) < abs(error):
        return True
    lies_after = pos is not None and packet.pos is not None and packet.pos > pos
    return lies_after and abs(error) > usual / 2 and abs(error - jump) <= _LEAP_SECONDS


def _when(packet: Packet[Stream]) -> Fraction | None:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None or packet.time_base is None else ticks * packet.time_base


def _seconds(ticks: int | None, track: _Track) -> Fraction | None:
    return None if ticks is None else ticks * track.time_base
