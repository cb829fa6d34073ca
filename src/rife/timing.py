"""Which output frame lies where: exact arithmetic on timestamps, without pictures.

Times are whole ticks. A `FactorClock` divides the source's tick by the factor, so that every source frame keeps its
time exactly and the new frames lie evenly between, whatever the frame rate does. A `RateClock` ticks once for each
output frame, at a constant rate that never drifts, and finds each frame's place between the source frames around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from rife.errors import JobError

MIN_FACTOR = 2
MAX_FACTOR = 64
MAX_RATE = 1000

NAMED_RATES = {"film": Fraction(24), "pal": Fraction(25), "ntsc": Fraction(30000, 1001)}
"""Frame rates that have a name."""


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


@dataclass(frozen=True)
class FactorClock:
    """`factor` output frames for each source frame.

    Attributes:
        factor: 2 to 64.
        source_tick: seconds per tick of the source's times.
    """

    factor: int
    source_tick: Fraction

    def __post_init__(self) -> None:
        """Refuse a factor that cannot be."""
        check_factor(self.factor)

    @property
    def tick(self) -> Fraction:
        """Seconds per tick of the output's times."""
        return self.source_tick / self.factor

    def frame_rate(self, source_rate: Fraction) -> Fraction:
        """Average frames per second of the output."""
        return source_rate * self.factor

    def frames_expected(self, *, source_frames: int, source_rate: Fraction) -> int:
        """How many frames the output will have."""
        return source_frames * self.factor

    def interval(self, start_pts: int, end_pts: int) -> list[OutputTime]:
        """Place the output frames from one source frame (timestep 0) up to the next, or up to its end.

        Args:
            start_pts: time of the source frame, in source ticks.
            end_pts: time of the next source frame, or the end of the last one, in source ticks.
        """
        step = end_pts - start_pts
        return [OutputTime(Fraction(k, self.factor), start_pts * self.factor + k * step) for k in range(self.factor)]


@dataclass(frozen=True)
class RateClock:
    """Output frames at a constant rate, up or down, counted from time zero.

    Attributes:
        rate: frames per second.
        source_tick: seconds per tick of the source's times.
    """

    rate: Fraction
    source_tick: Fraction

    @property
    def tick(self) -> Fraction:
        """Seconds per tick of the output's times: one frame."""
        return 1 / self.rate

    def frame_rate(self, source_rate: Fraction) -> Fraction:
        """Frames per second of the output."""
        return self.rate

    def frames_expected(self, *, source_frames: int, source_rate: Fraction) -> int:
        """How many frames the output will have, if the source keeps its average rate."""
        return math.ceil(source_frames / source_rate * self.rate)

    def interval(self, start_pts: int, end_pts: int) -> list[OutputTime]:
        """Place the output frames from one source frame up to the next, which may be none.

        Args:
            start_pts: time of the source frame, in source ticks.
            end_pts: time of the next source frame, or the end of the last one, in source ticks.
        """
        per_tick = self.source_tick * self.rate
        first, end = math.ceil(start_pts * per_tick), math.ceil(end_pts * per_tick)
        span = (end_pts - start_pts) * per_tick
        return [OutputTime((k - start_pts * per_tick) / span, k) for k in range(first, end)]


Clock: TypeAlias = FactorClock | RateClock


def parse_rate(text: str) -> Fraction:
    """Read a frame rate: `60`, `60000/1001`, a name, or a rounded NTSC rate such as `59.94`.

    Raises:
        JobError: not a rate from 1 to 1000.
    """
    try:
        rate = NAMED_RATES.get(text.strip().lower()) or Fraction(text.strip())
    except (ValueError, ZeroDivisionError) as err:
        raise JobError(
            f"frame rate {text!r}: expected a number, a fraction such as 60000/1001, or {', '.join(NAMED_RATES)}."
        ) from err
    if not 1 <= rate <= MAX_RATE:
        raise JobError(f"frame rate {text!r}: expected 1 to {MAX_RATE} frames per second.")
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    # 23.976, 29.97, 59.94: people write the first digits of n * 1000 / 1001.
    written_short = rate.denominator not in (1, 1001) and abs(rate - ntsc) < Fraction(1, 200)
    return ntsc if written_short else rate
