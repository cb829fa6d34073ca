"""Frames in memory, and rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rife.errors import ShapeError
from rife.frames import from_network, quantise, to_network


@given(st.floats(-1, 2), st.sampled_from([255, 1023, 4095, 65535]))
def test_quantise_rounds_to_the_nearest_and_clamps(value: float, maximum: int) -> None:
    code = int(quantise(torch.tensor([value * maximum], dtype=torch.float64), maximum)[0])
    assert 0 <= code <= maximum
    if 0 <= value <= 1:
        assert abs(code - value * maximum) <= 0.5


def test_quantise_keeps_no_surprises() -> None:
    assert quantise(torch.tensor([float("nan"), float("inf"), -float("inf")]), 255).tolist() == [0, 255, 0]
    assert quantise(torch.tensor([254.6]), 255).dtype == torch.uint8
    assert quantise(torch.tensor([65535.0]), 65535).to(torch.int32).item() == 65535


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_return_as_they_came(dtype: type, channels: int) -> None:
    maximum = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    frame = (np.random.default_rng(0).random((5, 7, channels)) * maximum).astype(dtype)
    picture = to_network(frame)
    assert picture.shape == (1, channels, 5, 7)
    assert 0 <= picture.min() <= picture.max() <= 1
    out = from_network(picture, frame)
    assert out.dtype == frame.dtype
    np.testing.assert_allclose(out, frame, rtol=1e-6)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32])
def test_tensors_return_as_they_came(dtype: torch.dtype, channels: int) -> None:
    frame = torch.rand(channels, 5, 7)
    frame = (frame * 255).to(dtype) if dtype == torch.uint8 else frame.to(dtype)
    out = from_network(to_network(frame), frame)
    assert out.dtype == dtype
    assert torch.equal(out, frame)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (np.zeros((3, 5, 7), np.uint8), r"must be \(H, W, 3\), RGB, or \(H, W, 4\), RGBA; got \(3, 5, 7\)"),
        (np.zeros((5, 7, 2), np.uint8), r"got \(5, 7, 2\)"),
        (np.zeros((5, 7, 3), np.int64), "expected uint8, uint16 or float"),
        (torch.zeros(5, 7, 3), r"must be \(3, H, W\), RGB, or \(4, H, W\)"),
        ([[1, 2, 3]], "got list"),
    ],
)
def test_anything_else_is_refused(frame: object, says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        to_network(frame)  # type: ignore[arg-type]
