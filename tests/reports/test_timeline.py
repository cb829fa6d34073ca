"""The plot of a survey."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rife.analysis.record import Interval, Survey
from rife.errors import JobError
from rife.reports.timeline import _CHANGE, _CUT, _REPEAT, draw_timeline


def survey_of(frames: int, *, cuts: set[int], repeated: set[int], change: float = 0.02) -> Survey:
    intervals = tuple(Interval(i + 1 in cuts, i + 1 in repeated, change) for i in range(frames - 1))
    return Survey(tuple(range(frames)), 1, Fraction(1, 25), intervals, (0,))


def colours(plot: Path) -> np.ndarray:
    return np.asarray(Image.open(plot).convert("RGB"))


def columns(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Columns below the legend that have a colour."""
    return np.flatnonzero((picture[40:] == colour).all(2).any(0))


def test_marks_stand_where_things_happen(tmp_path: Path) -> None:
    plot = tmp_path / "film.png"
    draw_timeline(survey_of(100, cuts={50}, repeated={26}), plot, title="film.mp4")
    picture = colours(plot)
    left, width = 70, 1280 - 70 - 20
    assert columns(picture, _CUT) == pytest.approx([left + width * 0.5] * 2, abs=2)
    strip = columns(picture, _REPEAT)
    assert (strip[0], strip[-1]) == pytest.approx((left + width * 0.25, left + width * 0.26), abs=2)
    assert len(columns(picture, _CHANGE)) > 0.8 * width


def test_no_mark_is_lost_in_a_long_film(tmp_path: Path) -> None:
    plot = tmp_path / "film.png"
    draw_timeline(survey_of(20000, cuts={10000}, repeated={5000}), plot, title="film.mp4")
    assert len(columns(colours(plot), _REPEAT)) >= 1
    assert len(columns(colours(plot), _CUT)) >= 1


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_hardly_any_frames(tmp_path: Path, frames: int) -> None:
    draw_timeline(survey_of(frames, cuts=set(), repeated=set(), change=0.0), tmp_path / "a.png", title="a")
    assert colours(tmp_path / "a.png").shape == (360, 1280, 3)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    survey = survey_of(5, cuts=set(), repeated=set())
    with pytest.raises(JobError, match=r"the extension \.png"):
        draw_timeline(survey, tmp_path / "film.gif", title="film")
    (tmp_path / "film.png").touch()
    with pytest.raises(JobError, match="exists already"):
        draw_timeline(survey, tmp_path / "film.png", title="film")
    draw_timeline(survey, tmp_path / "film.png", title="film", overwrite=True)
    with pytest.raises(JobError, match="cannot be written"):
        draw_timeline(survey, tmp_path / "nowhere" / "film.png", title="film")
