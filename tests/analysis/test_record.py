"""The survey's record and its JSON file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rife.analysis.record import Interval, Survey, read_cuts
from rife.errors import JobError


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    steps = draw(st.lists(st.integers(1, 5000), max_size=30))
    pts = [draw(st.integers(-1000, 1000))]
    for step in steps:
        pts.append(pts[-1] + step)
    intervals = tuple(
        Interval(draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 10**6)) / 10**6) for _ in steps
    )
    keyframes = tuple(sorted(draw(st.sets(st.integers(0, len(pts) - 1)))))
    return Survey(tuple(pts), draw(st.integers(1, 99)), draw(st.fractions(Fraction(1, 10**5), 1)), intervals, keyframes)


@given(surveys())
def test_json_and_back(survey: Survey) -> None:
    assert Survey.from_json(survey.to_json()) == survey


@given(surveys(), st.data())
def test_cuts_can_be_exchanged(survey: Survey, data: st.DataObject) -> None:
    frames = range(1, len(survey.pts))
    wanted = data.draw(st.sets(st.sampled_from(list(frames)))) if frames else set()
    changed = survey.with_cuts(wanted)
    assert changed.cuts == tuple(sorted(wanted))
    assert changed.with_cuts(survey.cuts) == survey


def example(frames: int = 5) -> Survey:
    intervals = tuple(Interval(i == 1, i == 2, 0.25) for i in range(frames - 1))
    return Survey(tuple(range(0, 10 * frames, 10)), 10, Fraction(1, 250), intervals, (0,))


def test_a_survey_that_cannot_be_is_refused() -> None:
    good = example()
    with pytest.raises(JobError, match="at least one frame"):
        Survey((), 1, Fraction(1), (), ())
    with pytest.raises(JobError, match="4 intervals for 5 frames, got 3"):
        Survey(good.pts, 1, Fraction(1), good.intervals[1:], ())
    with pytest.raises(JobError, match="increasing times"):
        Survey((0, 10, 10, 20, 30), 1, Fraction(1), good.intervals, ())
    with pytest.raises(JobError, match="positive duration"):
        Survey(good.pts, 0, Fraction(1), good.intervals, ())
    with pytest.raises(JobError, match="keyframes from 0 to 4"):
        Survey(good.pts, 1, Fraction(1), good.intervals, (5,))
    with pytest.raises(JobError, match=r"from 1 to 4.*got 0, 5"):
        good.with_cuts((0, 2, 5))


def test_an_edited_list_is_read(tmp_path: Path) -> None:
    survey = example()
    path = tmp_path / "film.json"
    path.write_text(survey.to_json())
    assert read_cuts(path, survey) == survey.cuts == (2,)
    lines = path.read_text().splitlines()
    (cut,) = [index for index, line in enumerate(lines) if '"frame":' in line]
    lines[cut] = '    {"frame": 4, "seconds": 0.16}, 1'
    path.write_text("\n".join(lines))
    assert read_cuts(path, survey) == (1, 4)
    path.write_text('{"cuts": [3]}')
    assert read_cuts(path, survey) == (3,)
    path.write_text('{"cuts": []}')
    assert read_cuts(path, survey) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected JSON"),
        ("[1, 2]", "expected a JSON object"),
        ("{}", 'a list "cuts", got nothing'),
        ('{"cuts": 3}', 'a list "cuts", got 3'),
        ('{"cuts": [0]}', "entry 1 of cuts: expected a whole number from 1 on, got 0"),
        ('{"cuts": [1, 5]}', "entry 2 of cuts: expected a frame number from 1 to 4, got 5"),
        ('{"cuts": [1.5]}', "got 1.5"),
        ('{"cuts": [true]}', "got True"),
        ('{"cuts": [{"seconds": 3}]}', "got None"),
        ('{"cuts": [2, {"frame": 2}]}', "in the list already"),
        ('{"format": "other", "cuts": []}', '"format": "rife survey", got \'other\''),
        ('{"version": 9, "cuts": []}', "expected version 1, got 9"),
        ('{"frames": 7, "cuts": []}', "a video of 7 frames, but this video has 5"),
    ],
)
def test_a_bad_list_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "film.json"
    path.write_text(text)
    with pytest.raises(JobError, match=r"film\.json") as refused:
        read_cuts(path, example())
    assert said in str(refused.value)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.json"
    with pytest.raises(JobError, match="No such file"):
        read_cuts(path, example())
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JobError, match="cannot be read as a list of cuts"):
        read_cuts(path, example())


DAMAGE = {
    "format": "video",
    "version": 2,
    "frames": 6,
    "pts": [0, 1],
    "luma_change": [0, 0, 0, 2],
    "repeated": [5],
    "keyframes": ["a"],
    "time_base": "1/0",
    "last_duration": 0,
    "cuts": None,
}


@pytest.mark.parametrize("field", [*DAMAGE])
@pytest.mark.parametrize("missing", [True, False])
def test_a_damaged_survey_is_refused(field: str, missing: bool) -> None:
    fields = json.loads(example().to_json())
    fields[field] = DAMAGE[field]
    if missing:
        del fields[field]
    with pytest.raises(JobError, match=r"^film: "):
        Survey.from_json(json.dumps(fields), name="film")
