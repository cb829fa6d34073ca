"""Which output frame lies where: exact arithmetic on timestamps, without pictures.

Times are whole ticks. A `FactorClock` divides the source's tick by the factor, so that every source frame keeps its
time exactly and the new frames lie evenly between, whatever the frame rate does. A `RateClock` ticks once for each
output frame, at a constant rate that never drifts, and finds each frame's place between the source frames around it.
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
        OptionError: it is not.
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or not MIN_FACTOR <= factor <= MAX_FACTOR:
        raise OptionError(f"factor: expected a whole number from {MIN_FACTOR} to {MAX_FACTOR}, got {factor!r}.")


def timesteps(factor: int) -> list[Fraction]:
    """Times of the new frames between two source frames: k / factor for k = 1 .. factor - 1."""
    return [Fraction(k, factor) for k in range(1, factor)]


@dataclass(frozen=True)
class FactorClock:
    """`factor` output frames for each source frame.

    Attributes:
        factor: 2 to 64.
        source_tick: seconds per tick of the source's times.
        slowdown: output seconds for each source second.
    """

    factor: int
    source_tick: Fraction
    slowdown: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        """Refuse a factor that cannot be."""
        check_factor(self.factor)

    @property
    def tick(self) -> Fraction:
        """Seconds per tick of the output's times."""
        return self.source_tick * self.slowdown / self.factor

    def frame_rate(self, source_rate: Fraction) -> Fraction:
        """Average frames per second of the output."""
        return source_rate * self.factor / self.slowdown

    def frames_in(self, start_pts: int, end_pts: int, *, source_frames: int) -> int:
        """How many output frames lie from one source time to another that is `source_frames` later."""
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
        slowdown: output seconds for each source second.
    """

    rate: Fraction
    source_tick: Fraction
    slowdown: Fraction = Fraction(1)

    @property
    def tick(self) -> Fraction:
        """Seconds per tick of the output's times: one frame."""
        return 1 / self.rate

    def frame_rate(self, source_rate: Fraction) -> Fraction:
        """Frames per second of the output."""
        return self.rate

    def frames_in(self, start_pts: int, end_pts: int, *, source_frames: int) -> int:
        """How many output frames lie from one source time to another that is `source_frames` later."""
        return math.ceil(end_pts * self._frames_per_tick) - math.ceil(start_pts * self._frames_per_tick)

    def interval(self, start_pts: int, end_pts: int) -> list[OutputTime]:
        """Place the output frames from one source frame up to the next, which may be none.

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
    """Round times to coarse ticks, each later than the one before.

    Args:
        times: in ticks, growing.
        tick: seconds of a tick.
        coarse: seconds of a coarse tick.
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
    """Choose the clock for what was asked: a factor (2 if nothing is), a constant rate, or slow motion.

    Slow motion by a whole number keeps every source frame and follows a variable rate; by any other it has the
    source's average rate.

    Args:
        source_tick: seconds per tick of the source's times.
        source_rate: average frames per second of the source.
        factor: output frames for each source frame.
        rate: constant frames per second.
        slowdown: output seconds for each source second; with a rate or alone.

    Raises:
        OptionError: a factor together with one of the others, or a slowdown out of range.
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
    """Read a factor: a whole number from 2 to 64, in any form of number.

    Raises:
        OptionError: another number, or none.
    """
    return parse_whole(factor, "factor", least=MIN_FACTOR, most=MAX_FACTOR)


def parse_time(time: Number) -> Fraction:
    """Read the place of a new frame between its source frames.

    Raises:
        OptionError: not a number between 0 and 1, exclusive.
    """
    expected = "a number between 0 and 1, exclusive"
    number = parse_number(time, "time", expected=expected)
    if not 0 < number < 1:
        raise OptionError(f"time: expected {expected}, got {time!r}.")
    return number


def parse_slowdown(slowdown: Number) -> Fraction:
    """Read how many times slower: `4`, `2.5`, `5/2`.

    Raises:
        OptionError: not a number above 1, up to 64.
    """
    expected = f"a number above 1, up to {MAX_FACTOR}, such as 4 or 2.5"
    number = parse_number(slowdown, "slowmo", expected=expected)
    if not 1 < number <= MAX_FACTOR:
        raise OptionError(f"slowmo: expected {expected}, got {slowdown!r}.")
    return number


def parse_rate(rate: Number, what: str = "fps") -> Fraction:
    """Read a frame rate: `60`, `60000/1001`, a name, or a rounded NTSC rate such as `59.94`.

    Args:
        rate: a number in any form, or a key of `NAMED_RATES`.
        what: the name of the setting, for the message.

    Raises:
        OptionError: not a rate from 1 to 1000.
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
    # 23.976, 29.97, 59.94: people write the first digits of n * 1000 / 1001.
    written_short = number.denominator not in (1, 1001) and abs(number - ntsc) < Fraction(1, 200)
    return ntsc if written_short else number
