"""Where flow points, and context maps read there.

Flow is that of `rife.network.warp`: corners of the grid on the centres of corner pixels, borders repeated. Arrays are
float32 with the channels of a pixel side by side, (H, W, C), or bf16 as uint16 where that is said.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled
from rife.kernels.simd import clamped, load8, load16, lower, numbers4, store, upper, whole_part

Array = np.ndarray[Any, Any]
Number = Any
"""A float32."""
Vector = Any
"""Numbers side by side (`rife.kernels.simd`)."""

Aim = tuple[int, Number, Number, int, Number, Number]
"""Of each frame: a pixel's number, and how far it is from there to the next, to the right and down."""


@compiled
def places_of(columns: Array) -> Array:
    """Eight numbers for each column of a row: x, and room for y, twice; four zeros."""
    places = np.zeros(columns.shape[0] * 8, np.float32)
    for index in range(columns.shape[0]):
        places[index * 8] = places[index * 8 + 2] = np.float32(columns[index])
    return places


@compiled
def set_row(places: Array, y: int) -> None:
    """Put the row into places."""
    for index in range(0, places.shape[0], 8):
        places[index + 1] = places[index + 3] = np.float32(y)


@compiled
def ends_of(picture: Array) -> Array:
    """The last place of (H, W, C), and the one before, twice each, in the order of `places_of`."""
    height, width = picture.shape[:2]
    ends = np.zeros((2, 8), np.float32)
    for side in range(2):
        ends[0, 2 * side], ends[0, 2 * side + 1] = width - 1, height - 1
        ends[1, 2 * side], ends[1, 2 * side + 1] = max(width - 2, 0), max(height - 2, 0)
    return ends


@compiled
def aimed(flow: Vector, places: Array, index: int, ends: Array, width: int) -> Aim:
    """Where the flow to img0 and that to img1 point, beyond the borders at the nearest pixel.

    For each, the number of the pixel above and to the left, and how far it is from there to those on the right and
    below.
    """
    place = clamped(load8(places, index * 8) + flow, load8(ends, 0))
    # The last pixel counts as the end of the step before it, so that a next one is always there.
    before = clamped(whole_part(place), load8(ends, 8))
    left0, top0, left1, top1 = numbers4(before)
    across0, down0, across1, down1 = numbers4(place - before)
    first = np.int64(np.int32(top0)) * width + np.int64(np.int32(left0))
    second = np.int64(np.int32(top1)) * width + np.int64(np.int32(left1))
    return first, across0, down0, second, across1, down1


@compiled
def halve_flow(flow: Array, out: Array, start: int, stop: int) -> None:
    """Halve a flow (h, w, 8) in size, and its vectors with it: (h / 2, w / 2, 8)."""
    line = flow.shape[1] * 8
    for row in range(start, stop):
        for column in range(out.shape[1]):
            first = 2 * row * line + 16 * column
            above, below = load16(flow, first), load16(flow, first + line)
            both = above + below
            store(out, (row * out.shape[1] + column) * 8, (lower(both) + upper(both)) * np.float32(0.125))


@compiled
def warp_pair(first: Array, second: Array, flow: Array, top: int, left: int, out: Array, start: int, stop: int) -> None:
    """Read two feature maps where the flow points, and put them side by side.

    Args:
        first: (H, W, C) of img0, float32 or bf16, C a multiple of 16.
        second: the same of img1.
        flow: (h, w, 8) in pixels of the maps.
        top: the row of the maps at which the first row of the flow stands.
        left: likewise, of columns.
        out: (h, w, 2 * C), of the same kind as the maps.
        start: first row.
        stop: row after the last.
    """
    width, channels = first.shape[1:]
    places, ends = places_of(np.arange(left, left + out.shape[1])), ends_of(first)
    for row in range(start, stop):
        set_row(places, top + row)
        for column in range(out.shape[1]):
            at = row * out.shape[1] + column
            aim = aimed(load8(flow, at * 8), places, column, ends, width)
            _put_warped(first, aim[0], aim[1], aim[2], out, at * 2 * channels)
            _put_warped(second, aim[3], aim[4], aim[5], out, (at * 2 + 1) * channels)


@compiled
def _put_warped(picture: Array, place: int, across: Number, down: Number, out: Array, to: int) -> None:
    """Write what lies at a place of (H, W, C), C a multiple of 16."""
    height, width, channels = picture.shape
    first, right = place * channels, channels if width > 1 else 0
    below = first + (width * channels if height > 1 else 0)
    for channel in range(0, channels, 16):
        a, b = load16(picture, first + channel), load16(picture, first + right + channel)
        c, d = load16(picture, below + channel), load16(picture, below + right + channel)
        before, after = a + (c - a) * down, b + (d - b) * down
        store(out, to + channel, before + (after - before) * across)
