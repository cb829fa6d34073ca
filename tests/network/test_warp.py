"""Backward warping: against the reference array, and the properties that define it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rife.errors import ShapeError
from rife.network.warp import backward_warp, resize, resize_flow
from support.golden import FLOW4, IMG0, golden, tolerance, worst


def constant_flow(dx: float, dy: float, height: int, width: int, batch: int = 1) -> torch.Tensor:
    flow = torch.empty(batch, 2, height, width)
    flow[:, 0], flow[:, 1] = dx, dy
    return flow


def test_matches_the_reference() -> None:
    assert worst(backward_warp(IMG0, FLOW4[:, :2]), golden("warp")["out"]) < tolerance()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_zero_flow_is_identity(dtype: torch.dtype) -> None:
    image = torch.rand(2, 3, 17, 23).to(dtype)
    out = backward_warp(image, torch.zeros(2, 2, 17, 23, dtype=dtype))
    assert out.dtype == dtype
    torch.testing.assert_close(out, image, atol=1e-5, rtol=1e-2 if dtype.itemsize == 2 else 1e-5)


@settings(max_examples=25)
@given(st.integers(-6, 6), st.integers(-6, 6), st.integers(8, 20), st.integers(8, 20))
def test_whole_pixel_shift_is_a_slice_with_repeated_borders(dx: int, dy: int, height: int, width: int) -> None:
    image = torch.rand(1, 2, height, width)
    rows = (torch.arange(height) + dy).clamp(0, height - 1)
    columns = (torch.arange(width) + dx).clamp(0, width - 1)
    expected = image[:, :, rows][:, :, :, columns]
    torch.testing.assert_close(backward_warp(image, constant_flow(dx, dy, height, width)), expected, atol=1e-5, rtol=0)


def test_positive_flow_reads_to_the_right_and_below() -> None:
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 3, 4] = 1.0
    out = backward_warp(image, constant_flow(2, 1, 5, 5))
    assert out[0, 0, 2, 2] == pytest.approx(1.0, abs=1e-5)


def test_batch_equals_loop() -> None:
    image, flow = torch.rand(3, 4, 9, 11), torch.randn(3, 2, 9, 11) * 3
    batch = backward_warp(image, flow)
    loop = torch.cat([backward_warp(image[i : i + 1], flow[i : i + 1]) for i in range(3)])
    assert torch.equal(batch, loop)


def test_coordinates_stay_exact_in_half_precision() -> None:
    # Column 3001 is not a float16 or bfloat16 number: computed in half precision, it would be read elsewhere.
    image = torch.zeros(1, 1, 2, 4096, dtype=torch.bfloat16)
    image[..., 3001] = 1
    out = backward_warp(image, torch.zeros(1, 2, 2, 4096, dtype=torch.bfloat16))
    assert torch.equal(out, image)


def test_one_pixel_wide_image() -> None:
    image = torch.rand(1, 3, 4, 1)
    torch.testing.assert_close(backward_warp(image, torch.zeros(1, 2, 4, 1)), image)


def test_gradients() -> None:
    image = torch.rand(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    flow = (torch.rand(1, 2, 5, 6, dtype=torch.float64) * 0.5 + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(backward_warp, (image, flow))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 2, 8, 9), (2, 2, 8, 8), (2, 8, 8)])
def test_wrong_flow_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="got"):
        backward_warp(torch.rand(1, 3, 8, 8), torch.zeros(shape))


def test_resizing_a_flow_rescales_its_vectors() -> None:
    flow = constant_flow(8, -4, 16, 32)
    half = resize_flow(flow, 0.5)
    assert half.shape == (1, 2, 8, 16)
    torch.testing.assert_close(half, constant_flow(4, -2, 8, 16))
    torch.testing.assert_close(resize_flow(half, 2), flow)
    assert resize_flow(flow, 1) is flow


def test_shrinking_reads_the_two_nearest_pixels_only() -> None:
    x = torch.rand(1, 1, 16, 16)
    rows = (x[:, :, 3::8] + x[:, :, 4::8]) / 2
    torch.testing.assert_close(resize(x, 1 / 8), (rows[..., 3::8] + rows[..., 4::8]) / 2)
