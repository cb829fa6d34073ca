"""Animated AVIF: its frames, not its still picture; and their opacity."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, features

from rife.errors import MediaError, TruncatedMediaError
from rife.interpolation.interpolator import Interpolator
from rife.media.open_source import open_source
from rife.media.video.picture_track import PictureTrack, is_picture_track, with_alpha
from rife.pipeline import interpolate_video
from support.clips import Clip, decoded
from support.pictures import textured

DURATIONS_MS = [100, 250, 40, 40, 100]
needs_encoder = pytest.mark.skipif(not features.check("avif"), reason="this Pillow cannot write AVIF")


def animation(path: Path, *, channels: int = 3) -> Path:
    first, *others = (Image.fromarray(textured(index, channels=channels)) for index in range(len(DURATIONS_MS)))
    first.save(path, save_all=True, append_images=others, duration=DURATIONS_MS, quality=100)
    return path


@needs_encoder
def test_all_frames_with_their_times_and_not_the_still_picture(tmp_path: Path, blender: Interpolator) -> None:
    path = animation(tmp_path / "a.avif")
    with open_source(path) as source:
        assert isinstance(source, PictureTrack)
        frames = list(source.frames())
    tick = source.info.time_base
    assert [frame.duration * tick * 1000 for frame in frames] == DURATIONS_MS
    assert [frame.pts * tick * 1000 for frame in frames] == [sum(DURATIONS_MS[:i]) for i in range(5)]
    assert source.info.frame_rate == Fraction(5, 1) / Fraction(sum(DURATIONS_MS), 1000)
    for index, frame in enumerate(frames):
        wanted = textured(index).astype(int)
        assert np.abs(frame.picture.to_ndarray(format="rgb24") - wanted).mean() < 12
    assert [f.pts for f in source.frames(from_pts=frames[2].pts)] == [frame.pts for frame in frames[2:]]
    with pytest.raises(MediaError, match="no frame could be decoded at 3"):
        list(source.frames(from_pts=3))
    result = interpolate_video(path, tmp_path / "o.mkv", interpolator=blender)
    assert (result.source_frames, result.output_frames, result.notes) == (5, 10, ())


@needs_encoder
def test_opacity_comes_with_the_frames(tmp_path: Path) -> None:
    with open_source(animation(tmp_path / "a.avif", channels=4)) as source:
        frames = list(source.frames())
    assert len(frames) == 5
    for index, frame in enumerate(frames):
        rgba = frame.picture.to_ndarray(format="rgba").astype(int)
        assert np.abs(rgba[..., 3] - textured(index, channels=4)[..., 3]).mean() < 2


@needs_encoder
def test_a_file_that_ends_early_is_truncated(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.avif")
    data = path.read_bytes()
    path.write_bytes(data[: -len(data) // 8])  # the pictures lie behind the index
    with open_source(path) as source, pytest.raises(TruncatedMediaError, match="of 5 cannot be decoded"):
        list(source.frames())


@needs_encoder
def test_one_still_picture_and_other_files_are_none(tmp_path: Path) -> None:
    Image.fromarray(textured(0)).save(tmp_path / "still.avif")
    assert not is_picture_track(tmp_path / "still.avif")
    assert not is_picture_track(Clip(frames=2).make(tmp_path))
    (tmp_path / "torn.avif").write_bytes(animation(tmp_path / "a.avif").read_bytes()[:64])
    assert not is_picture_track(tmp_path / "torn.avif")


@pytest.mark.parametrize(
    ("name", "whole"), [("yuv420p", "yuva420p"), ("yuv420p10le", "yuva420p10le"), ("gray", "gbrap")]
)
@pytest.mark.parametrize("limited", [False, True])
def test_opacity_of_either_range(name: str, whole: str, limited: bool, tmp_path: Path) -> None:
    (picture,) = decoded(Clip(frames=1).make(tmp_path))
    layer = av.VideoFrame(96, 64, "gray")
    layer.color_range = 1 if limited else 2
    np.frombuffer(memoryview(layer.planes[0]), np.uint8)[:] = 235 if limited else 255
    out = with_alpha(picture.reformat(format=name), layer)
    assert out.format.name == whole
    assert (out.to_ndarray(format="rgba")[..., 3] == 255).all()
