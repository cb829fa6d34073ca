"""Samples of decoded frames in any pixel format, and their means over small cells.

A cell is 8x8 pixels of the frame, at any resolution of the plane; the last row and column of cells include the
remaining pixels. The unit is one code of 8-bit limited-range video (219 codes from black to white), so that a 10-bit or
full-range copy of a clip gives the same values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from rife.media.colour.convert import range_tag
from rife.media.colour.pixel_formats import LAYOUTS, PlaneLayout, samples, working_format

Samples: TypeAlias = npt.NDArray[Any]
Means: TypeAlias = npt.NDArray[np.float32]

CELL_PX = 8
LIMITED_SPAN = 219.0
_FULL_RANGE = 2


@dataclass(frozen=True)
class Planes:
    """The samples of one frame.

    Attributes:
        planes: Y, U, V; or G, B, R; or Y alone: (rows, columns) of integers, views into the decoder's memory.
        unit: one step of a sample, in 8-bit limited-range codes.
        zero: code of black.
        layout: memory layout of the pixel format.
    """

    planes: tuple[Samples, ...]
    unit: float
    zero: float
    layout: PlaneLayout

    @property
    def kind(self) -> tuple[object, ...]:
        """Key of comparable frames: two frames with the same key can be compared sample by sample."""
        return (self.layout, self.unit, tuple(plane.shape for plane in self.planes))

    def cell(self, index: int) -> tuple[int, int]:
        """Rows and columns of a plane in one cell."""
        if index == 0:
            return CELL_PX, CELL_PX
        return CELL_PX >> self.layout.half_height, CELL_PX >> self.layout.half_width


def planes_of(picture: av.VideoFrame) -> Planes:
    """View the samples of a decoded frame.

    A pixel format outside of `rife.media.colour.convert.LAYOUTS` is converted to its nearest format, at full size.
    """
    if picture.format.name not in LAYOUTS:
        near = working_format(picture.format.name, list(LAYOUTS), size=(0, 0))
        picture = picture.reformat(format=near)
    layout = LAYOUTS[picture.format.name]
    channels = dict(zip(layout.channels, samples(picture), strict=True))
    # Alpha is ignored: it may hide a difference, but seldom is the difference.
    planes = [channels[letter] for letter in ("gbr" if layout.rgb else "y" if layout.grey else "yuv")]
    is_full = layout.full_range or layout.rgb or range_tag(picture) == _FULL_RANGE
    codes = 2**layout.bits - 1 if is_full else LIMITED_SPAN * 2 ** (layout.bits - 8)
    zero = 0.0 if is_full else 16.0 * 2 ** (layout.bits - 8)
    return Planes(tuple(planes), LIMITED_SPAN / codes, zero, layout)


def cell_means(plane: Samples, cell: tuple[int, int]) -> Means:
    """Average a plane over cells.

    Args:
        plane: (H, W) integers of at most 16 bit.
        cell: rows and columns per cell.

    Returns:
        (max(1, H // rows), max(1, W // columns)): means in the plane's own codes.
    """
    rows = _summed(plane, cell[0], axis=0)
    sums = _summed(rows, cell[1], axis=1)
    heights = _lengths(plane.shape[0], cell[0])
    widths = _lengths(plane.shape[1], cell[1])
    means: Means = (sums / (heights[:, None] * widths[None])).astype(np.float32)
    return means


def _summed(samples: Samples, step: int, *, axis: int) -> Samples:
    """Sum groups of `step` along an axis; the last group includes the remainder."""
    length = samples.shape[axis]
    count = max(1, length // step)
    whole = min(length, count * step)
    # 8 lines of bytes fit into 16 bits, which sum four times as fast as 64.
    dtype = np.uint16 if samples.dtype == np.uint8 and step <= 256 and axis == 0 else np.uint32
    body, rest = np.split(samples, [whole], axis=axis)
    shape = (count, whole // count, -1) if axis == 0 else (-1, count, whole // count)
    sums: Samples = body.reshape(shape).sum(axis + 1 if axis == 0 else 2, dtype=dtype)
    if rest.size:
        last = (-1,) if axis == 0 else (slice(None), -1)
        sums[last] += rest.sum(axis, dtype=dtype)
    return sums


def _lengths(length: int, step: int) -> npt.NDArray[np.float32]:
    count = max(1, length // step)
    lengths = np.full(count, min(step, length), np.float32)
    lengths[-1] += length - count * step if length > step else 0
    return lengths


def difference(a: Samples, b: Samples) -> Samples:
    """Absolute difference of two planes of the same unsigned dtype, without a copy in a wider dtype."""
    larger: Samples = np.maximum(a, b)
    larger -= np.minimum(a, b)
    return larger
