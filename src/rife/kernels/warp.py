"""Bilinear reads where the flow points, and backward warping of context maps.

Flow conventions are those of `rife.network.warp`: align_corners=True, borders repeated. Arrays are float32 in
channels-last order, (H, W, C), or bf16 as uint16 where stated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled
from rife.kernels.simd import clamp, load8, load16, lower, store, trunc, unpack4, upper

Array = np.ndarray[Any, Any]
Number = Any
"""A float32."""
Vector = Any
"""A vector of float32 (`rife.kernels.simd`)."""

Taps = tuple[int, Number, Number, int, Number, Number]
"""For img0, then for img1: index of the top left pixel, weight of the pixels to the right, weight of those below."""


@compiled
def positions_of(columns: Array) -> Array:
    """Eight numbers for each column of a row: x, room for y, x, room for y, four zeros."""
    positions = np.zeros(columns.shape[0] * 8, np.float32)
    for index in range(columns.shape[0]):
        positions[index * 8] = positions[index * 8 + 2] = np.float32(columns[index])
    return positions


@compiled
def set_row(positions: Array, y: int) -> None:
    """Write the row number into positions."""
    for index in range(0, positions.shape[0], 8):
        positions[index + 1] = positions[index + 3] = np.float32(y)


@compiled
def limits_of(image: Array) -> Array:
    """Last position in (H, W, C), and the last that has a next one, each twice, in the order of `positions_of`."""
    height, width = image.shape[:2]
    limits = np.zeros((2, 8), np.float32)
    for side in range(2):
        limits[0, 2 * side], limits[0, 2 * side + 1] = width - 1, height - 1
        limits[1, 2 * side], limits[1, 2 * side + 1] = max(width - 2, 0), max(height - 2, 0)
    return limits


@compiled
def bilinear_taps(flow: Vector, positions: Array, index: int, limits: Array, width: int) -> Taps:
    """Taps of the flow to img0 and of the flow to img1; outside of the image, those of the nearest pixel."""
    position = clamp(load8(positions, index * 8) + flow, load8(limits, 0))
    # The last pixel is the right end of the cell before it, so that every cell has both ends.
    first = clamp(trunc(position), load8(limits, 8))
    left0, top0, left1, top1 = unpack4(first)
    right0, below0, right1, below1 = unpack4(position - first)
    pixel0 = np.int64(np.int32(top0)) * width + np.int64(np.int32(left0))
    pixel1 = np.int64(np.int32(top1)) * width + np.int64(np.int32(left1))
    return pixel0, right0, below0, pixel1, right1, below1


@compiled
def halve_flow(flow: Array, out: Array, start: int, stop: int) -> None:
    """Downsample a flow (h, w, 8) by 2, and halve its vectors: (h / 2, w / 2, 8)."""
    line = flow.shape[1] * 8
    for row in range(start, stop):
        for column in range(out.shape[1]):
            first = 2 * row * line + 16 * column
            above, below = load16(flow, first), load16(flow, first + line)
            both = above + below
            store(out, (row * out.shape[1] + column) * 8, (lower(both) + upper(both)) * np.float32(0.125))


@compiled
def warp_pair(first: Array, second: Array, flow: Array, top: int, left: int, out: Array, start: int, stop: int) -> None:
    """Warp the feature map of each frame by its flow, and concatenate the two.

    Args:
        first: (H, W, C) of img0, float32 or bf16, C a multiple of 16.
        second: the same of img1.
        flow: (h, w, 8) in pixels of the maps.
        top: row of the maps at which the first row of the flow lies.
        left: column of the maps at which the first column of the flow lies.
        out: (h, w, 2 * C), of the dtype of the maps.
        start: first row.
        stop: row after the last.
    """
    width, channels = first.shape[1:]
    positions, limits = positions_of(np.arange(left, left + out.shape[1])), limits_of(first)
    for row in range(start, stop):
        set_row(positions, top + row)
        for column in range(out.shape[1]):
            at = row * out.shape[1] + column
            taps = bilinear_taps(load8(flow, at * 8), positions, column, limits, width)
            _store_warped(first, taps[0], taps[1], taps[2], out, at * 2 * channels)
            _store_warped(second, taps[3], taps[4], taps[5], out, (at * 2 + 1) * channels)


@compiled
def _store_warped(image: Array, pixel: int, across: Number, down: Number, out: Array, to: int) -> None:
    """Write the bilinear read of (H, W, C) at some taps; C is a multiple of 16."""
    height, width, channels = image.shape
    first, right = pixel * channels, channels if width > 1 else 0
    below = first + (width * channels if height > 1 else 0)
    for channel in range(0, channels, 16):
        a, b = load16(image, first + channel), load16(image, first + right + channel)
        c, d = load16(image, below + channel), load16(image, below + right + channel)
        before, after = a + (c - a) * down, b + (d - b) * down
        store(out, to + channel, before + (after - before) * across)
