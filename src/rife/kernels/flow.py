"""Dense flow and mask of one row of the frame, from the blocks' outputs at their own sizes.

`outputs` are the outputs of the blocks so far, each (h, w * channels): flow in channels 0 to 3, the mask before its
sigmoid in channel 4, carried features from channel 5 on. The tuple has as many entries as any network has blocks;
entries from `count` on are not read. Every output is upsampled by its factor (bilinear, align_corners=False), and the
results are summed row by row, when a row is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled
from rife.kernels.simd import load8, store
from rife.network.channels import MASK

Array = np.ndarray[Any, Any]

_MASK_AT = MASK.start


@compiled
def _cells(positions: Array, factor: int, last: int, cells: Array, weights: Array) -> None:
    """Source cell of each position after upsampling by `factor`, and the weight of the next cell."""
    for index in range(positions.shape[0]):
        cell = (np.float32(positions[index]) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
        cell = min(max(cell, np.float32(0)), np.float32(last))
        cells[index] = int(cell)
        weights[index] = cell - np.float32(int(cell))


@compiled
def column_cells(
    outputs: tuple[Array, ...], factors: Array, count: int, channels: int, columns: Array
) -> tuple[Array, Array]:
    """`_cells` of the columns, for every block output."""
    cells = np.empty((len(outputs), columns.shape[0]), np.int64)
    weights = np.empty((len(outputs), columns.shape[0]), np.float32)
    for index in range(count):
        _cells(columns, factors[index], outputs[index].shape[1] // channels - 1, cells[index], weights[index])
    return cells, weights


@compiled
def _row_of(output: Array, factor: int, channels: int, y: int, row: Array) -> None:
    """Row `y` of the frame, upsampled in y only, with its last cell repeated once at the end."""
    last = output.shape[0] - 1
    cell = (np.float32(y) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
    cell = min(max(cell, np.float32(0)), np.float32(last))
    first = int(cell)
    weight = cell - np.float32(first)
    length = output.shape[1]
    above, below = first * length, min(first + 1, last) * length
    for offset in range(0, length, 8):
        value = load8(output, above + offset)
        store(row, offset, value + (load8(output, below + offset) - value) * weight)
    for offset in range(0, channels, 8):
        store(row, length + offset, load8(row, length - channels + offset))


@compiled
def dense_row(
    outputs: tuple[Array, ...],
    factors: Array,
    count: int,
    channels: int,
    y: int,
    cells: Array,
    weights: Array,
    rows: Array,
    out: Array,
) -> None:
    """Flow, mask and carried features at row `y` of the frame: (columns * channels)."""
    for index in range(count):
        _row_of(outputs[index], factors[index], channels, y, rows[index])
    for column in range(cells.shape[1]):
        for channel in range(0, channels, 8):
            at = cells[0, column] * channels + channel
            value = load8(rows, at)
            total = value + (load8(rows, at + channels) - value) * weights[0, column]
            for index in range(1, count):
                at = index * rows.shape[1] + cells[index, column] * channels + channel
                value = load8(rows, at)
                total = total + value + (load8(rows, at + channels) - value) * weights[index, column]
            store(out, column * channels + channel, total)


@compiled
def mask_weights(dense: Array, channels: int, out: Array) -> None:
    """Weight of img0 for a row of `dense_row`: sigmoid of the mask, with an error below 1e-7.

    exp(x) = 2**n * 2**f with n whole and |f| <= 1/2: 2**f by its Taylor series, 2**n as the exponent of a float32. The
    standard library's exp is not vectorized.
    """
    power = np.empty(out.shape[0], np.int32)
    for column in range(out.shape[0]):
        x = min(
            max(dense[column * channels + _MASK_AT] * np.float32(-1.4426950408889634), np.float32(-126)),
            np.float32(126),
        )
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
