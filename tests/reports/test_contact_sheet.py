"""The contact sheet shows whatever frames can be made for, as it is shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rife import interpolate_video
from rife.errors import JobError, MediaError
from rife.interpolation.interpolator import Interpolator
from rife.reports.contact_sheet import _pictures, contact_sheet
from support.clips import Clip
from support.pictures import textured

pytestmark = pytest.mark.slow


def shown(path: Path) -> tuple[tuple[int, int], Fraction]:
    """Width and height of the first frame as a sheet shows it, and the aspect of its pixels."""
    first = next(iter(_pictures(path, first=Fraction(0))))
    return (first.picture.shape[1], first.picture.shape[0]), first.aspect


@pytest.mark.parametrize("name", ["after.webp", "after.gif", "after.apng", "after.mkv", "after.y4m", "after"])
def test_it_reads_what_interpolate_writes(name: str, tmp_path: Path, blender: Interpolator) -> None:
    """An animated WebP was called damaged."""
    before = Clip(frames=5, rate=Fraction(2)).make(tmp_path)
    after = tmp_path / name
    interpolate_video(before, after, interpolator=blender)
    if after.is_dir():
        with pytest.raises(JobError, match="has no frames from"):  # a folder has 25 pictures a second
            contact_sheet(before, after, tmp_path / "sheet.png", at_seconds=1.0)
        return
    contact_sheet(before, after, tmp_path / "sheet.png", at_seconds=0.5)
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.width == 10 + 5 * 330  # three source frames and two made ones


def test_turned_and_in_its_aspect_ratio(tmp_path: Path) -> None:
    assert shown(Clip(frames=3, rotation=90).make(tmp_path)) == ((64, 96), Fraction(1))
    squeezed = tmp_path / "squeezed.y4m"
    squeezed.write_bytes(b"YUV4MPEG2 W4 H2 F10:1 A4:3 Cmono\n" + (b"FRAME\n" + bytes(8)) * 3)
    assert shown(squeezed) == ((4, 2), Fraction(4, 3))


def test_what_is_transparent_stands_on_grey(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(textured(index, channels=4)).save(folder / f"{index}.png")
    first = next(iter(_pictures(folder, first=Fraction(0))))
    np.testing.assert_array_equal(first.picture[-1, 0], [128, 128, 128])


def test_a_video_that_changes_its_size_is_refused_as_interpolate_refuses_it(tmp_path: Path) -> None:
    parts = [Clip(frames=3, width=width, suffix=".ts").make(tmp_path, f"{width}") for width in (96, 64)]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MediaError, match="the frame size changes from 96x64 to 64x64"):
        contact_sheet(both, both, tmp_path / "sheet.png")
