"""Frames in memory: their conversion to and from the network's tensors, and the rounding of float to integer.

A frame is either a NumPy array (H, W, 3), RGB, uint8, uint16 or float in [0, 1], or a torch tensor (3, H, W) of the
same dtypes. A fourth channel is straight alpha: colours are not multiplied by it. A grey frame is (H, W) or (H, W, 1),
as a tensor (1, H, W). `value_range` states other values of black and white. The networks take (1, 3, H, W) float32 in
[0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rife.errors import OptionError, ShapeError
from rife.options import Number, parse_number

Array: TypeAlias = npt.NDArray[np.generic]
Frame: TypeAlias = Array | Tensor
FrameT = TypeVar("FrameT", Array, Tensor)

Range: TypeAlias = tuple[float, float]
"""The values of black and white."""

_CHANNELS = (1, 3, 4)
_INTEGER_MAXIMUM = {torch.uint8: 255, torch.uint16: 65535}
_OTHER_INTEGERS = (torch.int16, torch.int32, torch.int64)

_FAR = 0.5
"""Share of the range. Video has colours beyond black and white, but not this far beyond."""

_NEAR, _NEAR_SHARE = 0.1, 0.01
"""Distance below black, as a share of the range, and share of the values that lie below it.

A frame that exceeds both is centred on zero; a video frame has only a few such pixels.
"""


def quantise(x: Tensor, maximum: int) -> Tensor:
    """Round values in [0, maximum] to the nearest integer, and clamp values outside of that range.

    Args:
        x: any shape, floating point, scaled so that `maximum` is the largest code.
        maximum: largest code: 255 for 8 bit, 1023 for 10 bit.

    Returns:
        The same shape, uint8 if `maximum` fits, else uint16. Halves round to even; NaN becomes 0.
    """
    dtype = torch.uint8 if maximum <= 255 else torch.uint16
    return x.nan_to_num(0.0).round_().clamp_(0, maximum).to(torch.int32).to(dtype)


def parse_range(value_range: Sequence[Number] | None) -> Range | None:
    """Parse a range of values: black and white, such as (-1, 1) or (0, 255).

    Raises:
        OptionError: the value is no pair of increasing numbers.
    """
    if value_range is None:
        return None
    expected = "value_range: expected two increasing numbers, black and white, such as (-1, 1)"
    if isinstance(value_range, str) or not hasattr(value_range, "__len__") or len(value_range) != 2:
        raise OptionError(f"{expected}; got {value_range!r}.")
    black, white = (float(parse_number(value, "value_range")) for value in value_range)
    if not black < white:
        raise OptionError(f"{expected}; got {value_range!r}.")
    return black, white


def to_network(frame: Frame, *, value_range: Range | None = None, name: str = "frame") -> Tensor:
    """Convert a frame to the input of `Interpolator.prepare`: (1, 3, H, W) float32 in [0, 1], (1, 4, H, W) with alpha.

    Args:
        frame: an array or a tensor, as the module describes.
        value_range: its values of black and white, if they are not those of its dtype.
        name: name of the frame in messages.

    Raises:
        ShapeError: the frame has not one, three or four channels, or an unknown dtype, or its values are not finite or
            far outside of its range.
    """
    tensor = _channels_first(frame, name)
    known = tensor.dtype in _INTEGER_MAXIMUM or tensor.is_floating_point()
    if not known and (value_range is None or tensor.dtype not in _OTHER_INTEGERS):
        raise ShapeError(
            f"{name}: expected uint8, uint16 or float in [0, 1], got {tensor.dtype}. "
            "Convert it, or state the range of another integer type, as in value_range=(0, 1023)."
        )
    black, white = value_range or (0.0, float(_INTEGER_MAXIMUM.get(tensor.dtype, 1)))
    if value_range is not None or tensor.is_floating_point():
        _check_values(tensor, black, white, name, is_stated=value_range is not None)
    picture = tensor[None].to(torch.float32)
    if (black, white) != (0.0, 1.0):
        picture = (picture - black) / (white - black)
    return picture.expand(-1, 3, -1, -1) if picture.shape[1] == 1 else picture


def from_network(picture: Tensor, like: FrameT, *, value_range: Range | None = None) -> FrameT:
    """Convert a tensor (1, 3, H, W) or (1, 4, H, W) in [0, 1] to a frame of the type, dtype and range of `like`.

    Alpha is dropped if `like` has none; grey is the mean of the three colours.
    """
    array = isinstance(like, np.ndarray)
    channels = like.shape[2 if array else 0] if like.ndim == 3 else 1
    picture = _grey(picture) if channels == 1 else picture[:, :channels]
    kind = torch.from_numpy(np.empty(0, _native(like.dtype))).dtype if isinstance(like, np.ndarray) else like.dtype
    black, white = value_range or (0.0, float(_INTEGER_MAXIMUM.get(kind, 1)))
    if value_range is None and kind in _INTEGER_MAXIMUM:
        out = quantise(picture[0] * white, int(white))
    else:
        out = picture[0].clamp(0, 1)
        out = out if (black, white) == (0.0, 1.0) else out * (white - black) + black
        out = (out if kind.is_floating_point else out.round()).to(kind)
    if isinstance(like, np.ndarray):
        made = np.ascontiguousarray(out.permute(1, 2, 0).cpu().numpy())
        return made.reshape(like.shape[:2] if like.ndim == 2 else made.shape).astype(like.dtype, copy=False)
    return out.to(like.device)


def _channels_first(frame: Frame, name: str) -> Tensor:
    """The frame as a tensor (C, H, W)."""
    if isinstance(frame, np.ndarray):
        shape = frame.shape if frame.ndim != 2 else (*frame.shape, 1)
        if len(shape) != 3 or shape[2] not in _CHANNELS or 0 in shape:
            raise ShapeError(
                f"{name}: an array must be (H, W, 3), RGB, or (H, W, 4), RGBA; got {frame.shape}. "
                "Grey is (H, W) or (H, W, 1)."
            )
        # PyTorch takes the native byte order only, and warns about read-only memory.
        frame = frame.astype(_native(frame.dtype), copy=not frame.flags.writeable)
        try:
            return torch.from_numpy(np.ascontiguousarray(frame).reshape(shape)).permute(2, 0, 1)
        except TypeError as err:
            raise ShapeError(f"{name}: expected uint8, uint16 or float in [0, 1], got {frame.dtype}.") from err
    if isinstance(frame, Tensor):
        if frame.dim() != 3 or frame.shape[0] not in _CHANNELS or 0 in frame.shape:
            raise ShapeError(
                f"{name}: a tensor must be (3, H, W), RGB, or (4, H, W), RGBA; got {tuple(frame.shape)}. "
                "Grey is (1, H, W)."
            )
        return frame
    hint = ""
    if hasattr(frame, "to_ndarray"):  # a frame of PyAV
        hint = ' Convert it: frame.to_ndarray(format="rgb24").'
    elif hasattr(frame, "__array_interface__"):  # an image of Pillow; one with a palette holds no colours
        hint = ' Convert it: numpy.asarray(image.convert("RGB")).'
    elif hasattr(frame, "__array__") or isinstance(frame, (list, tuple)):
        hint = " Convert it: numpy.asarray(frame)."
    raise ShapeError(f"{name}: expected a NumPy array or a torch tensor, got {type(frame).__name__}.{hint}")


def _check_values(tensor: Tensor, black: float, white: float, name: str, *, is_stated: bool) -> None:
    """Check that values are finite, and not so far outside of the range that it must be another range."""
    values = tensor.detach() if tensor.is_floating_point() else tensor.to(torch.float64)
    least, most = (float(x) for x in torch.aminmax(values))
    if not (math.isfinite(least) and math.isfinite(most)):
        channel, row, column = (int(i) for i in (~values.isfinite()).nonzero()[0])
        raise ShapeError(
            f"{name}: expected numbers, got {float(values[channel, row, column])} at row {row}, column {column}, "
            f"channel {channel}. Replace it, for example with numpy.nan_to_num."
        )
    span = white - black
    below, above = (black - least) / span, (most - white) / span
    far = max(below, above) > _FAR or (below > _NEAR and _share_below(values, black - _NEAR * span) > _NEAR_SHARE)
    if not far:
        return
    if is_stated:
        hint = "State its actual range."
    elif least < -_NEAR:
        hint = (
            f"State its range, as in value_range=({-1 if least >= -1 else math.floor(least)}, "
            f"{max(1, math.ceil(most))})."
        )
    else:
        largest = next((x for x in (255, 1023, 4095, 65535) if most <= x), math.ceil(most))
        hint = f"Divide by {largest}, or state its range: value_range=(0, {largest})."
    raise ShapeError(
        f"{name}: expected values in [{black:g}, {white:g}] or a little beyond, got {least:g} to {most:g}. {hint}"
    )


def _share_below(values: Tensor, limit: float) -> float:
    return float((values < limit).float().mean())


def _grey(picture: Tensor) -> Tensor:
    """The mean of the colours; exactly their value if they are equal."""
    red, green, blue = picture[:, 0:1], picture[:, 1:2], picture[:, 2:3]
    return green + ((red - green) + (blue - green)) / 3


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    native: np.dtype[Any] = dtype.newbyteorder("=")
    return native
