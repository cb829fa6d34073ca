"""What a job will do: every frame placed, nothing across a cut, the same whichever way it is cut into segments."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rife.analysis.record import Interval, Survey
from rife.errors import JobError
from rife.options import AtCut, Duplicates
from rife.pipeline.plan import Plan
from rife.timing import Clock, FactorClock, RateClock, clock_for

MOVES = Interval(cut=False, repeated=False, luma_change=0.1)
CUT = Interval(cut=True, repeated=False, luma_change=0.5)
AGAIN = Interval(cut=False, repeated=True, luma_change=0.0)
TICK = Fraction(1, 24000)


def plan_of(
    intervals: list[Interval],
    clock: Clock | None = None,
    *,
    at_cut: AtCut = "hold",
    duplicates: Duplicates = "keep",
    step: int = 1001,
    keyframes: tuple[int, ...] = (0,),
) -> Plan:
    pts = tuple(step * i for i in range(len(intervals) + 1))
    survey = Survey(pts, step, TICK, tuple(intervals), keyframes)
    return Plan(survey, clock or FactorClock(2, TICK), at_cut, duplicates, (640, 360))


clocks = st.one_of(
    st.builds(FactorClock, st.integers(2, 5), st.just(TICK)),
    st.builds(
        RateClock, st.sampled_from([Fraction(60), Fraction(60000, 1001), Fraction(10), Fraction(24)]), st.just(TICK)
    ),
    st.builds(RateClock, st.just(Fraction(24)), st.just(TICK), st.sampled_from([Fraction(3, 2), Fraction(4)])),
)
videos = st.lists(st.sampled_from([MOVES, MOVES, MOVES, CUT, AGAIN]), min_size=1, max_size=400)


@given(videos, clocks, st.sampled_from(["hold", "blend"]), st.sampled_from(["keep", "retime"]))
def test_every_frame_is_placed_once_and_none_is_made_across_a_cut(
    intervals: list[Interval], clock: Clock, at_cut: AtCut, duplicates: Duplicates
) -> None:
    plan = plan_of(
        intervals, clock, at_cut=at_cut, duplicates=duplicates, keyframes=tuple(range(0, len(intervals), 30))
    )
    frames = list(plan.all_frames())
    assert len(frames) == plan.output_frames == sum(len(list(plan.frames(s))) for s in plan.segments)
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    assert all(a.first <= b.first for a, b in pairwise(frames))
    assert [s.start for s in plan.segments[1:]] == [s.end for s in plan.segments[:-1]]
    for frame in frames:
        assert 0 <= frame.timestep < 1
        if frame.second is not None:
            crosses = any(intervals[i].cut for i in range(frame.first, frame.second))
            assert frame.blend == crosses
            assert not crosses or at_cut == "blend"


@given(videos, clocks)
def test_the_output_is_as_long_as_the_source(intervals: list[Interval], clock: Clock) -> None:
    plan = plan_of(intervals, clock)
    if not plan.output_frames:
        return
    seconds = (plan.last_end_pts - next(plan.all_frames()).pts) * clock.tick
    assert abs(seconds - plan.duration_seconds) <= clock.tick


def test_factor_two_by_hand() -> None:
    frames = list(plan_of([MOVES, CUT, MOVES]).all_frames())
    assert [(f.first, f.second, f.timestep) for f in frames] == [
        (0, None, 0),
        (0, 1, Fraction(1, 2)),
        (1, None, 0),
        (1, None, 0),
        (2, None, 0),
        (2, 3, Fraction(1, 2)),
        (3, None, 0),
        (3, None, 0),
    ]
    assert [f.pts for f in frames] == [1001 * i for i in range(8)]


def test_drawings_on_twos_become_even_motion() -> None:
    frames = list(plan_of([AGAIN, MOVES, AGAIN, MOVES, AGAIN, MOVES], duplicates="retime").all_frames())
    shown = [f.first + (0 if f.second is None else (f.second - f.first) * f.timestep) for f in frames]
    assert shown[:12] == [Fraction(i, 2) for i in range(12)]


def test_three_hours_of_film_at_sixty_do_not_drift() -> None:
    for rate in (Fraction(60), Fraction(60000, 1001)):
        clock = RateClock(rate, TICK)
        count = 3 * 3600 * 24
        for i in (0, 1, count // 3, count - 1):
            for place in clock.interval(1001 * i, 1001 * (i + 1)):
                exact = place.pts / rate
                assert exact == (1001 * i + place.timestep * 1001) * TICK
        assert clock.frames_in(0, 1001 * count, source_frames=count) == -(-count * 1001 * rate // 24000)


def test_segments_end_at_cuts_and_key_frames_and_are_neither_long_nor_short() -> None:
    intervals = [MOVES] * 2000
    for cut in (225, 228, 1230):
        intervals[cut] = CUT
    plan = plan_of(intervals, keyframes=tuple(range(0, 2000, 50)))
    starts = [s.start for s in plan.segments]
    assert starts[:4] == [0, 150, 226, 350]
    assert 1231 in starts
    assert 229 not in starts
    assert all(start % 50 == 0 or start in (226, 1231) for start in starts)
    assert all(24 <= s.frames <= 480 for s in plan.segments)


def test_what_cannot_be_asked_together() -> None:
    with pytest.raises(JobError, match="got both"):
        clock_for(TICK, Fraction(24), factor=2, slowdown=Fraction(2))
    with pytest.raises(JobError, match="above 1"):
        clock_for(TICK, Fraction(24), slowdown=Fraction(1))
    with pytest.raises(JobError, match="one frame"):
        plan_of([])


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_a_segment_of_very_large_frames_has_one_new_frame(factor: int) -> None:
    """At 7680x4320 a frame takes half a minute: nothing of five minutes was kept."""
    intervals = [MOVES, MOVES, CUT, MOVES]
    survey = Survey(tuple(1001 * i for i in range(5)), 1001, TICK, tuple(intervals), (0,))
    plan = Plan(survey, FactorClock(factor, TICK), "hold", "keep", (7680, 4320))
    small = Plan(survey, FactorClock(factor, TICK), "hold", "keep", (640, 360))
    parts = [list(plan.frames(segment)) for segment in plan.segments]
    assert [frame for part in parts for frame in part] == list(small.all_frames())
    assert [len(part) for part in parts] == [segment.frames for segment in plan.segments]
    made = [sum(frame.second is not None for frame in part) for part in parts]
    assert made[:-1] == [1] * (3 * (factor - 1))
    assert made[-1] <= 1


def test_a_still_of_very_large_frames_is_not_cut_into_as_many_segments() -> None:
    survey = Survey((0, 240, 480), 24000, Fraction(1, 24000), (MOVES, CUT), (0,))
    plan = Plan(survey, RateClock(Fraction(240), Fraction(1, 24000)), "hold", "keep", (7680, 4320))
    assert plan.output_frames > 200
    assert len(plan.segments) < 20
