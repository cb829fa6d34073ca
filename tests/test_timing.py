"""Where output frames lie."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rife.errors import JobError
from rife.timing import FactorClock, RateClock, check_factor, parse_rate, timesteps


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30), st.integers(0, 10**9), st.integers(2, 64))
def test_source_frames_keep_their_time_and_new_ones_lie_evenly_between(
    durations: list[int], start: int, factor: int
) -> None:
    starts = [start + sum(durations[:i]) for i in range(len(durations) + 1)]
    places = [
        place for a, b in itertools.pairwise(starts) for place in FactorClock(factor, Fraction(1, 1000)).interval(a, b)
    ]
    assert len(places) == len(durations) * factor
    assert [place.pts for place in places if place.timestep == 0] == [a * factor for a in starts[:-1]]
    for i, (a, b) in enumerate(itertools.pairwise(starts)):
        interval = [Fraction(place.pts, factor) for place in places[i * factor : (i + 1) * factor]]
        assert interval == [a + Fraction(k, factor) * (b - a) for k in range(factor)]


def test_timesteps_are_exact() -> None:
    assert timesteps(3) == [Fraction(1, 3), Fraction(2, 3)]


@pytest.mark.parametrize("factor", [1, 0, -2, 65, 2.0, True, "2"])
def test_factors_out_of_range_are_refused(factor: object) -> None:
    with pytest.raises(JobError, match="from 2 to 64, got"):
        check_factor(factor)  # type: ignore[arg-type]


RATES = [Fraction(24), Fraction(25), Fraction(60), Fraction(24000, 1001), Fraction(60000, 1001), Fraction(119, 2)]


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=40),
    st.integers(0, 10**6),
    st.sampled_from(RATES),
    st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1001, 24000)]),
)
def test_a_constant_rate_places_every_frame_once_and_exactly(
    durations: list[int], start: int, rate: Fraction, tick: Fraction
) -> None:
    clock = RateClock(rate, tick)
    starts = [start + sum(durations[:i]) for i in range(len(durations) + 1)]
    places = []
    for a, b in itertools.pairwise(starts):
        for place in clock.interval(a, b):
            assert 0 <= place.timestep < 1
            assert (a + place.timestep * (b - a)) * tick == place.pts * clock.tick
            places.append(place.pts)
    assert places == list(range(places[0], places[0] + len(places))) if places else True
    length = (starts[-1] - starts[0]) * tick
    assert abs(len(places) * clock.tick - length) < clock.tick


@pytest.mark.slow
@pytest.mark.parametrize("rate", [Fraction(60), Fraction(60000, 1001)])
def test_film_to_sixty_does_not_drift_in_three_hours(rate: Fraction) -> None:
    source_rate = Fraction(24000, 1001)
    frames = math.ceil(3 * 3600 * source_rate)
    clock = RateClock(rate, 1 / source_rate)
    count = 0
    for k in range(frames):
        for place in clock.interval(k, k + 1):
            assert place.pts == count
            assert (k + place.timestep) / source_rate == place.pts / rate
            count += 1
    assert count == clock.frames_in(0, frames, source_frames=frames)
    assert 0 <= count / rate - frames / source_rate < 1 / rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60", Fraction(60)),
        ("60000/1001", Fraction(60000, 1001)),
        ("ntsc", Fraction(30000, 1001)),
        ("Film", Fraction(24)),
        ("23.976", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_rates_as_people_write_them(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "0", "-5", "1/0", "1001", "nan"])
def test_what_is_not_a_rate(text: str) -> None:
    with pytest.raises(JobError, match="fps"):
        parse_rate(text)
