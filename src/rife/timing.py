"""Timestamps of output frames, in exact arithmetic.

Times are whole ticks. A `FactorClock` divides the source's tick by the factor: source timestamps are preserved exactly,
and new frames are spaced evenly between them, also at a variable frame rate. A `RateClock` ticks once for each output
frame, at a constant rate that never drifts, and computes the timestep of each frame between two source frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from rife.errors import OptionError
from rife.options import Number, parse_number, parse_whole

MIN_FACTOR = 2
MAX_FACTOR = 64
MAX_RATE = 1000

NAMED_RATES = {"film": Fraction(24), "pal": Fraction(25), "ntsc": Fraction(30000, 1001)}
"""Named frame rates."""


@dataclass(frozen=True)
class OutputTime:
    """The time of one output frame.

    Attributes:
        timestep: position between the source frame (0) and the next source frame (1).
        pts: time in output ticks.
    """

    timestep: Fraction
    pts: int


def check_factor(factor: int) -> None:
    """Check that a factor is a whole number from 2 to 64.

    Raises:
        OptionError: the factor is another value.
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or not MIN_FACTOR <= factor <= MAX_FACTOR:
        raise OptionError(f"factor: expected a whole number from {MIN_FACTOR} to {MAX_FACTOR}, got {factor!r}.")


def timesteps(factor: int) -> list[Fraction]:
    """Timesteps of the new frames between two source frames: k / factor for k = 1 .. factor - 1."""
    return [Fraction(k, factor) for k in range(1, factor)]


@dataclass(frozen=True)
class FactorClock:
    """The clock of a job with `factor` output frames for each source frame.

    Attributes:
        factor: 2 to 64.
        source_tick: seconds per tick of the source's times.
        slowdown: output seconds for each source second.
    """

    factor: int
    source_tick: Fraction
    slowdown: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        """Check the factor."""
        check_factor(self.factor)

    @property
    def tick(self) -> Fraction:
        """Seconds per tick of the output's times."""
        return self.source_tick * self.slowdown / self.factor

    def frame_rate(self, source_rate: Fraction) -> Fraction:
        """Average frames per second of the output."""
        return source_rate * self.factor / self.slowdown

    def frames_in(self, start_pts: int, end_pts: int, *, source_frames: int) -> int:  # noqa: ARG002 (of `Clock`)
        """Number of output frames between two source times that are `source_frames` source frames apart."""
        return source_frames * self.factor

    def interval(self, start_pts: int, end_pts: int) -> list[OutputTime]:
        """Times of the output frames from one source frame (timestep 0) up to the next, or up to its end.

        Args:
            start_pts: time of the source frame, in source ticks.
            end_pts: time of the next source frame, or the end of the last one, in source ticks.
        """
        step = end_pts - start_pts
        return [OutputTime(Fraction(k, self.factor), start_pts * self.factor + k * step) for k in range(self.factor)]


@dataclass(frozen=True)
class RateClock:
    """The clock of a job with a constant output rate, above or below the source's; counts from time zero.

    Attributes:
        rate: frames per second.
        source_tick: seconds per tick of the source's times.
        slowdown: output seconds for each source second.
    """

    rate: Fraction
    source_tick: Fraction
    slowdown: Fraction = Fraction(1)

    @property
    def tick(self) -> Fraction:
        """Seconds per tick of the output's times: one frame."""
        return 1 / self.rate

    def frame_rate(self, source_rate: Fraction) -> Fraction:  # noqa: ARG002 (of `Clock`)
        """Frames per second of the output."""
        return self.rate

    def frames_in(self, start_pts: int, end_pts: int, *, source_frames: int) -> int:  # noqa: ARG002 (of `Clock`)
        """Number of output frames between two source times that are `source_frames` source frames apart."""
        return math.ceil(end_pts * self._frames_per_tick) - math.ceil(start_pts * self._frames_per_tick)

    def interval(self, start_pts: int, end_pts: int) -> list[OutputTime]:
        """Times of the output frames from one source frame up to the next; the list may be empty.

        Args:
            start_pts: time of the source frame, in source ticks.
            end_pts: time of the next source frame, or the end of the last one, in source ticks.
        """
        per_tick = self._frames_per_tick
        first, end = math.ceil(start_pts * per_tick), math.ceil(end_pts * per_tick)
        span = (end_pts - start_pts) * per_tick
        return [OutputTime((k - start_pts * per_tick) / span, k) for k in range(first, end)]

    @property
    def _frames_per_tick(self) -> Fraction:
        return self.source_tick * self.slowdown * self.rate


Clock: TypeAlias = FactorClock | RateClock


def distinct_ticks(times: Iterable[int], tick: Fraction, coarse: Fraction) -> Iterator[int]:
    """Round times to coarse ticks so that they still increase strictly.

    Args:
        times: increasing times in ticks.
        tick: seconds per tick.
        coarse: seconds per coarse tick.
    """
    ratio = tick / coarse
    latest: int | None = None
    for time in times:
        rounded = (2 * time * ratio.numerator + ratio.denominator) // (2 * ratio.denominator)
        latest = rounded if latest is None else max(rounded, latest + 1)
        yield latest


def clock_for(
    source_tick: Fraction,
    source_rate: Fraction,
    *,
    factor: int | None = None,
    rate: Fraction | None = None,
    slowdown: Fraction | None = None,
) -> Clock:
    """Choose the clock for the settings: a factor (2 by default), a constant rate, or slow motion.

    Slow motion by a whole number preserves every source frame and follows a variable rate. Slow motion by any other
    number has the source's average rate.

    Args:
        source_tick: seconds per tick of the source's times.
        source_rate: average frames per second of the source.
        factor: output frames for each source frame.
        rate: constant frames per second.
        slowdown: output seconds for each source second; may be combined with a rate.

    Raises:
        OptionError: a factor is combined with another setting, or the slowdown is out of range.
    """
    if factor is not None and (rate is not None or slowdown is not None):
        raise OptionError("factor: expected a factor, or fps and slowmo, got both.")
    if slowdown is None:
        return (
            FactorClock(2 if factor is None else factor, source_tick) if rate is None else RateClock(rate, source_tick)
        )
    slowdown = parse_slowdown(slowdown)
    if rate is None and slowdown.denominator == 1:
        return FactorClock(int(slowdown), source_tick, slowdown)
    return RateClock(rate or source_rate, source_tick, slowdown)


def parse_factor(factor: Number) -> int:
    """Parse a factor: a whole number from 2 to 64, in any form of number.

    Raises:
        OptionError: the value is no such number.
    """
    return parse_whole(factor, "factor", least=MIN_FACTOR, most=MAX_FACTOR)


def parse_time(time: Number) -> Fraction:
    """Parse the timestep of a new frame between two source frames.

    Raises:
        OptionError: the value is no number between 0 and 1, exclusive.
    """
    expected = "a number between 0 and 1, exclusive"
    number = parse_number(time, "time", expected=expected)
    if not 0 < number < 1:
        raise OptionError(f"time: expected {expected}, got {time!r}.")
    return number


def parse_slowdown(slowdown: Number) -> Fraction:
    """Parse a slow-motion factor: `4`, `2.5`, `5/2`.

    Raises:
        OptionError: the value is no number above 1, up to 64.
    """
    expected = f"a number above 1, up to {MAX_FACTOR}, such as 4 or 2.5"
    number = parse_number(slowdown, "slowmo", expected=expected)
    if not 1 < number <= MAX_FACTOR:
        raise OptionError(f"slowmo: expected {expected}, got {slowdown!r}.")
    return number


def parse_rate(rate: Number, what: str = "fps") -> Fraction:
    """Parse a frame rate: `60`, `60000/1001`, a name, or a rounded NTSC rate such as `59.94`.

    Args:
        rate: a number in any form, or a key of `NAMED_RATES`.
        what: name of the setting, for messages.

    Raises:
        OptionError: the value is no rate from 1 to 1000.
    """
    expected = (
        f"1 to {MAX_RATE} frames per second, as a number, a fraction such as 60000/1001, or one of "
        f"{', '.join(NAMED_RATES)}"
    )
    named = NAMED_RATES.get(rate.strip().lower()) if isinstance(rate, str) else None
    number = named or parse_number(rate, what, expected=expected)
    if not 1 <= number <= MAX_RATE:
        raise OptionError(f"{what}: expected {expected}; got {rate!r}.")
    ntsc = Fraction(round(number * 1001 / 1000) * 1000, 1001)
    # 23.976, 29.97 and 59.94 are the usual short forms of n * 1000 / 1001.
    written_short = number.denominator not in (1, 1001) and abs(number - ntsc) < Fraction(1, 200)
    return ntsc if written_short else number
