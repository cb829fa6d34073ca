"""Which output frame lies where: exact arithmetic on timestamps, without pictures.

Times are whole ticks. The output's tick is the source's divided by the factor, so that every source frame
keeps its time exactly and the new frames lie evenly between, whatever the frame rate does.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from rife.errors import JobError

MIN_FACTOR = 2
MAX_FACTOR = 64


@dataclass(frozen=True)
class OutputTime:
    """Place of one output frame.

    Attributes:
        timestep: where it lies between its source frame (0) and the next (1).
        pts: its time in output ticks.
    """

    timestep: Fraction
    pts: int


def check_factor(factor: int) -> None:
    """Refuse a factor that is not a whole number from 2 to 64.

    Raises:
        JobError: it is not.
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or not MIN_FACTOR <= factor <= MAX_FACTOR:
        raise JobError(f"factor: expected a whole number from {MIN_FACTOR} to {MAX_FACTOR}, got {factor!r}.")


def timesteps(factor: int) -> list[Fraction]:
    """Times of the new frames between two source frames: k / factor for k = 1 .. factor - 1."""
    return [Fraction(k, factor) for k in range(1, factor)]


def interval_times(*, start_pts: int, end_pts: int, factor: int) -> list[OutputTime]:
    """Place `factor` output frames on the interval of one source frame.

    Args:
        start_pts: time of the source frame, in source ticks.
        end_pts: time of the next source frame, or the end of the last one, in source ticks.
        factor: output frames for each source frame.

    Returns:
        The source frame itself (timestep 0) and the frames after it, in output ticks of 1 / factor source
        ticks.
    """
    step = end_pts - start_pts
    return [OutputTime(Fraction(k, factor), start_pts * factor + k * step) for k in range(factor)]
