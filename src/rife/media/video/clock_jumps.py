"""Clocks that start again or jump: recordings, pieces of a stream, and files that were put together byte by byte.

Transport and program streams count time with a clock that may be another one from any packet on. Such a joint is
bridged here as players do it: what comes after it follows what comes before it, and picture and sound keep the distance
that they have behind the joint. A joint is found where the decoding times of a track fall back, or leap ahead while no
other track gets there. A gap that all tracks share and that is shorter than a leap is a gap, and stays one.

Each clock of a file is a number of ticks that is added to its times. A track changes to the next clock at its own first
packet behind the joint: packets of other tracks from before the joint may still come after that one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

_LEAP_SECONDS = Fraction(10)
"""A longer way ahead is another clock, a shorter one a gap: FFmpeg's own dts_delta_threshold."""

_FALL_SECONDS = Fraction(1, 10)
"""A decoding time that falls back by less trembles, FFmpeg's own bound too."""

_LOOKED_AT_PACKETS = 4096
_LOOKED_AT_SECONDS = Fraction(5)
"""How far behind a joint its first packets of the other tracks are looked for."""

_LEADING_PACKETS = 16
"""Pictures that are shown before the first one of a clock are among so many packets behind it."""


@dataclass(frozen=True)
class Jump:
    """A place where one clock of a file ends and another one begins.

    Attributes:
        at_seconds: where that is, in the joined time.
        by_seconds: how far the clock went ahead of what was expected; negative where it fell back.
    """

    at_seconds: Fraction
    by_seconds: Fraction


@dataclass
class _Track:
    """What is known of a track while its packets pass."""

    time_base: Fraction
    clock: int = 0
    decoded: Fraction | None = None  # joined decoding time of its last packet
    next: Fraction = Fraction(0)  # joined decoding time that its next packet should have
    end: Fraction = Fraction(0)  # joined end of what it shows or plays
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
    """Where a track ends before a joint, in joined time, and where it begins behind the joint, in the new clock's."""

    track: _Track
    old_offset: Fraction
    next: Fraction
    end: Fraction
    begin_decoded: Fraction | None = None
    begin_shown: Fraction | None = None
    count: int = 0
    reached: Fraction = Fraction(0)

    def look_at(self, packet: Packet[Stream], jump: Fraction, *, place: int | None, is_first: bool) -> None:
        """Take in a packet of the track.

        Args:
            packet: with the times of the file.
            jump: by how much the clock went ahead of what was expected.
            place: of the joint in the file, where that is known.
            is_first: it is the packet that jumped.
        """
        when = _when(packet)
        if when is None:
            return
        error = when + self.old_offset - self.next
        leaps = not -_FALL_SECONDS <= error <= _LEAP_SECONDS and abs(error - jump) <= _LEAP_SECONDS
        goes_with = leaps or _goes_with(packet, error, jump, place=place, usual=self.track.usual)
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
        """What the new clock needs at least for this track; None where nothing of it was seen behind the joint."""
        if self.begin_decoded is None or self.begin_shown is None:
            return None
        return max(self.next - self.begin_decoded, self.end - self.begin_shown)


@dataclass
class JoinedClocks:
    """Packets of a file in its order, with times that go on over every joint.

    Attributes:
        jumps: the joints that were passed so far.
    """

    read: Callable[[], Packet[Stream] | None]
    jumps: list[Jump] = field(default_factory=list)
    _offsets: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    _tracks: dict[int, _Track] = field(default_factory=dict)
    _waiting: deque[Packet[Stream]] = field(default_factory=deque)
    _failure: Exception | None = None
    _joint_place: int | None = None

    def __iter__(self) -> Iterator[Packet[Stream]]:
        """Yield the packets; what `read` raises comes after those that it had given."""
        while (packet := self.next()) is not None:
            yield packet

    def next(self) -> Packet[Stream] | None:
        """The next packet, or None at the end of the file.

        Raises:
            Exception: what `read` raised.
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
        """Read a packet that is not passed on yet; whether there is one."""
        if self._failure is not None:
            return False
        try:
            packet = self.read()
        except Exception as err:
            self._failure = err
            return False
        if packet is not None:
            self._waiting.append(packet)
        return packet is not None

    def _offset_of(self, packet: Packet[Stream], when: Fraction) -> Fraction:
        """What is added to the times of a packet of picture or sound; its track may change to another clock here."""
        index = packet.stream.index
        if index not in self._tracks:
            self._tracks[index] = self._begun(packet, when)
        track = self._tracks[index]
        if track.decoded is not None:
            error = when + self._offsets[track.clock] - track.next
            newest = len(self._offsets) - 1
            jumps = self._is_jump(track, error, when + self._offsets[track.clock])
            behind = jumps or self._is_behind_joint(packet, track, error)
            if track.clock < newest and behind and self._follows(track, when, newest):
                track.clock = newest
            elif jumps:
                self._bridge(packet, track, error)
        track.pass_on(packet, self._offsets[track.clock])
        return self._offsets[track.clock]

    def _begun(self, packet: Packet[Stream], when: Fraction) -> _Track:
        """A track that begins; where that is far from all others, it is the first to have another clock."""
        track = _Track(packet.time_base)
        track.clock = self._offsets.index(self._nearest(when))
        if self._tracks:
            error = when + self._offsets[track.clock] - self._now
            if abs(error) > _LEAP_SECONDS:
                self._bridge(packet, track, error)
        return track

    def _bridge(self, packet: Packet[Stream], track: _Track, error: Fraction) -> None:
        """Begin a new clock with a packet of a track."""
        at, self._joint_place = self._now, packet.pos
        self._offsets.append(self._bridged(packet, track, error))
        track.clock = len(self._offsets) - 1
        self.jumps.append(Jump(at, error))

    @property
    def _now(self) -> Fraction:
        """Where picture and sound are, in joined time."""
        return max((track.end for track in self._tracks.values()), default=Fraction(0))

    def _is_behind_joint(self, packet: Packet[Stream], track: _Track, error: Fraction) -> bool:
        """Whether a packet that is no jump of its own goes with the latest jump of another track."""
        if not self.jumps or track.clock == len(self._offsets) - 1:
            return False
        jump = self.jumps[-1]
        if track.end > jump.at_seconds + _LOOKED_AT_SECONDS:
            return False
        return _goes_with(packet, error, jump.by_seconds, place=self._joint_place, usual=track.usual)

    def _follows(self, track: _Track, when: Fraction, clock: int) -> bool:
        """Whether a packet goes on with what was before by another clock."""
        return -_FALL_SECONDS <= when + self._offsets[clock] - track.next <= _LEAP_SECONDS

    def _is_jump(self, track: _Track, error: Fraction, when: Fraction) -> bool:
        if track.decoded is not None and when < track.decoded - _FALL_SECONDS:
            return True
        if error <= _LEAP_SECONDS:
            return False
        # Where sound goes on meanwhile, a picture that stands for minutes is a picture that stands for minutes.
        others = (other for other in self._tracks.values() if other is not track and other.decoded is not None)
        return all(other.end < when - _LEAP_SECONDS for other in others)

    def _bridged(self, packet: Packet[Stream], jumped: _Track, error: Fraction) -> Fraction:
        """The offset of a new clock: nothing behind the joint begins before its track has ended before the joint."""
        now = self._now
        sides = {
            index: _Sides(track, self._offsets[track.clock], track.next, track.end)
            for index, track in self._tracks.items()
            if track.end > now - _LEAP_SECONDS
        }
        for place in range(_LOOKED_AT_PACKETS):
            side = sides.get(packet.stream.index)
            if side is not None:
                side.look_at(packet, error, place=self._joint_place, is_first=place == 0)
            if all(side.count >= _LEADING_PACKETS for side in sides.values()):
                break
            if any(side.reached > _LOOKED_AT_SECONDS for side in sides.values()):
                break
            if place >= len(self._waiting) and not self._look_at_one_more():
                break
            packet = self._waiting[place]
        offsets = [offset for side in sides.values() if (offset := side.offset) is not None]
        return max(offsets, default=self._offsets[jumped.clock] - error)

    def _nearest(self, when: Fraction) -> Fraction:
        """The clock by which a packet without a history is nearest to where picture and sound are."""
        if len(self._offsets) == 1:
            return self._offsets[0]
        now = self._now
        used = {self._offsets[track.clock] for track in self._tracks.values()} | {self._offsets[-1]}
        return min(used, key=lambda offset: abs(when + offset - now))


def _goes_with(packet: Packet[Stream], error: Fraction, jump: Fraction, *, place: int | None, usual: Fraction) -> bool:
    """Whether a packet near a joint belongs behind it: by its time, or by its place in a file that was put together."""
    if abs(error - jump) < abs(error):
        return True
    lies_behind = place is not None and packet.pos is not None and packet.pos > place
    return lies_behind and abs(error) > usual / 2 and abs(error - jump) <= _LEAP_SECONDS


def _when(packet: Packet[Stream]) -> Fraction | None:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None or packet.time_base is None else ticks * packet.time_base


def _seconds(ticks: int | None, track: _Track) -> Fraction | None:
    return None if ticks is None else ticks * track.time_base
