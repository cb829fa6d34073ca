"""YUV in planes to RGB and back by compiled kernels, several times as fast as PyTorch's passes and on one thread.

`rife.media.colour.convert` has the same arithmetic in PyTorch, for all formats, and for where Numba is not installed.
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
    """Codes of 0 in luma and in chroma, and how many codes further 1 is."""

    zeros: tuple[float, float]
    spans: tuple[float, float]


def decodes(layout: PlaneLayout) -> bool:
    """Whether `decode` takes a format here."""
    return layout.is_yuv and _kernels() is not None


def encodes(layout: PlaneLayout, picture: av.VideoFrame) -> bool:
    """Whether `encode` makes a picture of its size here: where chroma has half of them, rows and columns are even."""
    odd = (layout.half_width and picture.width % 2) or (layout.half_height and picture.height % 2)
    return not odd and decodes(layout)


def decode(picture: av.VideoFrame, codes: YuvCodes, siting: Siting, *, out: Tensor) -> None:
    """Turn the colours of a picture into RGB.

    Args:
        picture: in a format that `decodes`.
        codes: of its range.
        siting: where its chroma lies.
        out: (3, H, W) float32, filled.
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
    """Turn RGB into the colours of a picture.

    Args:
        rgb: (3, H, W) float32 on the CPU.
        codes: of the picture's range.
        siting: where its chroma lies.
        out: a picture that `encodes`, filled but for its opacity.
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
    # Kernels do not look where memory ends.
    if tuple(rgb.shape) != (3, picture.height, picture.width):
        raise ValueError(f"expected (3, {picture.height}, {picture.width}), got {tuple(rgb.shape)}")


def _run(kernel: str, *arguments: object) -> None:
    from rife.kernels import jit

    jit.run(getattr(_kernels(), kernel), *arguments)


def _kernels() -> ModuleType | None:
    return kernels("yuv")


def _array(numbers: Sequence[Any]) -> npt.NDArray[np.float32]:
    return np.array(numbers, np.float32)
