"""Names beside a file: recognisable, unique, and no longer than file systems allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from rife.cache import appearing_whole, named_beside
from rife.interpolator import Interpolator
from rife.pipeline import interpolate_video
from support.clips import Clip, decoded

LONG = "映" * 81 + ".mp4"
"""247 bytes, and a legal name."""


def test_a_short_name_is_kept() -> None:
    assert named_beside(Path("a/film.mp4"), "", ".mp4.rife-work") == Path("a/film.mp4.rife-work")
    assert named_beside(Path("a/film"), ".", ".x") == Path("a/.film.x")


@pytest.mark.parametrize("after", [".mp4.rife-work", ".0123456789ab.mp4", ".failed-check12.mp4"])
def test_a_long_name_fits_and_stays_its_own(after: str) -> None:
    names = {named_beside(Path(end + LONG), "", after).name for end in ("", "映")}
    assert len(names) == 2
    assert all(len(name.encode()) <= 255 and name.endswith(after) for name in names)


def test_a_job_whose_result_has_a_long_name(tmp_path: Path, blender: Interpolator) -> None:
    """The result's name was legal, and that of the folder of its parts was not."""
    source = Clip(frames=3).make(tmp_path)
    output = tmp_path / LONG
    interpolate_video(source, output, interpolator=blender)
    assert len(decoded(output)) == 6
    assert {path.name for path in tmp_path.iterdir()} == {source.name, LONG}


def test_a_file_of_a_long_name_appears_whole(tmp_path: Path) -> None:
    with appearing_whole(tmp_path / LONG) as temporary:
        temporary.write_bytes(b"whole")
    assert (tmp_path / LONG).read_bytes() == b"whole"
