"""Damaged headers of every container: a file is read, or refused in one line that names it, without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from rife.errors import RifeError
from rife.interpolation.interpolator import Interpolator
from rife.media.open_source import open_source
from rife.media.video.reader import VideoReader
from rife.pipeline import interpolate_video
from support.damage import MADE, Variant
from support.headers import HEADERS

pytestmark = pytest.mark.slow

SEEDS = (0, 1)
INTERPOLATED = ("mp4", "mkv", "avi")


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {base: recipe(tmp_path_factory.mktemp("clip")) for base, recipe in MADE.items()}


@pytest.mark.parametrize("base", MADE)
def test_headers_that_are_damaged_are_read_or_refused(base: str, undamaged: dict[str, Path], tmp_path: Path) -> None:
    for damage in HEADERS:
        for seed in SEEDS:
            folder = tmp_path / f"{damage}{seed}"
            folder.mkdir()
            source = Variant(base, damage, seed).make(undamaged[base], folder)
            message = ""
            try:
                with open_source(source) as opened:
                    assert sum(1 for _ in opened.frames())
                    if isinstance(opened, VideoReader):
                        list(opened.packets([stream.index for stream in opened.other_streams]))
            except RifeError as err:
                message = str(err)
            assert not message or source.name in message
            assert "\n" not in message


@pytest.mark.parametrize("base", INTERPOLATED)
def test_an_unknown_codec_ends_a_job_well(
    base: str, undamaged: dict[str, Path], tmp_path: Path, blender: Interpolator
) -> None:
    source = Variant(base, "unknown codec", 0).make(undamaged[base], tmp_path)
    message = ""
    try:
        interpolate_video(source, tmp_path / "out.mkv", interpolator=blender)
    except RifeError as err:
        message = str(err)
    if message:
        assert "\n" not in message
        assert [p.name for p in tmp_path.iterdir()] == [source.name]
