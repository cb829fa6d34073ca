"""Frames in memory, and rounding."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rife.errors import OptionError, ShapeError
from rife.frames import from_network, parse_range, quantise, to_network


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
    frame: np.ndarray = (np.random.default_rng(0).random((5, 7, channels)) * maximum).astype(dtype)
    picture = to_network(frame)
    assert picture.shape == (1, channels, 5, 7)
    assert 0 <= picture.min() <= picture.max() <= 1
    out = from_network(picture, frame)
    assert out.dtype == frame.dtype
    np.testing.assert_allclose(out.astype(np.float64), frame, rtol=1e-6)


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


SHAPES_OF_GREY = [(5, 7), (5, 7, 1)]


@pytest.mark.parametrize("shape", SHAPES_OF_GREY)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, ">u2", ">f4"])
def test_grey_arrays_return_as_they_came(dtype: str | type, shape: tuple[int, ...]) -> None:
    kind = np.dtype(dtype)
    maximum = np.iinfo(kind).max if kind.kind == "u" else 1
    frame = (np.random.default_rng(0).random(shape) * maximum).astype(kind)
    picture = to_network(frame)
    assert picture.shape == (1, 3, 5, 7)
    out = from_network(picture, frame)
    assert (out.dtype, out.shape) == (frame.dtype, shape)
    np.testing.assert_array_equal(out, frame)


def test_grey_tensors_return_as_they_came() -> None:
    frame = torch.rand(1, 5, 7)
    picture = to_network(frame)
    assert picture.shape == (1, 3, 5, 7)
    assert torch.equal(from_network(picture, frame), frame)


def test_grey_of_a_coloured_picture_is_the_mean() -> None:
    picture = torch.tensor([0.0, 0.3, 0.9]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    grey = from_network(picture, np.zeros((2, 2), np.float32))
    np.testing.assert_allclose(grey.astype(np.float64), 0.4, rtol=1e-6)


def test_an_array_that_cannot_be_written_is_a_frame() -> None:
    frame = np.zeros((5, 7, 3), np.uint8)
    frame.flags.writeable = False
    assert to_network(frame).shape == (1, 3, 5, 7)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.0, 255.0, r"in \[0, 1\] or a little beyond, got 0 to 255. Divide by 255"),
        (0.0, 1023.0, "Divide by 1023"),
        (0.0, 65535.0, "Divide by 65535"),
        (-1.0, 1.0, r"got -1 to 1. State its range, as in value_range=\(-1, 1\)"),
        (-0.4, 0.3, r"value_range=\(-1, 1\)"),
        (-2.1, 2.6, r"value_range=\(-3, 3\)"),
        (-128.0, 127.0, r"value_range=\(-128, 127\)"),
    ],
)
@pytest.mark.parametrize("as_tensor", [True, False])
def test_values_of_another_range_are_refused(low: float, high: float, says: str, as_tensor: bool) -> None:
    """They once gave a white or a half black picture, without a word."""
    values = np.linspace(low, high, 8 * 9 * 3, dtype=np.float32)
    frame = torch.from_numpy(values.reshape(3, 8, 9)) if as_tensor else values.reshape(8, 9, 3)
    with pytest.raises(ShapeError, match=says):
        to_network(frame)


def test_colours_a_little_beyond_black_and_white_are_frames() -> None:
    frame = np.linspace(-0.09, 1.2, 8 * 9 * 3, dtype=np.float32).reshape(8, 9, 3)
    frame[0, 0] = (-0.3, 1.4, 1.3)
    np.testing.assert_array_equal(to_network(frame)[0].permute(1, 2, 0).numpy(), frame)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_no_number_is_refused_with_its_place(value: float, dtype: torch.dtype) -> None:
    """One such pixel once made every pixel of the new frame not-a-number."""
    frame = torch.rand(3, 8, 9).to(dtype)
    frame[2, 4, 5] = value
    with pytest.raises(ShapeError, match=f"frame 7: expected numbers, got {value} at row 4, column 5, channel 2"):
        to_network(frame, name="frame 7")


@pytest.mark.parametrize(
    ("value_range", "dtype"),
    [
        ((-1, 1), np.float32),
        ((0, 255), np.float32),
        ((0, 1023), np.uint16),
        ((-128, 127), np.int16),
        ((16, 235), np.uint8),
    ],
)
def test_a_range_that_is_stated(value_range: tuple[int, int], dtype: type) -> None:
    low, high = value_range
    frame: np.ndarray = np.random.default_rng(0).uniform(low, high, (5, 7, 3)).astype(dtype)
    frame[0, 0], frame[0, 1] = low, high
    limits = parse_range(value_range)
    picture = to_network(frame, value_range=limits)
    assert float(picture.min()) == 0
    assert float(picture.max()) == 1
    out = from_network(picture, frame, value_range=limits)
    assert out.dtype == dtype
    np.testing.assert_allclose(out.astype(np.float64), frame, atol=1e-4)
    with pytest.raises(ShapeError, match="State its actual range"):
        to_network(np.full((2, 2, 3), 20000, np.float32), value_range=limits)


@pytest.mark.parametrize("value_range", [(1, -1), (0, 0), (0,), 255, "01", (0, "x"), (0, float("inf")), (0, 1, 2)])
def test_ranges_that_cannot_be(value_range: object) -> None:
    with pytest.raises(OptionError, match="value_range"):
        parse_range(value_range)  # type: ignore[arg-type]


def test_frames_of_other_libraries_are_refused_with_what_to_do() -> None:
    image = pytest.importorskip("PIL.Image").new("RGB", (7, 5))
    with pytest.raises(ShapeError, match=r'got Image. Convert it: numpy.asarray\(image.convert\("RGB"\)\)'):
        to_network(image)
    with pytest.raises(ShapeError, match=r'frame.to_ndarray\(format="rgb24"\)'):
        to_network(av.VideoFrame(16, 16, "rgb24"))  # type: ignore[arg-type]
