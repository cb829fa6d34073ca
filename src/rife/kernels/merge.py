"""What lies between a network's convolutions, each step in one pass over the frame.

What a block sees; the new frame as it is merged, and what its correction looks at. (Context maps where the flow points:
`rife.kernels.warp`.)

Arrays are float32 with the channels of a pixel side by side, (H, W, C), or bf16 as uint16 where that is said. Frames
have four channels, the fourth of zeros, and are two pixels wide and high at least. `lows` are what blocks returned
(`rife.kernels.flow`).

Every kernel makes the rows `start` to `stop` of its outputs, so that several threads can share a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.flow import columns_of, mask_weights, motion_row
from rife.kernels.jit import compiled
from rife.kernels.simd import beside, load4, load8, load16, lower, store, upper
from rife.kernels.warp import Aim, aimed, ends_of, places_of, set_row

Array = np.ndarray[Any, Any]
Number = Any
"""A float32."""
Vector = Any
"""Numbers side by side (`rife.kernels.simd`)."""

_Two = tuple[Array, Array]

_ONE = np.float32(1)


@compiled
def _warped(picture: Array, place: int, across: Number, down: Number) -> Vector:
    """The pixel of (H, W, 4) that lies at a place."""
    at = place * 4
    above = load8(picture, at)
    both = above + (load8(picture, at + picture.shape[1] * 4) - above) * down
    left = lower(both)
    return left + (upper(both) - left) * across


@compiled
def _warped_both(pictures: _Two, aim: Aim) -> Vector:
    """A pixel of the first picture and one of the second, side by side."""
    return beside(_warped(pictures[0], aim[0], aim[1], aim[2]), _warped(pictures[1], aim[3], aim[4], aim[5]))


@compiled
def _add_features(
    line: Array, at: int, features: Array, place: int, across: Number, down: Number, share: Number
) -> None:
    """Add what lies at a place of (H, W, C), C a multiple of 4, to a line, by a share."""
    channels = features.shape[2]
    first = place * channels
    below = first + features.shape[1] * channels
    for channel in range(0, channels, 4):
        a, b = load4(features, first + channel), load4(features, first + channels + channel)
        c, d = load4(features, below + channel), load4(features, below + channels + channel)
        left, right = a + (c - a) * down, b + (d - b) * down
        _add4(line, at + channel, left + (right - left) * across, share)


@compiled
def _add4(line: Array, at: int, values: Vector, share: Number) -> None:
    store(line, at, load4(line, at) + values * share)


@compiled
def _add8(line: Array, at: int, values: Vector, share: Number) -> None:
    store(line, at, load8(line, at) + values * share)


@compiled
def _put_channels(line: Array, out: Array, row: int) -> None:
    """Write pixels of four channels, one after the other, into a row of (C, h, w)."""
    for channel in range(out.shape[0]):
        for column in range(out.shape[2]):
            out[channel, row, column] = line[4 * column + channel]


@compiled
def _store_line(line: Array, out: Array, at: int, count: int) -> None:
    """Write a line of float32, 16 numbers or more, as what the array holds."""
    for index in range(0, count - 15, 16):
        store(out, at + index, load16(line, index))
    # The last vector may overlap the one before.
    store(out, at + count - 16, load16(line, count - 16))


@compiled
def see_block(
    frames: _Two,
    encoded: _Two,
    lows: tuple[Array, ...],
    factors: Array,
    count: int,
    lanes: int,
    rows: Array,
    columns: Array,
    layout: tuple[int, ...],
    shrink: float,
    timestep: Number,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write what a block takes: both frames, and their features, where the flow points, and the flow itself.

    Args:
        frames: two (H, W, 4).
        encoded: two (H, W, E), E a multiple of 4, or 0 where there are none.
        lows: of the blocks before.
        factors: of the lows.
        count: of the lows.
        lanes: of the lows, 8 or 16.
        rows: of the frame, that stand for the rows of `out`: as many for each, one or two.
        columns: likewise.
        layout: the channel of `out` at which something begins: the unwarped frames, the warped ones, features, flow,
            mask, timestep, carried; -1 where it is left out.
        shrink: how much smaller than the frame the block works.
        timestep: the number.
        out: (h, w, C), float32 or bf16, w * C 16 or more.
        start: first row.
        stop: row after the last.
    """
    width = frames[0].shape[1]
    channels, features = out.shape[2], encoded[0].shape[2]
    count_in = columns.shape[0]
    per = count_in // out.shape[1]
    share = _ONE / np.float32(per * per)
    cells, shares = columns_of(lows, factors, count, lanes, columns)
    lines = np.empty((count, (width + 64) * lanes), np.float32)
    motion = np.empty(count_in * lanes, np.float32)
    places, ends = places_of(columns), ends_of(frames[0])
    line = np.empty(out.shape[1] * channels + 16, np.float32)
    source, warped, feature, flow_at, mask_at, time_at, carried_at = layout
    flow_share = share / np.float32(shrink)
    for row in range(start, stop):
        line[:] = 0
        for sample in range(per):
            y = rows[row * per + sample]
            motion_row(lows, factors, count, lanes, y, cells, shares, lines, motion)
            set_row(places, y)
            for column in range(count_in):
                at, flow = (column >> (per - 1)) * channels, column * lanes
                aim = aimed(load8(motion, flow), places, column, ends, width)
                _add8(line, at + warped, _warped_both(frames, aim), share)
                _add4(line, at + flow_at, load4(motion, flow), flow_share)
                line[at + mask_at] += motion[flow + 4] * share
                if features:
                    _add_features(line, at + feature, encoded[0], aim[0], aim[1], aim[2], share)
                    _add_features(line, at + feature + features, encoded[1], aim[3], aim[4], aim[5], share)
                if source >= 0:
                    here = (y * width + columns[column]) * 4
                    _add8(line, at + source, beside(load4(frames[0], here), load4(frames[1], here)), share)
                if carried_at >= 0:
                    _add8(line, at + carried_at, load8(motion, flow + 5), share)
        if time_at >= 0:
            for column in range(out.shape[1]):
                line[column * channels + time_at] = timestep
        length = out.shape[1] * channels
        _store_line(line, out, row * length, length)


@compiled
def merge(
    pictures: _Two,
    excess: _Two,
    lows: tuple[Array, ...],
    factors: Array,
    count: int,
    lanes: int,
    rows: Array,
    columns: Array,
    merged: Array,
    carried: Array,
    flow: Array,
    seen: Array,
    start: int,
    stop: int,
) -> None:
    """Blend two pictures, each read where the flow points, by the mask; and two more in the same way.

    Args:
        pictures: two (H, W, 4).
        excess: two (H, W, 4), looked at only if `carried` has channels.
        lows: of all blocks.
        factors: of the lows.
        count: of the lows.
        lanes: of the lows, 8 or 16.
        rows: of the frame, one for each row that is made.
        columns: likewise.
        merged: (3 or 4, h, w), the result.
        carried: the same of `excess`, (3, h, w) or (0, h, w).
        flow: (h, w, 8), flow and mask as they were used; or at half the size, its vectors halved with it.
        seen: (h, w, 24), float32 or bf16: both frames, the same warped, flow and mask; or, with `flow`, (h, w, 0).
        start: first row, an even one.
        stop: row after the last.
    """
    width, made = pictures[0].shape[1], columns.shape[0]
    shrink = rows.shape[0] // flow.shape[0]
    cells, shares = columns_of(lows, factors, count, lanes, columns)
    lines = np.empty((count, (width + 64) * lanes), np.float32)
    motion = np.empty(made * lanes, np.float32)
    places, ends = places_of(columns), ends_of(pictures[0])
    line, more = np.empty(made * 4, np.float32), np.empty(made * 4, np.float32)
    share = np.empty(made, np.float32)
    for row in range(start, stop):
        y = rows[row]
        motion_row(lows, factors, count, lanes, y, cells, shares, lines, motion)
        set_row(places, y)
        mask_weights(motion, lanes, share)
        for column in range(made):
            here = load8(motion, column * lanes)
            aim = aimed(here, places, column, ends, width)
            both = _warped_both(pictures, aim)
            store(line, column * 4, upper(both) + (lower(both) - upper(both)) * share[column])
            if carried.shape[0]:
                others = _warped_both(excess, aim)
                store(more, column * 4, upper(others) + (lower(others) - upper(others)) * share[column])
            if seen.shape[2]:
                pixel, to = (y * width + columns[column]) * 4, (row * made + column) * 24
                store(seen, to, beside(load4(pictures[0], pixel), load4(pictures[1], pixel)))
                store(seen, to + 8, both)
                store(seen, to + 16, here)
                if shrink == 1:
                    store(flow, (row * made + column) * 8, here)
                else:
                    cell = ((row >> 1) * (made >> 1) + (column >> 1)) * 8
                    before = here * np.float32(0) if (row | column) & 1 == 0 else load8(flow, cell)
                    store(flow, cell, before + here * np.float32(0.125))
        _put_channels(line, merged, row)
        _put_channels(more, carried, row)
