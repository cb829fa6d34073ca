"""Presentation time and duration of each frame, also for files with missing or wrong times.

A decoder outputs its frames in presentation order, usually with the pts of their packets. In containers without
presentation times (AVI, ASF with H.264), FFmpeg assigns times in decoding order; there, the n-th frame in presentation
order gets the n-th of these times.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import av
from av.packet import Packet
from av.stream import Stream

from rife.media.source import SourceFrame, VideoInfo

LATEST_TICK = 2**53
"""Largest plausible time, centuries or more; with a factor and another time base it still fits into 64 bits."""

_LEAP_SECONDS = Fraction(10)
"""Longest plausible duration of a frame past the stated end of the file."""

_ROUNDED_SECONDS = Fraction(1, 500)
"""Largest rounding error of a duration in a header; durations of packets are more exact."""

_DEEPEST_REORDERING = 32
"""Largest number of packets that a decoder of any codec delays."""


@dataclass(frozen=True)
class Ends:
    """Stated ends in the header of a file, in seconds from the start of the file; None if not stated.

    Attributes:
        picture: end of the video track.
        file: end of the whole file.
        lengths_are_of_decoding: whether the duration of a packet is the time to the next packet in decoding order.
    """

    picture: Fraction | None = None
    file: Fraction | None = None
    lengths_are_of_decoding: bool = False


@dataclass(frozen=True)
class TimeSpan:
    """A time span without decodable frames, in seconds.

    Attributes:
        start: start of the span.
        end: end of the span.
        held: whether the previous frame is held; false at the beginning, where there is none.
    """

    start: Fraction
    end: Fraction
    held: bool = True

    def __str__(self) -> str:
        return f"{float(self.start):.2f} to {float(self.end):.2f} s"


class ShowingTimes:
    """Presentation times of the frames of one pass; the duration of a frame is known once the next frame arrives."""

    def __init__(self, info: VideoInfo, ends: Ends, *, reorders: bool, delay: int = 0, fills: bool = False) -> None:
        """Begin a pass.

        Args:
            info: properties of the file's frames.
            ends: stated ends of the file.
            reorders: whether the decoder reorders frames.
            delay: ticks by which all times of the file are too late.
            fills: count a missing frame as lost if it leaves a gap: decoders skip some damage without an error.
        """
        self.frames = 0
        self.lost: list[TimeSpan] = []
        self.not_believed: list[tuple[Fraction, Fraction]] = []
        self._tick, self._ends, self._delay = info.time_base, ends, delay
        self._usual = max(1, round(1 / (info.frame_rate * info.time_base)))
        self._order: _DecodingOrder | None = _DecodingOrder() if reorders else None
        self._pending: SourceFrame | None = None
        self._last = self._next = self._taken_off = 0
        self._latest_sent: int | None = None
        self._last_sent: tuple[int | None, int] = None, 0
        self._losses: list[tuple[int, bool]] = []
        self._fills = fills
        self._awaited: list[int] = []
        self._first_key: int | None = None

    @property
    def end_seconds(self) -> Fraction:
        """End of the last frame so far, by its own duration, in seconds."""
        return self._next * self._tick

    @property
    def in_decoding_order(self) -> bool:
        """Whether the times of the packets increase in decoding order although the decoder reorders frames."""
        return self._order is not None and self._order.is_needed

    def sent(self, packet: Packet[Stream]) -> None:
        """Note a packet before it is decoded."""
        if self._order is not None and not self._order.sent(packet.pts):
            self._order = None
        self._last_sent = packet.pts, packet.duration or 0
        if packet.pts is not None:
            if self._fills and not packet.is_discard:
                heapq.heappush(self._awaited, packet.pts)
                if packet.is_keyframe and self._first_key is None:
                    self._first_key = packet.pts
                if len(self._awaited) > _DEEPEST_REORDERING:
                    heapq.heappop(self._awaited)
            self._latest_sent = max(packet.pts, self._latest_sent or packet.pts)

    def damaged(self, what: Packet[Stream] | av.VideoFrame | None) -> None:
        """Note a packet or frame that cannot be decoded, or (None) a position at which the file cannot be read."""
        if what is not None and what.pts is not None and self._order is None:
            self._losses.append((what.pts - self._delay - self._taken_off, True))
        else:
            after = self._next if self._latest_sent is None else self._latest_sent - self._delay - self._taken_off + 1
            self._losses.append((after, False))
        if self._order is not None and what is not None:
            self._order.lost(what.pts)

    def shown(self, picture: av.VideoFrame) -> Iterator[SourceFrame]:
        """Add a frame of the decoder, and yield the previous frame, whose duration is now known."""
        if self._comes_too_late(picture):
            return
        pts, length = self._timed(picture)
        after_damage = False
        self._note_missing(picture, pts)
        if self._pending is None and self._losses:
            first = min(when for when, _ in self._losses)
            if first < pts:  # there is no frame to hold
                self.lost.append(TimeSpan(first * self._tick, pts * self._tick, held=False))
        if self._pending is not None:
            yield from self._held_until(pts)
            after_damage = self._passed_losses(pts)
        self._losses = [(when, at) for when, at in self._losses if when >= pts]
        self._pending = SourceFrame(picture, pts, length, after_damage=after_damage)
        self.frames += 1
        self._last, self._next = pts, pts + length

    def finish(self, *, is_whole: bool = True, held_until: Fraction | None = None) -> Iterator[SourceFrame]:
        """Yield the last frame, and its repetitions in place of lost frames after it.

        Args:
            is_whole: whether the file was read to its end, so that the stated end is that of the last frame.
            held_until: end of the last frame, in seconds, if frames after it are lost.
        """
        if self._pending is None:
            return
        if self._fills:
            left = self._awaited if self._order is None else self._order.waiting
            left = [when - self._delay - self._taken_off for when in left]
            self._losses += [(when, True) for when in left if when > self._last + self._usual // 2]
        end = self._last_end(self._pending) if is_whole else self._next
        if held_until is not None and (self._losses or not is_whole):
            lost = [when for when, _ in self._losses] or [end]
            end = max(end, round(held_until / self._tick), max(lost) + self._usual)
            self.lost.append(TimeSpan(max(min(lost), self._pending.pts) * self._tick, end * self._tick))
            self._next = end
        yield from self._held_until(end)
        self._pending = None

    def _held_until(self, end: int) -> Iterator[SourceFrame]:
        """Yield the pending frame, and repeat it at the time of each lost frame up to an end time."""
        pending = self._pending
        if pending is None:
            return
        again = sorted({when for when, repeats in self._losses if repeats and pending.pts < when < end})
        for start, following in pairwise([pending.pts, *again, end]):
            damaged = pending.after_damage or start > pending.pts
            yield replace(pending, pts=start, duration=following - start, after_damage=damaged)

    def _comes_too_late(self, picture: av.VideoFrame) -> bool:
        """Whether a decoder outputs a frame after later ones, as it does after a lost key frame."""
        if not (self._fills and self.lost and self._order is None) or picture.pts is None:
            return False
        return picture.pts - self._delay - self._taken_off <= self._last

    def _note_missing(self, picture: av.VideoFrame, pts: int) -> None:
        """Note the times of packets before a frame without frames of their own, if they leave a gap."""
        if picture.pts is None:
            return
        missing = []
        while self._awaited and self._awaited[0] <= picture.pts:
            missing.append(heapq.heappop(self._awaited) - picture.pts + pts)
        # Some codecs have packets without a frame of their own (VP8); they leave no gap.
        half = self._usual // 2
        if self._order is not None:
            missing = [when - self._delay for when in self._order.passed_over] if self._fills else []
            self._order.passed_over.clear()
        if self._pending is not None:
            self._losses += [(when, True) for when in missing if self._last + half < when < pts - half]
        elif self._first_key is not None and self._first_key < picture.pts - half and self._order is None:
            self._losses.append((self._first_key - picture.pts + pts, False))

    def _passed_losses(self, pts: int) -> bool:
        """Note the time span of lost frames before a frame, and return whether there are any."""
        passed = [when for when, _ in self._losses if when < pts]
        if passed:
            self.lost.append(TimeSpan(max(min(passed), self._last) * self._tick, pts * self._tick))
        return bool(passed)

    def _timed(self, picture: av.VideoFrame) -> tuple[int, int]:
        """Time of a frame, and its stated duration."""
        pts = picture.pts
        if pts is not None and self._order is not None:
            pts = self._order.shown(pts, is_key=bool(picture.key_frame))
        if pts is not None:
            pts = self._believed(pts - self._delay)
        if pts is None or (self.frames and pts <= self._last) or abs(pts) > LATEST_TICK:
            pts = self._next
        length = picture.duration or (pts - self._last if self.frames else self._usual)
        return pts, length if 0 < length <= LATEST_TICK else self._usual

    def _believed(self, pts: int) -> int:
        """A time, corrected for implausible jumps past the stated end of the file."""
        pts -= self._taken_off
        gap = pts - self._last
        if not self.frames or self._ends.file is None or abs(pts) > LATEST_TICK:
            return pts
        past_the_end = pts * self._tick > self._ends.file + _LEAP_SECONDS
        if not past_the_end or gap * self._tick <= _LEAP_SECONDS:
            return pts
        self.not_believed.append((self._last * self._tick, gap * self._tick))
        taken_off = pts - self._next
        self._taken_off += taken_off
        return pts - taken_off

    def _last_end(self, last: SourceFrame) -> int:
        """End of the last frame: by its packet, by the header, and not past the end of the file."""
        stated = self._next - last.pts
        shown_by = None if last.picture.pts is None else last.picture.pts
        is_of_another = self._ends.lengths_are_of_decoding and shown_by != self._last_sent[0]
        if is_of_another:
            stated = self._last_sent[1] if 0 < self._last_sent[1] <= LATEST_TICK else self._usual
        length, header = stated, self._ends.picture
        if header is not None:
            by_header = round(header / self._tick) - last.pts
            differs = abs(by_header - stated) * self._tick > _ROUNDED_SECONDS
            # MP4 states the duration of the last sample; a longer track only has an edit list for the whole film.
            trusted = is_of_another or by_header < stated or not self._ends.lengths_are_of_decoding
            if by_header > 0 and differs and trusted:
                length = by_header
        limit = self._ends.file
        if limit is not None and (last.pts + length) * self._tick > max(limit, header or limit) + _LEAP_SECONDS:
            self.not_believed.append((last.pts * self._tick, length * self._tick))
            length = max(self._usual, round(limit / self._tick) - last.pts)
        self._next = last.pts + length
        return self._next


class _DecodingOrder:
    """Times that increase in decoding order, assigned in presentation order."""

    def __init__(self) -> None:
        self.is_needed = False
        self.passed_over: list[int] = []
        self.waiting: list[int] = []
        self._latest: int | None = None

    def sent(self, pts: int | None) -> bool:
        """Add the time of a packet, and return false once times do not increase, or are missing."""
        if pts is None or (self._latest is not None and pts <= self._latest):
            return False
        self._latest = pts
        heapq.heappush(self.waiting, pts)
        while len(self.waiting) > _DEEPEST_REORDERING:
            self.passed_over.append(heapq.heappop(self.waiting))  # the decoder has not output its frame
        return True

    def lost(self, pts: int | None) -> None:
        """Remove the time of a packet without a frame."""
        if pts in self.waiting:
            self.waiting.remove(pts)
            heapq.heapify(self.waiting)

    def shown(self, pts: int, *, is_key: bool) -> int:
        """Presentation time of the next frame, whose packet's time is `pts`."""
        # Frames before a key frame in decoding order are before it in presentation order.
        while is_key and self.waiting and self.waiting[0] < pts:
            self.passed_over.append(heapq.heappop(self.waiting))
        if not self.waiting:
            return pts
        when = heapq.heappop(self.waiting)
        self.is_needed = self.is_needed or when != pts
        return when
