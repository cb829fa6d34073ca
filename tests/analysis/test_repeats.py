"""Which frames repeat the one before, through real encoders and in every pixel format."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
import pytest

from analysis.sources import Pictures, coded, frame, texture
from rife.analysis.survey import survey

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 1080, 1920
STILL = texture(1, height=HEIGHT, width=WIDTH)
OBJECT = texture(2, height=120, width=120, grain=4)


def with_object(at: float, *, size: int = 120) -> np.ndarray:
    """A square over a still background, at a place that need not be a whole pixel."""
    out: np.ndarray = STILL.copy()
    left, part = int(at), at - int(at)
    shown = np.pad(OBJECT[:size, :size], ((0, 0), (1, 1), (0, 0)))
    cover = np.pad(np.ones((size, size, 1)), ((0, 0), (1, 1), (0, 0)))
    moved, share = (x * (1 - part) + np.roll(x, 1, 1) * part for x in (shown, cover))
    place = out[400 : 400 + size, left : left + size + 2]
    place[:] = place * (1 - share) + moved
    return out


def panned(at: float) -> np.ndarray:
    left, part = int(at), at - int(at)
    return np.roll(STILL, -left, 1) * (1 - part) + np.roll(STILL, -left - 1, 1) * part


def repeated(pictures: Sequence[av.VideoFrame]) -> list[bool]:
    return [interval.repeated for interval in survey(Pictures(pictures)).intervals]


GRAIN = [0.0, 4.0]
CODES = [(23, "yuv420p"), (28, "yuv420p"), (28, "yuv420p10le")]


def encoded(contents: Sequence[np.ndarray], *, crf: int, pixel_format: str, grain: float) -> list[av.VideoFrame]:
    rng = np.random.default_rng(3)
    noisy = [c + rng.normal(0, grain, (HEIGHT, WIDTH, 1)) if grain else c for c in contents]
    return coded([frame(c, pixel_format) for c in noisy], crf=crf)


@pytest.mark.parametrize("grain", GRAIN)
@pytest.mark.parametrize(("crf", "pixel_format"), CODES)
def test_a_small_object_on_twos_over_a_still(crf: int, pixel_format: str, grain: float) -> None:
    contents = [with_object(500 + 5 * (index // 2)) for index in range(8)]
    said = repeated(encoded(contents, crf=crf, pixel_format=pixel_format, grain=grain))
    assert said == [index % 2 == 0 for index in range(7)]


@pytest.mark.parametrize("grain", GRAIN)
@pytest.mark.parametrize(("crf", "pixel_format"), CODES)
def test_a_still_is_still_also_at_key_frames(crf: int, pixel_format: str, grain: float) -> None:
    assert all(repeated(encoded([STILL] * 7, crf=crf, pixel_format=pixel_format, grain=grain)))


@pytest.mark.parametrize("crf", [23, 28])
@pytest.mark.parametrize(("size", "speed_px"), [(120, 1.0), (120, 0.5), (24, 1.0)])
def test_a_small_slow_object_is_motion(size: int, speed_px: float, crf: int) -> None:
    contents = [with_object(500 + speed_px * index, size=size) for index in range(7)]
    assert not any(repeated(encoded(contents, crf=crf, pixel_format="yuv420p", grain=0)))


@pytest.mark.parametrize("crf", [23, 28])
def test_a_slow_pan_and_a_slow_fade_are_motion(crf: int) -> None:
    for contents in ([panned(0.5 * i) for i in range(7)], [STILL * (1 - 0.02 * i) for i in range(7)]):
        assert not any(repeated(encoded(contents, crf=crf, pixel_format="yuv420p", grain=0)))


def test_what_changes_in_colour_only_is_motion() -> None:
    """A patch turns from one colour to another of the same luma."""
    grey = frame(np.full((64, 96, 3), 120.0))
    other = frame(np.full((64, 96, 3), 120.0))
    np.frombuffer(memoryview(other.planes[1]), np.uint8).reshape(32, -1)[8:20, 8:20] += 30
    assert repeated([grey, grey, other, other]) == [True, False, True]


FORMATS = [
    *("yuv420p", "yuv420p10le", "yuvj420p", "yuv444p", "yuv422p12le", "gray", "gray10le", "gbrp", "gbrp12le"),
    *("rgb24", "bgra", "nv12", "p010le", "yuva420p", "yuv410p", "rgb48be", "uyvy422"),
]


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_every_format_gives_the_same(pixel_format: str) -> None:
    scenes = [texture(seed, height=66, width=98) for seed in (5, 6)]
    # Two shots on twos, the second with a camera that moves.
    contents = [np.roll(scenes[0], 4 * (i // 2), 1) for i in range(8)]
    contents += [np.roll(scenes[1], 4 * (i // 2), 0) for i in range(8)]
    found = survey(Pictures([frame(c, pixel_format, full_range=pixel_format.startswith("yuvj")) for c in contents]))
    assert found.cuts == (8,)
    assert [interval.repeated for interval in found.intervals] == [index % 2 == 0 for index in range(15)]


def test_full_range_and_depth_do_not_change_the_measure() -> None:
    contents = [texture(7), np.roll(texture(7), 3, 1), texture(7) * 0.9]
    kinds = [("yuv420p", False), ("yuv420p", True), ("yuv420p10le", False), ("yuv444p16le", True)]
    changes = [
        [
            interval.luma_change
            for interval in survey(Pictures([frame(c, name, full_range=full) for c in contents])).intervals
        ]
        for name, full in kinds
    ]
    for other in changes[1:]:
        assert other == pytest.approx(changes[0], rel=0.03)


def test_sizes_and_formats_that_change_on_the_way() -> None:
    small, large = frame(texture(8)), frame(texture(8, height=200))
    deep = frame(texture(8), "yuv420p10le")
    assert [(i.cut, i.repeated) for i in survey(Pictures([small, large, large])).intervals] == [
        (True, False),
        (False, True),
    ]
    assert [(i.cut, i.repeated) for i in survey(Pictures([small, deep])).intervals] == [(False, False)]


@pytest.mark.parametrize(("height", "width"), [(2, 2), (2, 64), (64, 2), (16, 16), (1080, 8), (9, 33)])
def test_sizes_of_any_kind(height: int, width: int) -> None:
    first, second = (np.full((height, width, 3), value) for value in (30.0, 200.0))
    found = survey(Pictures([frame(picture) for picture in (first, first, second, second)]))
    assert [interval.repeated for interval in found.intervals] == [True, False, True]
