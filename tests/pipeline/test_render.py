"""Segments rendered from the plan alone, in any order."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from rife.analysis.survey import survey
from rife.errors import MediaError
from rife.interpolation.interpolator import Interpolator
from rife.media.open_source import open_source
from rife.media.video.encoding import EncodeSettings, encoding_for
from rife.media.video.mux import Picture
from rife.pipeline.plan import Plan
from rife.pipeline.render import SegmentRenderer
from rife.pipeline.surveyed_source import SurveyedSource
from rife.timing import Clock, FactorClock, RateClock
from support.clips import Clip, decoded, planes

CLIPS = {
    "B-frames": Clip(frames=18, b_frames=3),
    "no seeking": Clip(frames=18, suffix=".h264"),
    "variable rate": Clip(frames=18, times=tuple(i * 40 + i * i % 7 for i in range(18))),
}


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.pipeline.plan._FEWEST_FRAMES", 6)
    monkeypatch.setattr("rife.pipeline.plan._MOST_FRAMES", 6)


def planned(source: Path, *, rate: Fraction | None = None) -> tuple[Plan, Picture]:
    with open_source(source) as reader:
        surveyed = SurveyedSource(reader)
        found = survey(surveyed)
        info, first = reader.info, surveyed.first_picture
    clock: Clock = FactorClock(2, info.time_base) if rate is None else RateClock(info.frame_rate * rate, info.time_base)
    plan = Plan(found, clock, "hold", "keep", (first.width, first.height), checksums=surveyed.checksums)
    encoding = encoding_for(source.with_suffix(".mkv"), EncodeSettings(crf=0), first=first, siting=None, hdr=None)
    return plan, Picture(encoding, first, clock.frame_rate(info.frame_rate), clock.tick, None, {}, None, None)


def rendered(
    source: Path, plan: Plan, picture: Picture, order: list[int], interpolator: Interpolator, folder: Path
) -> dict[int, list[str]]:
    """Hashes of the frames of each segment, which are rendered in an order."""
    folder.mkdir()
    hashes = {}
    with open_source(source) as reader:
        renderer = SegmentRenderer(reader, plan, interpolator=interpolator, picture=picture)
        for number in order:
            path = folder / f"{number}.mkv"
            record = renderer.render(plan.segments[number], path, on_frame=lambda: None)
            frames = [b"".join(plane.tobytes() for plane in planes(frame)) for frame in decoded(path)]
            assert record.frames == len(frames) == plan.segments[number].frames
            hashes[number] = [hashlib.sha256(frame).hexdigest() for frame in frames]
        renderer.close()
    return hashes


@pytest.mark.slow
@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("rate", [None, Fraction(3, 2)])
@pytest.mark.parametrize("name", list(CLIPS))
def test_segments_in_any_order_have_the_same_frames(
    name: str, rate: Fraction | None, tmp_path: Path, blender: Interpolator
) -> None:
    source = CLIPS[name].make(tmp_path)
    plan, picture = planned(source, rate=rate)
    order = list(range(len(plan.segments)))
    assert len(order) >= 3
    in_order = rendered(source, plan, picture, order, blender, tmp_path / "in order")
    backwards = rendered(source, plan, picture, order[::-1], blender, tmp_path / "backwards")
    assert backwards == in_order
    alone = rendered(source, plan, picture, order[-2:-1], blender, tmp_path / "alone")
    assert alone == {order[-2]: in_order[order[-2]]}


@pytest.mark.usefixtures("short_segments")
def test_without_checksums_the_source_is_read_from_its_beginning(tmp_path: Path, blender: Interpolator) -> None:
    source = CLIPS["B-frames"].make(tmp_path)
    plan, picture = planned(source)
    with_checksums = rendered(source, plan, picture, [2], blender, tmp_path / "with")
    assert rendered(source, replace(plan, checksums=()), picture, [2], blender, tmp_path / "without") == with_checksums


@pytest.mark.usefixtures("short_segments")
def test_a_frame_that_is_decoded_differently_is_an_error(tmp_path: Path, blender: Interpolator) -> None:
    source = CLIPS["B-frames"].make(tmp_path)
    plan, picture = planned(source)
    other = replace(plan, checksums=[checksum ^ 1 for checksum in plan.checksums])
    with pytest.raises(MediaError, match=r"frame \d+ is decoded differently"):
        rendered(source, other, picture, [1], blender, tmp_path / "o")
