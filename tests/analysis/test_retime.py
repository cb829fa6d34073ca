"""Where content belongs in time when a source repeats frames."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rife.analysis.record import Interval, Survey
from rife.analysis.retime import LONGEST_CADENCE, cadences, content_times, shots, stills


def survey_of(text: str, *, pts: tuple[int, ...] | None = None, last_duration: int = 10) -> Survey:
    """A letter is a picture; equal letters in a row are repeats; a bar is a cut."""
    shown: list[tuple[str, bool]] = []
    for part, shot in enumerate(text.split("|")):
        shown += [(letter, part > 0 and place == 0) for place, letter in enumerate(shot)]
    intervals = tuple(
        Interval(cut=is_cut, repeated=letter == before and not is_cut, luma_change=0.0)
        for (before, _), (letter, is_cut) in itertools.pairwise(shown)
    )
    return Survey(pts or tuple(range(0, 10 * len(shown), 10)), last_duration, Fraction(1, 300), intervals, (0,))


def times(text: str) -> list[tuple[str, float]]:
    """Kept pictures by letter, with times in frames."""
    letters = text.replace("|", "")
    return [(letters[frame], float(when / 10)) for frame, when in content_times(survey_of(text))]


def test_motion_on_ones_stays() -> None:
    assert times("ABCD") == [("A", 0), ("B", 1), ("C", 2), ("D", 3)]
    assert times("A") == [("A", 0)]


@pytest.mark.parametrize("each", [2, 3, 4])
def test_animation_becomes_even(each: int) -> None:
    text = "".join(letter * each for letter in "ABCDEF")
    *moving, last = times(text)
    assert moving == [(letter, each * place) for place, letter in enumerate("ABCDEF")]
    assert last == ("F", len(text) - 1)


def test_24_in_30_becomes_even() -> None:
    text = "ABCDDEFGHHIJKLLMNOPPQ"
    assert times(text) == [(letter, 1.25 * place) for place, letter in enumerate("ABCDEFGHIJKLMNOPQ")]
    # The first cycle is cut short: its first picture keeps its time.
    assert times("CDDEFGHHIJKLLMNOPPQ")[:4] == [("C", 0), ("D", 1.5), ("E", 3), ("F", 4.25)]
    # Twice is not yet a pattern.
    assert ("B", 1) in times("ABCDDEFGHHIJ")


def test_24_in_60_becomes_even() -> None:
    assert times("AABBBCCDDDEEFFFGGHHHI") == [(letter, 2.5 * place) for place, letter in enumerate("ABCDEFGHI")]


def test_one_repeat_is_filled_without_moving_its_neighbours() -> None:
    assert times("ABCCDEF") == [("A", 0), ("B", 1), ("C", 2), ("D", 4), ("E", 5), ("F", 6)]


def test_a_still_stays_still_until_its_last_frame() -> None:
    assert times("ABBBBBBBC") == [("A", 0), ("B", 1), ("B", 7), ("C", 8)]
    assert [(run.first, run.last) for run in stills(survey_of("ABBBBBBBC"))] == [(1, 7)]


def test_cuts_end_runs_and_patterns() -> None:
    assert times("AAA|AAA|BC") == [("A", 0), ("A", 3), ("B", 6), ("C", 7)]
    half = "ABCDDEFGHHIJKLL"
    assert times(f"{half}|{half}") == [
        (letter, shift + 1.25 * place) for shift in (0, 15) for place, letter in enumerate("ABCDEFGHIJKL")
    ] + [("L", 29)]


def test_uneven_times_are_kept_as_ticks() -> None:
    pts = tuple(7 * place + place * place for place in range(16))
    kept = dict(content_times(survey_of("ABCDDEFGHHIJKLLM", pts=pts)))
    assert [kept[frame] for frame in (0, 5, 10, 15)] == [pts[frame] for frame in (0, 5, 10, 15)]
    assert kept[1] == Fraction(pts[5], 4)


def test_cadences_have_names() -> None:
    def names(text: str) -> list[str]:
        return [cadence.name(Fraction(30)) for cadence in cadences(survey_of(text))]

    assert names("AABBCCDD") == ["on twos"]
    assert names("AAABBBCCC|DDEEFF") == ["on threes", "on twos"]
    assert names("ABCDDEFGHHIJKLLM") == ["24 in 30"]
    assert names("ABCDEFGH") == []


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    pattern = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    lengths = pattern * draw(st.integers(1, 6)) + draw(st.lists(st.integers(1, 7), max_size=4))
    intervals: list[Interval] = []
    for length in lengths:
        intervals.append(Interval(cut=draw(st.integers(0, 7)) == 0, repeated=False, luma_change=0.0))
        intervals += [Interval(cut=False, repeated=True, luma_change=0.0)] * (length - 1)
    del intervals[0]
    steps = st.just(10) if draw(st.booleans()) else st.integers(1, 50)
    pts = [0]
    for _ in intervals:
        pts.append(pts[-1] + draw(steps))
    return Survey(tuple(pts), draw(steps), Fraction(1, 250), tuple(intervals), ())


@given(surveys())
def test_what_holds_for_every_source(survey: Survey) -> None:
    kept = content_times(survey)
    frames, whens = [frame for frame, _ in kept], [when for _, when in kept]
    assert frames == sorted(set(frames))
    assert all(a < b for a, b in itertools.pairwise(whens))
    assert kept[0] == (0, Fraction(survey.pts[0]))
    assert kept[-1] == (len(survey.pts) - 1, Fraction(survey.pts[-1]))
    place_of = dict(kept)
    for shot in shots(survey):
        end = survey.pts[shot[-1].last + 1] if shot[-1].last + 1 < len(survey.pts) else survey.pts[-1] + 1
        assert place_of[shot[0].first] == survey.pts[shot[0].first]
        for run in shot:
            when = place_of[run.first]
            assert survey.pts[shot[0].first] <= when < end
            # Within one cycle of where it was.
            assert survey.pts[max(0, run.first - 6)] <= when <= survey.pts[min(len(survey.pts) - 1, run.last + 6)]
            if run.is_still:
                assert place_of[run.first] == survey.pts[run.first]
                assert place_of[run.last] == survey.pts[run.last]
            else:
                inside = [frame for frame in range(run.first + 1, run.last + 1) if frame in place_of]
                assert inside in ([], [len(survey.pts) - 1])


@given(st.integers(1, LONGEST_CADENCE), st.integers(1, 30), st.integers(1, 1000))
def test_constant_motion_on_any_cadence_is_even(each: int, pictures: int, step: int) -> None:
    intervals = [Interval(cut=False, repeated=i % each != 0, luma_change=0.0) for i in range(1, each * pictures)]
    pts = tuple(range(0, each * pictures * step, step))
    kept = content_times(Survey(pts, step, Fraction(1, 250), tuple(intervals), ()))
    assert [when for frame, when in kept if frame % each == 0] == [k * each * step for k in range(pictures)]
