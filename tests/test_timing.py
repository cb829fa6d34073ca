"""Where output frames lie."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rife.errors import JobError
from rife.timing import check_factor, interval_times, timesteps


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30), st.integers(0, 10**9), st.integers(2, 64))
def test_source_frames_keep_their_time_and_new_ones_lie_evenly_between(
    durations: list[int], start: int, factor: int
) -> None:
    starts = [start + sum(durations[:i]) for i in range(len(durations) + 1)]
    places = [
        place for a, b in itertools.pairwise(starts) for place in interval_times(start_pts=a, end_pts=b, factor=factor)
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
