"""What a frame in memory is, and the one place where float becomes integer.

A frame is either a NumPy array (H, W, 3), RGB, uint8, uint16 or float in [0, 1], or a torch tensor
(3, H, W) of the same kinds. A fourth channel is opacity, straight: colours are not multiplied by it. The networks
work on (1, 3, H, W) float32 in [0, 1].
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rife.errors import ShapeError

Array: TypeAlias = npt.NDArray[np.generic]
Frame: TypeAlias = Array | Tensor
FrameT = TypeVar("FrameT", Array, Tensor)

_CHANNELS = (3, 4)
_INTEGER_MAXIMUM = {torch.uint8: 255, torch.uint16: 65535}


def quantise(x: Tensor, maximum: int) -> Tensor:
    """Round values in [0, maximum] to the nearest integer, and clamp what lies outside.

    Args:
        x: any shape, floating, already scaled so that `maximum` is the largest code.
        maximum: largest code: 255 for 8 bit, 1023 for 10 bit.

    Returns:
        The same shape, uint8 where `maximum` fits, else uint16. Halves round to even; not-a-number gives 0.
    """
    dtype = torch.uint8 if maximum <= 255 else torch.uint16
    return x.nan_to_num(0.0).round_().clamp_(0, maximum).to(torch.int32).to(dtype)


def to_network(frame: Frame) -> Tensor:
    """Convert a frame to what `Interpolator.prepare` takes: (1, 3, H, W) float32 in [0, 1], (1, 4, H, W) with opacity.

    Raises:
        ShapeError: not a frame of three or four channels, or of a kind that is not known.
    """
    if isinstance(frame, np.ndarray):
        if frame.ndim != 3 or frame.shape[2] not in _CHANNELS:
            raise ShapeError(f"frame: an array must be (H, W, 3), RGB, or (H, W, 4), RGBA; got {frame.shape}.")
        tensor = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)
    elif isinstance(frame, Tensor):
        if frame.dim() != 3 or frame.shape[0] not in _CHANNELS:
            raise ShapeError(f"frame: a tensor must be (3, H, W), RGB, or (4, H, W), RGBA; got {tuple(frame.shape)}.")
        tensor = frame
    else:
        raise ShapeError(f"frame: expected a NumPy array or a torch tensor, got {type(frame).__name__}.")
    if tensor.dtype in _INTEGER_MAXIMUM:
        return tensor[None].to(torch.float32) / _INTEGER_MAXIMUM[tensor.dtype]
    if not tensor.is_floating_point():
        raise ShapeError(f"frame: expected uint8, uint16 or float in [0, 1], got {tensor.dtype}.")
    return tensor[None].to(torch.float32)


def from_network(picture: Tensor, like: FrameT) -> FrameT:
    """Convert a picture (1, 3, H, W) or (1, 4, H, W) in [0, 1] to the kind of frame that `like` is.

    A picture with opacity loses it where `like` has none.
    """
    picture = picture[:, : like.shape[2 if isinstance(like, np.ndarray) else 0]]
    source = torch.from_numpy(np.empty(0, like.dtype)) if isinstance(like, np.ndarray) else like
    if source.dtype in _INTEGER_MAXIMUM:
        maximum = _INTEGER_MAXIMUM[source.dtype]
        out = quantise(picture[0] * maximum, maximum)
    else:
        out = picture[0].clamp(0, 1).to(source.dtype)
    if isinstance(like, np.ndarray):
        return np.ascontiguousarray(out.permute(1, 2, 0).cpu().numpy())
    return out.to(like.device)
