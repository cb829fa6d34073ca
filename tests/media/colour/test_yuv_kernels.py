"""The compiled way between YUV and RGB against the same in PyTorch, which is the reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import av
import numpy as np
import pytest
import torch

from rife.kernels import kernels
from rife.media.colour import convert as colour
from rife.media.colour import yuv_kernels as yuv
from rife.media.colour.chroma_siting import Siting
from rife.media.colour.convert import from_rgb, to_rgb
from rife.media.colour.pixel_formats import LAYOUTS, samples

YUV = [name for name, layout in LAYOUTS.items() if layout.is_yuv]
SIZES = [(48, 32), (37, 21), (1, 1), (2, 2), (1, 6), (6, 1), (35, 2)]


@contextmanager
def by_pytorch() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yuv, "_kernels", lambda: None)
        yield


def noise(name: str, size: tuple[int, int] = (48, 32), *, full: bool = False) -> av.VideoFrame:
    picture = av.VideoFrame(*size, name)
    picture.color_range = 2 if full else 1
    rng = np.random.default_rng(sum(size))
    for plane in samples(picture):
        plane[:] = rng.integers(0, 2 ** LAYOUTS[name].bits, plane.shape)
    return picture


def test_there_are_kernels_to_test() -> None:
    assert yuv.decodes(LAYOUTS["yuv420p"])
    assert not yuv.decodes(LAYOUTS["gbrp"])
    assert len(YUV) > 30


@pytest.mark.parametrize("name", YUV)
@pytest.mark.parametrize("full", [False, True])
def test_every_format_as_in_pytorch(name: str, full: bool) -> None:
    assert_same(noise(name, full=full), None)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le"])
@pytest.mark.parametrize("siting", get_args(Siting))
@pytest.mark.parametrize("size", SIZES)
def test_every_siting_and_size_as_in_pytorch(name: str, siting: Siting, size: tuple[int, int]) -> None:
    assert_same(noise(name, size), siting)


def assert_same(picture: av.VideoFrame, siting: Siting | None) -> None:
    rgb = to_rgb(picture, siting=siting)
    with by_pytorch():
        expected = to_rgb(picture, siting=siting)
    assert torch.allclose(rgb, expected, rtol=0, atol=1e-6)
    # Halfway between two codes either is right: colours of which none is near there.
    changed = rgb * 0.73 + 0.11
    back = from_rgb(changed, picture, siting=siting)
    with by_pytorch():
        expected_back = from_rgb(changed, picture, siting=siting)
    for mine, theirs in zip(samples(back), samples(expected_back), strict=True):
        difference = np.abs(mine.astype(int) - theirs.astype(int))
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 0.01


@pytest.mark.parametrize("name", YUV)
@pytest.mark.parametrize("size", SIZES)
def test_what_is_not_changed_comes_back(name: str, size: tuple[int, int]) -> None:
    picture = noise(name, size)
    for there, back in zip(samples(picture), samples(from_rgb(to_rgb(picture), picture)), strict=True):
        assert np.array_equal(there, back)


def test_white_is_exactly_one() -> None:
    picture = noise("yuv444p")
    for plane, code in zip(samples(picture), (235, 128, 128), strict=True):
        plane[:] = code
    assert (to_rgb(picture) == 1).all()


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le"])
def test_what_no_code_stands_for(name: str) -> None:
    rgb = torch.full((1, 3, 32, 48), 0.5)
    rgb[..., :16], rgb[..., 16:32], rgb[..., 32:] = float("nan"), 1e9, -1e9
    made = samples(from_rgb(rgb, noise(name)))[0]
    top = 2 ** LAYOUTS[name].bits - 1
    assert (made[:, :16] == 0).all()
    assert (made[:, 16:32] == top).all()
    assert (made[:, 32:] == 0).all()


def test_a_picture_that_is_not_contiguous() -> None:
    picture = noise("yuv420p")
    rgb = to_rgb(picture)
    side_by_side = rgb.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    for mine, theirs in zip(samples(from_rgb(side_by_side, picture)), samples(from_rgb(rgb, picture)), strict=True):
        assert np.array_equal(mine, theirs)


def test_halves_are_rounded_to_even() -> None:
    picture, codes = noise("yuv444p"), yuv.YuvCodes((0.0, 0.0), (1.0, 1.0))
    picture.colorspace = 8  # YCgCo: a quarter, a half, a quarter
    halves = (torch.arange(48) + 0.5).expand(3, 32, 48)
    yuv.encode(halves, codes, "left", out=picture)
    assert samples(picture)[0][0, :6].tolist() == [0, 2, 2, 4, 4, 6]


@pytest.mark.parametrize("size", [(16, 16), (50, 48), (48, 34)])
def test_pictures_of_another_size_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        from_rgb(torch.rand(1, 3, size[1], size[0]), noise("yuv420p"))


def test_a_numba_that_does_not_fit_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise AttributeError("coverage")

    monkeypatch.setattr("rife.kernels.import_module", fail)
    kernels.cache_clear()
    try:
        assert not yuv.decodes(LAYOUTS["yuv420p"])
        assert_same(noise("yuv420p"), None)
    finally:
        kernels.cache_clear()


@pytest.mark.parametrize("kernel", ["decode", "encode"])
@pytest.mark.parametrize("fault", ["wrong", "raises"])
def test_kernels_that_are_wrong_here_are_done_without(
    kernel: str, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    honest = getattr(yuv, kernel)

    def broken(*arguments: object, out: torch.Tensor | av.VideoFrame) -> None:
        if fault == "raises":
            raise RuntimeError("LLVM does not know this processor")
        honest(*arguments, out=out)
        planes = [out.numpy()] if isinstance(out, torch.Tensor) else samples(out)
        planes[0][..., 3, 5] += planes[0].dtype.type(3)

    monkeypatch.setattr(yuv, kernel, broken)
    colour._kernels_are_right.cache_clear()
    try:
        assert_same(noise("yuv420p"), None)
        assert_same(noise("yuv420p"), None)
    finally:
        colour._kernels_are_right.cache_clear()
    assert caplog.text.count("Kernels for colours (yuv420p) failed their self-test") == 1
