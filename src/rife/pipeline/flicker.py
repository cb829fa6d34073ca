"""Brightness of new frames compared with their source frames: differences that are visible as flicker.

A blinking light, lightning and a fade change the brightness from one source frame to the next, and a new frame may lie
anywhere between both. Brightness outside of that range comes from the network. It is a warning, not an error: the file
holds the frames as they were rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from rife.pipeline.plan import Plan
from rife.pipeline.workspace import SegmentRecord

_SEEN_CODES = 1.0
"""Difference in 8-bit codes that is visible over several frames in a row."""

_FLASH_CODES = 10.0
"""Difference in 8-bit codes that is visible in one frame; objects that appear with motion change the mean by less."""

_FRAMES_IN_A_ROW = 12
"""Number of new frames that are averaged: a single frame may differ for good reasons."""

_MOST_TIMES = 5
"""Most time ranges that a warning lists."""


@dataclass
class _Range:
    """A time range of new frames that are too bright or too dark."""

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
    """Warn of times at which new frames are visibly brighter or darker than both of their source frames."""
    outside = chain.from_iterable(record.luma_outside for record in records)
    made = [
        (frame.pts * plan.clock.tick, step)
        for frame, step in zip(plan.all_frames(), outside, strict=True)
        if frame.second is not None
    ]
    found = list(_ranges(made))
    if not found:
        return ()
    mean = sum(item.total for item in found) / sum(item.frames for item in found)
    more = f" and {len(found) - _MOST_TIMES} more times" if len(found) > _MOST_TIMES else ""
    times = ", ".join(_times(item) for item in found[:_MOST_TIMES])
    how = f"{abs(mean):.1f} codes of 255 {'brighter' if mean > 0 else 'darker'}"
    return (f"new frames are {how} than the frames around them at {times}{more}; look there for flicker",)


def _ranges(made: Sequence[tuple[Fraction, float]]) -> Iterator[_Range]:
    """Yield the time ranges with visible flicker."""
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


def _times(item: _Range) -> str:
    start, end = f"{float(item.start):.2f}", f"{float(item.end):.2f}"
    return f"{start} s" if start == end else f"{start} to {end} s"
