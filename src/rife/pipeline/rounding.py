"""Times of output frames in a container with coarse ticks: Matroska and WebM count whole milliseconds.

FFmpeg's muxer writes no finer ones. Two frames within a millisecond, as in a variable rate, get times one millisecond
apart. More than a thousand frames a second are refused before any is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

from rife.errors import Hint, JobError
from rife.pipeline.plan import Plan
from rife.timing import distinct_ticks

_MOST_SECONDS = Fraction(1, 50)
"""Largest shift of a frame: sound that is off by less is still in sync."""

_MOST_SHARE = Fraction(1, 10)
"""Largest share of frames that are moved to another tick."""


def shown_times(plan: Plan, coarse_tick: Fraction) -> Iterator[int]:
    """Yield the time of every output frame, and the end of the last, each later than the one before.

    Args:
        plan: the job.
        coarse_tick: seconds to which the container rounds times; 0 for times in the plan's own ticks.
    """
    times = chain((frame.pts for frame in plan.all_frames()), [plan.last_end_pts])
    tick = plan.clock.tick
    return distinct_ticks(times, tick, coarse_tick or tick)


def largest_move(plan: Plan, output: Path, coarse_tick: Fraction) -> Fraction:
    """The largest shift of a frame, in seconds, by the rounding of the container.

    Args:
        plan: the job.
        output: names the container.
        coarse_tick: seconds to which the container rounds times; 0 where it keeps them.

    Raises:
        JobError: the container has too few ticks for so many frames.
    """
    if not coarse_tick:
        return Fraction(0)
    ratio = plan.clock.tick / coarse_tick
    largest = Fraction(0)
    moved = 0
    for frame, time in zip(plan.all_frames(), shown_times(plan, coarse_tick), strict=False):
        off = abs(time - frame.pts * ratio)
        largest = max(largest, off)
        moved += off > 1
    if largest * coarse_tick > _MOST_SECONDS or moved > plan.output_frames * _MOST_SHARE:
        rate = plan.output_frames / plan.duration_seconds
        raise JobError(
            f"{output}: the output would have {float(rate):.0f} frames a second, and a {output.suffix} file counts "
            f"times in steps of {float(coarse_tick * 1000):g} ms: two frames would get the same time.",
            hint=Hint("Name an .mp4 or .mov file with {output}, or take a smaller factor or rate."),
        )
    return largest * coarse_tick
