"""Conversion between planar YUV and RGB by compiled kernels on one thread, several times as fast as PyTorch.

`rife.media.colour.convert` has the same arithmetic in PyTorch, for all formats, and for installations without Numba.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from torch import Tensor

from rife.kernels import kernels
from rife.media.colour.chroma_siting import Siting, enlarging_weights, reducing_weights
from rife.media.colour.matrices import matrix_of
from rife.media.colour.pixel_formats import LAYOUTS, PlaneLayout, padded_planes


@dataclass(frozen=True)
class YuvCodes:
    """Quantisation of luma and of chroma: codes of the value 0, and numbers of codes from the value 0 to 1."""

    zeros: tuple[float, float]
    spans: tuple[float, float]


def decodes(layout: PlaneLayout) -> bool:
    """Whether `decode` supports a format on this machine."""
    return layout.is_yuv and _kernels() is not None


def encodes(layout: PlaneLayout, picture: av.VideoFrame) -> bool:
    """Whether `encode` supports a frame on this machine: along subsampled axes, its size must be even."""
    odd = (layout.half_width and picture.width % 2) or (layout.half_height and picture.height % 2)
    return not odd and decodes(layout)


def decode(picture: av.VideoFrame, codes: YuvCodes, siting: Siting, *, out: Tensor) -> None:
    """Convert a frame to RGB.

    Args:
        picture: a frame in a format for which `decodes` is true.
        codes: quantisation of its colour range.
        siting: its chroma location.
        out: (3, H, W) float32, overwritten with the result.
    """
    _check(out, picture)
    layout = LAYOUTS[picture.format.name]
    rows, columns = enlarging_weights(siting)
    _run(
        "decode",
        *padded_planes(picture)[:3],
        _array(codes.zeros),
        _array(codes.spans),
        _array(matrix_of(picture).decode),
        _array(rows if layout.half_height else ()),
        _array(columns if layout.half_width else ()),
        np.empty((3, picture.width + 2), np.float32),
        out.numpy(),
    )


def encode(rgb: Tensor, codes: YuvCodes, siting: Siting, *, out: av.VideoFrame) -> None:
    """Convert RGB to the colours of a frame.

    Args:
        rgb: (3, H, W) float32 on the CPU.
        codes: quantisation of the frame's colour range.
        siting: its chroma location.
        out: a frame for which `encodes` is true; its colours are overwritten, its alpha is not.
    """
    _check(rgb, out)
    layout = LAYOUTS[out.format.name]
    rows, columns = reducing_weights(siting)
    _run(
        "encode",
        rgb.contiguous().numpy(),
        _array(codes.zeros),
        _array(codes.spans),
        2**layout.bits - 1,
        _array(matrix_of(out).encode),
        _array(rows if layout.half_height else ()),
        _array(columns if layout.half_width else ()),
        np.empty((3, out.width + 2), np.float32),
        *padded_planes(out)[:3],
    )


def _check(rgb: Tensor, picture: av.VideoFrame) -> None:
    # The kernels do not check bounds.
    if tuple(rgb.shape) != (3, picture.height, picture.width):
        raise ValueError(f"expected (3, {picture.height}, {picture.width}), got {tuple(rgb.shape)}")


def _run(kernel: str, *arguments: object) -> None:
    from rife.kernels import jit

    jit.run(getattr(_kernels(), kernel), *arguments)


def _kernels() -> ModuleType | None:
    return kernels("yuv")


def _array(numbers: Sequence[Any]) -> npt.NDArray[np.float32]:
    return np.array(numbers, np.float32)
