"""Brightness of new frames beside their source frames: what a viewer may see as flicker.

A light that blinks, lightning and a fade change brightness from one source frame to the next, and a new frame may lie
anywhere between both. Outside of that range, brightness comes from the network. That is told, and no error: the frames
are in the file as they were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from rife.pipeline.plan import Plan
from rife.pipeline.workspace import SegmentRecord

_SEEN_CODES = 1.0
"""Codes of 8 bit that can be seen where frames in a row differ by them."""

_FLASH_CODES = 10.0
"""Codes of 8 bit that can be seen in one frame: things that come and go with motion change less of a picture."""

_FRAMES_IN_A_ROW = 12
"""New frames whose steps are averaged: one frame may differ for good reasons."""

_MOST_TIMES = 5
"""Ranges of time that are listed."""


@dataclass
class _Range:
    """New frames in a row that are too bright or too dark."""

    start: Fraction
    end: Fraction
    total: float
    frames: int


def luma_step(plan: Plan, records: Sequence[SegmentRecord]) -> float:
    """Mean difference in luma of new frames from their sources, weighted by time, in codes of 8 bit."""
    steps = chain.from_iterable(record.luma_step for record in records)
    made = [step for frame, step in zip(plan.all_frames(), steps, strict=True) if frame.second is not None]
    return sum(made) / max(1, len(made))


def flicker_warnings(plan: Plan, records: Sequence[SegmentRecord]) -> tuple[str, ...]:
    """Say when new frames are brighter or darker than both of their source frames, if that can be seen."""
    outside = chain.from_iterable(record.luma_outside for record in records)
    made = [
        (frame.pts * plan.clock.tick, step)
        for frame, step in zip(plan.all_frames(), outside, strict=True)
        if frame.second is not None
    ]
    found = list(_ranges(made))
    if not found:
        return ()
    mean = sum(part.total for part in found) / sum(part.frames for part in found)
    more = f" and {len(found) - _MOST_TIMES} more times" if len(found) > _MOST_TIMES else ""
    told = ", ".join(_told(part) for part in found[:_MOST_TIMES])
    how = f"{abs(mean):.1f} codes of 255 {'brighter' if mean > 0 else 'darker'}"
    return (f"new frames are {how} than the frames around them at {told}{more}; look there for flicker",)


def _ranges(made: Sequence[tuple[Fraction, float]]) -> Iterator[_Range]:
    """Yield the stretches of time that can be seen to flicker."""
    current: _Range | None = None
    for first in range(0, len(made), _FRAMES_IN_A_ROW):
        row = made[first : first + _FRAMES_IN_A_ROW]
        if abs(sum(step for _, step in row)) <= _SEEN_CODES * len(row):
            row = [(when, step) for when, step in row if abs(step) > _FLASH_CODES]
        if not row:
            continue
        total = sum(step for _, step in row)
        if current is not None and (total > 0) == (current.total > 0) and first and made[first - 1][0] == current.end:
            current.end, current.total, current.frames = row[-1][0], current.total + total, current.frames + len(row)
            continue
        if current is not None:
            yield current
        current = _Range(row[0][0], row[-1][0], total, len(row))
    if current is not None:
        yield current


def _told(part: _Range) -> str:
    start, end = f"{float(part.start):.2f}", f"{float(part.end):.2f}"
    return f"{start} s" if start == end else f"{start} to {end} s"
