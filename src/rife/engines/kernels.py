"""What lies between a network's convolutions, each step in one pass over the frame.

What a block sees; the new frame as it is merged, and what its correction looks at; context maps where the flow points.

Arrays are float32 with the channels of a pixel side by side, (H, W, C), or bf16 as uint16 where that is said. Frames
have four channels, the fourth of zeros. `lows` are the outputs of the blocks so far, as (h, w * lanes), as many as a
network can have (those from `count` on are not looked at): flow in lanes 0 to 3, the mask before its sigmoid in 4, what
is carried from 5 on. Each is enlarged by its factor, bilinear with pixel areas aligned, and they are added up, where
and when they are needed. Flow is that of `rife.warp`: corners of the grid on the centres of corner pixels, borders
repeated. Frames are two pixels wide and high at least; context maps may be smaller.

Every kernel makes the rows `start` to `stop` of its outputs, so that several threads can share a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.engines.kept import compiled
from rife.engines.vectors import beside, clamped, load4, load8, load16, lower, numbers4, store, upper, whole_part

Array = np.ndarray[Any, Any]
Number = Any
"""A float32."""
Vector = Any
"""Numbers side by side (`rife.engines.vectors`)."""

_Two = tuple[Array, Array]

_Aim = tuple[int, Number, Number, int, Number, Number]

_ONE = np.float32(1)


@compiled
def _cells(positions: Array, factor: int, last: int, cells: Array, shares: Array) -> None:
    """Where pixels lie in a picture that is enlarged: the cell before, and how far to the next."""
    for index in range(positions.shape[0]):
        cell = (np.float32(positions[index]) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
        cell = min(max(cell, np.float32(0)), np.float32(last))
        cells[index] = int(cell)
        shares[index] = cell - np.float32(int(cell))


@compiled
def _columns_of(lows: tuple[Array, ...], factors: Array, count: int, lanes: int, columns: Array) -> _Two:
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
def _motion_row(
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
def _places(columns: Array) -> Array:
    """Eight numbers for each column of a row: x, and room for y, twice; four zeros."""
    places = np.zeros(columns.shape[0] * 8, np.float32)
    for index in range(columns.shape[0]):
        places[index * 8] = places[index * 8 + 2] = np.float32(columns[index])
    return places


@compiled
def _set_row(places: Array, y: int) -> None:
    for index in range(0, places.shape[0], 8):
        places[index + 1] = places[index + 3] = np.float32(y)


@compiled
def _ends(picture: Array) -> Array:
    """The last place of (H, W, C), and the one before, twice each, in the order of `_places`."""
    height, width = picture.shape[:2]
    ends = np.zeros((2, 8), np.float32)
    for side in range(2):
        ends[0, 2 * side], ends[0, 2 * side + 1] = width - 1, height - 1
        ends[1, 2 * side], ends[1, 2 * side + 1] = max(width - 2, 0), max(height - 2, 0)
    return ends


@compiled
def _aimed(flow: Vector, places: Array, index: int, ends: Array, width: int) -> _Aim:
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
def _warped(picture: Array, place: int, across: Number, down: Number) -> Vector:
    """The pixel of (H, W, 4) that lies at a place."""
    at = place * 4
    above = load8(picture, at)
    both = above + (load8(picture, at + picture.shape[1] * 4) - above) * down
    left = lower(both)
    return left + (upper(both) - left) * across


@compiled
def _warped_both(pictures: _Two, aim: _Aim) -> Vector:
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
def _sigmoid(motion: Array, lanes: int, out: Array) -> None:
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


@compiled
def _store_line(line: Array, out: Array, at: int, count: int) -> None:
    """Write a line of float32 as what the array holds."""
    whole = count - count % 16
    for index in range(0, whole, 16):
        store(out, at + index, load16(line, index))
    # The last vector may overlap the one before.
    if count >= 16:
        store(out, at + count - 16, load16(line, count - 16))
    else:
        for index in range(0, count, 4):
            store(out, at + index, load4(line, index))


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
        out: (h, w, C), float32 or bf16.
        start: first row.
        stop: row after the last.
    """
    width = frames[0].shape[1]
    channels, features = out.shape[2], encoded[0].shape[2]
    count_in = columns.shape[0]
    per = count_in // out.shape[1]
    share = _ONE / np.float32(per * per)
    cells, shares = _columns_of(lows, factors, count, lanes, columns)
    lines = np.empty((count, (width + 64) * lanes), np.float32)
    motion = np.empty(count_in * lanes, np.float32)
    places, ends = _places(columns), _ends(frames[0])
    line = np.empty(out.shape[1] * channels + 16, np.float32)
    source, warped, feature, flow_at, mask_at, time_at, carried_at = layout
    flow_share = share / np.float32(shrink)
    for row in range(start, stop):
        line[:] = 0
        for sample in range(per):
            y = rows[row * per + sample]
            _motion_row(lows, factors, count, lanes, y, cells, shares, lines, motion)
            _set_row(places, y)
            for column in range(count_in):
                at, flow = (column >> (per - 1)) * channels, column * lanes
                aim = _aimed(load8(motion, flow), places, column, ends, width)
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
    cells, shares = _columns_of(lows, factors, count, lanes, columns)
    lines = np.empty((count, (width + 64) * lanes), np.float32)
    motion = np.empty(made * lanes, np.float32)
    places, ends = _places(columns), _ends(pictures[0])
    line, more = np.empty(made * 4, np.float32), np.empty(made * 4, np.float32)
    share = np.empty(made, np.float32)
    for row in range(start, stop):
        y = rows[row]
        _motion_row(lows, factors, count, lanes, y, cells, shares, lines, motion)
        _set_row(places, y)
        _sigmoid(motion, lanes, share)
        for column in range(made):
            here = load8(motion, column * lanes)
            aim = _aimed(here, places, column, ends, width)
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
    places, ends = _places(np.arange(left, left + out.shape[1])), _ends(first)
    for row in range(start, stop):
        _set_row(places, top + row)
        for column in range(out.shape[1]):
            at = row * out.shape[1] + column
            aim = _aimed(load8(flow, at * 8), places, column, ends, width)
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
