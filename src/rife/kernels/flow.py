"""Flow and mask at the rows of a frame, from the small pictures that blocks return.

`lows` are the outputs of the blocks so far, as (h, w * lanes), as many as a network can have (those from `count` on are
not looked at): flow in lanes 0 to 3, the mask before its sigmoid in 4, what is carried from 5 on. Each is enlarged by
its factor, bilinear with pixel areas aligned, and they are added up, where and when they are needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled
from rife.kernels.simd import load8, store

Array = np.ndarray[Any, Any]


@compiled
def _cells(positions: Array, factor: int, last: int, cells: Array, shares: Array) -> None:
    """Where pixels lie in a picture that is enlarged: the cell before, and how far to the next."""
    for index in range(positions.shape[0]):
        cell = (np.float32(positions[index]) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
        cell = min(max(cell, np.float32(0)), np.float32(last))
        cells[index] = int(cell)
        shares[index] = cell - np.float32(int(cell))


@compiled
def columns_of(lows: tuple[Array, ...], factors: Array, count: int, lanes: int, columns: Array) -> tuple[Array, Array]:
    """`_cells` of the columns, for every low."""
    cells = np.empty((len(lows), columns.shape[0]), np.int64)
    shares = np.empty((len(lows), columns.shape[0]), np.float32)
    for index in range(count):
        _cells(columns, factors[index], lows[index].shape[1] // lanes - 1, cells[index], shares[index])
    return cells, shares


@compiled
def _line_of(low: Array, factor: int, lanes: int, y: int, line: Array) -> None:
    """A row of the frame in a low, as wide as that is, and its last cell once more."""
    last = low.shape[0] - 1
    cell = (np.float32(y) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
    cell = min(max(cell, np.float32(0)), np.float32(last))
    first = int(cell)
    share = cell - np.float32(first)
    length = low.shape[1]
    above, below = first * length, min(first + 1, last) * length
    for place in range(0, length, 8):
        value = load8(low, above + place)
        store(line, place, value + (load8(low, below + place) - value) * share)
    for place in range(0, lanes, 8):
        store(line, length + place, load8(line, length - lanes + place))


@compiled
def motion_row(
    lows: tuple[Array, ...],
    factors: Array,
    count: int,
    lanes: int,
    y: int,
    cells: Array,
    shares: Array,
    lines: Array,
    out: Array,
) -> None:
    """Flow, mask and what is carried at one row of the frame: (columns * lanes)."""
    for index in range(count):
        _line_of(lows[index], factors[index], lanes, y, lines[index])
    for column in range(cells.shape[1]):
        for lane in range(0, lanes, 8):
            at = cells[0, column] * lanes + lane
            value = load8(lines, at)
            total = value + (load8(lines, at + lanes) - value) * shares[0, column]
            for index in range(1, count):
                at = index * lines.shape[1] + cells[index, column] * lanes + lane
                value = load8(lines, at)
                total = total + value + (load8(lines, at + lanes) - value) * shares[index, column]
            store(out, column * lanes + lane, total)


@compiled
def mask_weights(motion: Array, lanes: int, out: Array) -> None:
    """The mask's weight of img0 for a row of motion: 1 / (1 + exp(-mask)), right to 1e-7.

    exp(x) = 2**n * 2**f with n whole and |f| <= 1/2: f by its Taylor series, n as the exponent of a float32. The
    library's own takes one number at a time.
    """
    power = np.empty(out.shape[0], np.int32)
    for column in range(out.shape[0]):
        x = min(max(motion[column * lanes + 4] * np.float32(-1.4426950408889634), np.float32(-126)), np.float32(126))
        whole = np.floor(x + np.float32(0.5))
        f = (x - whole) * np.float32(0.6931471805599453)
        series = np.float32(1 / 720)
        for divisor in (120, 24, 6, 2, 1, 1):
            series = series * f + np.float32(1 / divisor)
        out[column] = series
        power[column] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    scale = power.view(np.float32)
    for column in range(out.shape[0]):
        out[column] = np.float32(1) / (np.float32(1) + out[column] * scale[column])
