"""Very large frames: progress within a frame, and nothing that is finished is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import blending_network
from rife.interpolation.interpolator import Interpolator
from rife.media.paths import parse_output
from rife.network.specs import SPECS
from rife.pipeline import Progress, interpolate_video, work_folder
from rife.pipeline import plan as plan_module
from support.clips import Clip, decoded, planes

pytestmark = pytest.mark.slow


@pytest.fixture
def in_tiles() -> Interpolator:
    """Blends two frames in four tiles."""
    return Interpolator(blending_network(SPECS["4.6"]), device="cpu", engine="torch", tile=128)


@pytest.fixture
def all_frames_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "_LARGE_PIXELS", 1000)
    monkeypatch.setattr(plan_module, "_PIXELS_MADE_OF_A_SEGMENT", 1000)


CLIP = Clip(frames=4, width=256, height=192)


def test_progress_shows_within_a_frame(tmp_path: Path, in_tiles: Interpolator) -> None:
    seen: list[Progress] = []
    interpolate_video(CLIP.make(tmp_path), tmp_path / "o.mp4", interpolator=in_tiles, on_progress=seen.append)
    made = [progress for progress in seen if progress.stage == "make"]
    places = [progress.frames_done + progress.frame_share for progress in made]
    assert places == sorted(places)
    # The blocks come first (three as a whole, the last in four tiles), then the four tiles of the frame.
    assert {round(11 * progress.frame_share) for progress in made} == set(range(11))
    assert [progress.frames_done for progress in made if not progress.frame_share] == list(range(1, 9))
    assert in_tiles.tiling.on_tile is None


@pytest.mark.usefixtures("all_frames_are_large")
@pytest.mark.parametrize("factor", [2, 5])
def test_an_interrupt_keeps_every_frame_that_is_finished(factor: int, tmp_path: Path, in_tiles: Interpolator) -> None:
    source, whole, again = CLIP.make(tmp_path), tmp_path / "whole.mp4", tmp_path / "again.mp4"

    def interrupted(progress: Progress) -> None:
        if progress.frames_done > factor + 1 and progress.frame_share:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, again, factor=factor, interpolator=in_tiles, crf=0, on_progress=interrupted)
    assert len(list(work_folder(parse_output(again)).glob("*.json"))) > factor
    result = interpolate_video(source, again, factor=factor, interpolator=in_tiles, crf=0)
    assert result.frames_resumed >= factor + 2
    interpolate_video(source, whole, factor=factor, interpolator=in_tiles, crf=0)
    frames, expected = decoded(again), decoded(whole)
    assert len(frames) == len(expected) == 4 * factor
    for frame, other in zip(frames, expected, strict=True):
        assert frame.pts == other.pts
        for a, b in zip(planes(frame), planes(other), strict=True):
            np.testing.assert_array_equal(a, b)
