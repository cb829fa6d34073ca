"""What lies between a network's convolutions, each step in one pass over the frame.

What a block sees; the new frame as it is merged, and what its correction looks at; context maps where the flow points.

Arrays are float32 with the channels of a pixel side by side, (H, W, C), or bf16 as uint16 where that is said. Frames
have four channels, the fourth of zeros. `lows` are the outputs of the blocks so far, as (h, w * lanes), as many as a
network can have (those from `count` on are not looked at): flow in lanes 0 to 3, the mask before its sigmoid in 4, what
is carried from 5 on. Each is enlarged by its factor, bilinear with pixel areas aligned, and they are added up, where
and when they are needed. Flow is that of `rife.warp`: corners of the grid on the centres of corner pixels, borders
repeated.

Every kernel makes the rows `start` to `stop` of its outputs, so that several threads can share a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.engines.kept import compiled
from rife.engines.vectors import add4, add8, add16

Array = np.ndarray[Any, Any]
Number = Any
"""A float32."""

_Two = tuple[Array, Array]


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
def _motion_row(
    lows: tuple[Array, ...],
    factors: Array,
    count: int,
    lanes: int,
    y: int,
    cells: Array,
    shares: Array,
    line: Array,
    out: Array,
) -> None:
    """Flow, mask and what is carried at one row of the frame: (columns * lanes)."""
    columns = cells.shape[1]
    out[:] = 0
    for index in range(count):
        low = lows[index]
        last = low.shape[0] - 1
        cell = (np.float32(y) + np.float32(0.5)) / np.float32(factors[index]) - np.float32(0.5)
        cell = min(max(cell, np.float32(0)), np.float32(last))
        first = int(cell)
        share = cell - np.float32(first)
        above, below = low[first], low[min(first + 1, last)]
        length = above.shape[0]
        for place in range(length):
            line[place] = above[place] + (below[place] - above[place]) * share
        line[length : length + lanes] = line[length - lanes : length]
        for column in range(columns):
            place, right = cells[index, column] * lanes, shares[index, column]
            for lane in range(0, lanes, 8):
                at = place + lane
                add8(out, column * lanes + lane, line, (at, at + lanes), (np.float32(1) - right, right))


@compiled
def _taps(x: Number, y: Number, width: int, height: int) -> tuple[tuple[int, ...], tuple[Number, ...]]:
    """The four pixels around a place, as numbers of pixels, and their weights. Beyond the borders, the nearest ones."""
    right, bottom = np.float32(width - 1), np.float32(height - 1)
    # In this order NaN becomes 0.
    x = x if x > np.float32(0) else np.float32(0)
    y = y if y > np.float32(0) else np.float32(0)
    x = x if x < right else right
    y = y if y < bottom else bottom
    # The last pixel counts as the end of the step before it, so that a next one is always there.
    left, top = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    across, down = x - np.float32(left), y - np.float32(top)
    first = top * width + left
    below = first + (width if height > 1 else 0)
    step = 1 if width > 1 else 0
    rest_across, rest_down = np.float32(1) - across, np.float32(1) - down
    places = (first, first + step, below, below + step)
    return places, (rest_across * rest_down, across * rest_down, rest_across * down, across * down)


@compiled
def _times4(values: tuple[Number, ...], factor: Number) -> tuple[Number, ...]:
    return values[0] * factor, values[1] * factor, values[2] * factor, values[3] * factor


@compiled
def _add_warped(line: Array, at: int, picture: Array, x: Number, y: Number, share: Number) -> None:
    """Add the pixel of (H, W, 4) that lies at a place to a line, by a share."""
    places, weights = _taps(x, y, picture.shape[1], picture.shape[0])
    add4(line, at, picture, _times4(places, 4), _times4(weights, share))


@compiled
def _blend(line: Array, step: int, at: int, share: Array, out: Array, row: int) -> None:
    """Blend two pixels of four lanes, one after the other, by a share of the first, into a row of (C, h, w)."""
    for channel in range(out.shape[0]):
        for column in range(share.shape[0]):
            second = line[column * step + at + 4 + channel]
            out[channel, row, column] = second + (line[column * step + at + channel] - second) * share[column]


@compiled
def _add_features(line: Array, at: int, features: Array, x: Number, y: Number, share: Number) -> None:
    """The same for (H, W, C) with C a multiple of 4."""
    places, weights = _taps(x, y, features.shape[1], features.shape[0])
    weights = _times4(weights, share)
    channels = features.shape[2]
    a, b, c, d = _times4(places, channels)
    for channel in range(0, channels, 4):
        add4(line, at + channel, features, (a + channel, b + channel, c + channel, d + channel), weights)


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
def _store(line: Array, out: Array) -> None:
    """Write a line of float32 as what the array holds: itself, or rounded to bf16 (to nearest, ties to even)."""
    if out.itemsize == 4:
        for index in range(out.shape[0]):
            out[index] = line[index]
    else:
        bits = line.view(np.uint32)
        for index in range(out.shape[0]):
            word = bits[index]
            out[index] = (word + np.uint32(0x7FFF) + ((word >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)


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
    per = columns.shape[0] // out.shape[1]
    share = np.float32(1) / np.float32(per * per)
    cells, shares = _columns_of(lows, factors, count, lanes, columns)
    motion = np.empty(columns.shape[0] * lanes, np.float32)
    enlarged = np.empty((width + 64) * lanes, np.float32)
    line = np.empty(out.shape[1] * channels + 16, np.float32)
    source, warped, feature, flow_at, mask_at, time_at, carried_at = layout
    flow_share = share / np.float32(shrink)
    first, second = frames
    for row in range(start, stop):
        line[:] = 0
        for sample in range(per):
            y = rows[row * per + sample]
            _motion_row(lows, factors, count, lanes, y, cells, shares, enlarged, motion)
            for column in range(columns.shape[0]):
                x, at, flow = columns[column], (column >> (per - 1)) * channels, column * lanes
                a, b, c, d, mask = motion[flow], motion[flow + 1], motion[flow + 2], motion[flow + 3], motion[flow + 4]
                left, top = np.float32(x), np.float32(y)
                _add_warped(line, at + warped, first, left + a, top + b, share)
                _add_warped(line, at + warped + 4, second, left + c, top + d, share)
                add4(line, at + flow_at, motion, (flow,), (flow_share,))
                line[at + mask_at] += mask * share
                if features:
                    _add_features(line, at + feature, encoded[0], left + a, top + b, share)
                    _add_features(line, at + feature + features, encoded[1], left + c, top + d, share)
                if source >= 0:
                    add4(line, at + source, first, ((y * width + x) * 4,), (share,))
                    add4(line, at + source + 4, second, ((y * width + x) * 4,), (share,))
                if carried_at >= 0:
                    add8(line, at + carried_at, motion, (flow + 5,), (share,))
        if time_at >= 0:
            for column in range(out.shape[1]):
                line[column * channels + time_at] = timestep
        _store(line, out[row].reshape(-1))


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
        flow: (h, w, 8), flow and mask as they were used.
        seen: (h, w, 24), float32 or bf16: both frames, the same warped, flow and mask; or (h, w, 0), if not wanted.
        start: first row.
        stop: row after the last.
    """
    first, second = pictures
    width = first.shape[1]
    cells, shares = _columns_of(lows, factors, count, lanes, columns)
    motion = np.empty(columns.shape[0] * lanes, np.float32)
    enlarged = np.empty((width + 64) * lanes, np.float32)
    channels = seen.shape[2]
    step, warped = (channels, 8) if channels else (8, 0)
    line = np.empty(columns.shape[0] * step + 16, np.float32)
    more = np.empty(columns.shape[0] * 8 + 16, np.float32)
    share = np.empty(columns.shape[0], np.float32)
    whole = np.float32(1)
    for row in range(start, stop):
        y = rows[row]
        _motion_row(lows, factors, count, lanes, y, cells, shares, enlarged, motion)
        line[:] = 0
        more[:] = 0
        flow_line = flow[row].reshape(-1)
        flow_line[:] = 0
        _sigmoid(motion, lanes, share)
        for column in range(columns.shape[0]):
            x, at, place = columns[column], column * step + warped, column * lanes
            left, top = np.float32(x), np.float32(y)
            x0, y0 = left + motion[place], top + motion[place + 1]
            x1, y1 = left + motion[place + 2], top + motion[place + 3]
            _add_warped(line, at, first, x0, y0, whole)
            _add_warped(line, at + 4, second, x1, y1, whole)
            add8(flow_line, column * 8, motion, (place,), (whole,))
            if carried.shape[0]:
                _add_warped(more, column * 8, excess[0], x0, y0, whole)
                _add_warped(more, column * 8 + 4, excess[1], x1, y1, whole)
            if channels:
                here = ((y * width + x) * 4,)
                add4(line, at - 8, first, here, (whole,))
                add4(line, at - 4, second, here, (whole,))
                add8(line, at + 8, motion, (place,), (whole,))
        _blend(line, step, warped, share, merged, row)
        _blend(more, 8, 0, share, carried, row)
        if channels:
            _store(line, seen[row].reshape(-1))


@compiled
def halve_flow(flow: Array, out: Array, start: int, stop: int) -> None:
    """Halve a flow (h, w, 8) in size, and its vectors with it: (h / 2, w / 2, 8)."""
    width = flow.shape[1]
    eighth = np.float32(0.125)
    for row in range(start, stop):
        line = out[row].reshape(-1)
        line[:] = 0
        for column in range(out.shape[1]):
            first = (2 * row * width + 2 * column) * 8
            places = (first, first + 8, first + width * 8, first + width * 8 + 8)
            add8(line, column * 8, flow, places, (eighth, eighth, eighth, eighth))


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
    height, width, channels = first.shape
    line = np.empty(out.shape[1] * 2 * channels, np.float32)
    for row in range(start, stop):
        line[:] = 0
        for column in range(out.shape[1]):
            for side in range(2):
                right = np.float32(left + column) + flow[row, column, 2 * side]
                down = np.float32(top + row) + flow[row, column, 2 * side + 1]
                places, weights = _taps(right, down, width, height)
                a, b, c, d = _times4(places, channels)
                at = (column * 2 + side) * channels
                for channel in range(0, channels, 16):
                    taps = a + channel, b + channel, c + channel, d + channel
                    if side == 0:
                        add16(line, at + channel, first, taps, weights)
                    else:
                        add16(line, at + channel, second, taps, weights)
        _store(line, out[row].reshape(-1))
