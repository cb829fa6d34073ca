"""Warping and merging, each in one pass over the frame: the input of a block, and the merged frame.

`block_input` computes what a block takes; `merge` the new frame before its correction, and what the refinement takes.
Context maps are warped by `rife.kernels.warp`.

Arrays are float32 in channels-last order, (H, W, C), or bf16 as uint16 where stated. Frames have four channels, the
fourth of zeros, and at least two rows and columns. `outputs` are the blocks' outputs (`rife.kernels.flow`).

Every kernel computes the rows `start` to `stop` of its results, so that several threads can share a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.flow import column_cells, dense_row, mask_weights
from rife.kernels.jit import compiled
from rife.kernels.simd import concat, load4, load8, load16, lower, store, upper
from rife.kernels.warp import Taps, bilinear_taps, limits_of, positions_of, set_row
from rife.network.channels import CARRIED_START, MASK, InputOffsets

Array = np.ndarray[Any, Any]
Number = Any
"""A float32."""
Vector = Any
"""A vector of float32 (`rife.kernels.simd`)."""

_Pair = tuple[Array, Array]

_ONE = np.float32(1)
_MASK_AT = MASK.start


@compiled
def _warped(image: Array, pixel: int, across: Number, down: Number) -> Vector:
    """The bilinear read of (H, W, 4) at some taps."""
    at = pixel * 4
    above = load8(image, at)
    both = above + (load8(image, at + image.shape[1] * 4) - above) * down
    left = lower(both)
    return left + (upper(both) - left) * across


@compiled
def _warped_pair(images: _Pair, taps: Taps) -> Vector:
    """A pixel of the first image and one of the second, concatenated."""
    return concat(_warped(images[0], taps[0], taps[1], taps[2]), _warped(images[1], taps[3], taps[4], taps[5]))


@compiled
def _add_features(
    line: Array, at: int, features: Array, pixel: int, across: Number, down: Number, share: Number
) -> None:
    """Add `share` times the bilinear read of (H, W, C) to a line; C is a multiple of 4."""
    channels = features.shape[2]
    first = pixel * channels
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
def _store_planes(line: Array, out: Array, row: int) -> None:
    """Write a row of pixels of four channels into a row of (C, h, w)."""
    for channel in range(out.shape[0]):
        for column in range(out.shape[2]):
            out[channel, row, column] = line[4 * column + channel]


@compiled
def _store_line(line: Array, out: Array, at: int, count: int) -> None:
    """Write `count` numbers, 16 or more, converted to the dtype of `out`."""
    for index in range(0, count - 15, 16):
        store(out, at + index, load16(line, index))
    # The last vector may overlap the one before.
    store(out, at + count - 16, load16(line, count - 16))


@compiled
def block_input(
    frames: _Pair,
    encoded: _Pair,
    outputs: tuple[Array, ...],
    factors: Array,
    count: int,
    output_channels: int,
    rows: Array,
    columns: Array,
    offsets: InputOffsets,
    shrink: float,
    timestep: Number,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Compute the input of a block: both frames and their features, warped, downsampled, with flow and mask.

    Args:
        frames: two (H, W, 4).
        encoded: two (H, W, E), E a multiple of 4, or 0 without an encoder.
        outputs: of the blocks before.
        factors: upsampling factor of each output.
        count: number of outputs.
        output_channels: of an output in memory, 8 or 16.
        rows: of the frame, the same number (one or two) for each row of `out`; they are averaged.
        columns: of the frame, likewise.
        offsets: first channel of each part in `out`.
        shrink: size of the frame over the size at which the block works.
        timestep: of the new frame.
        out: (h, w, C), float32 or bf16, w * C 16 or more.
        start: first row.
        stop: row after the last.
    """
    width = frames[0].shape[1]
    channels, features = out.shape[2], encoded[0].shape[2]
    samples = columns.shape[0]
    per_pixel = samples // out.shape[1]
    share = _ONE / np.float32(per_pixel * per_pixel)
    cells, weights = column_cells(outputs, factors, count, output_channels, columns)
    lines = np.empty((count, (width + 64) * output_channels), np.float32)
    dense = np.empty(samples * output_channels, np.float32)
    positions, limits = positions_of(columns), limits_of(frames[0])
    line = np.empty(out.shape[1] * channels + 16, np.float32)
    flow_share = share / np.float32(shrink)
    for row in range(start, stop):
        line[:] = 0
        for sample in range(per_pixel):
            y = rows[row * per_pixel + sample]
            dense_row(outputs, factors, count, output_channels, y, cells, weights, lines, dense)
            set_row(positions, y)
            for column in range(samples):
                at, flow = (column >> (per_pixel - 1)) * channels, column * output_channels
                taps = bilinear_taps(load8(dense, flow), positions, column, limits, width)
                _add8(line, at + offsets.warped, _warped_pair(frames, taps), share)
                _add4(line, at + offsets.flow, load4(dense, flow), flow_share)
                line[at + offsets.mask] += dense[flow + _MASK_AT] * share
                if features:
                    first = at + offsets.encoded
                    _add_features(line, first, encoded[0], taps[0], taps[1], taps[2], share)
                    _add_features(line, first + features, encoded[1], taps[3], taps[4], taps[5], share)
                if offsets.sources >= 0:
                    pixel = (y * width + columns[column]) * 4
                    both = concat(load4(frames[0], pixel), load4(frames[1], pixel))
                    _add8(line, at + offsets.sources, both, share)
                if offsets.carried >= 0:
                    _add8(line, at + offsets.carried, load8(dense, flow + CARRIED_START), share)
        if offsets.timestep >= 0:
            for column in range(out.shape[1]):
                line[column * channels + offsets.timestep] = timestep
        length = out.shape[1] * channels
        _store_line(line, out, row * length, length)


@compiled
def merge(
    images: _Pair,
    others: _Pair,
    outputs: tuple[Array, ...],
    factors: Array,
    count: int,
    output_channels: int,
    rows: Array,
    columns: Array,
    merged: Array,
    merged_others: Array,
    flow: Array,
    unet_input: Array,
    start: int,
    stop: int,
) -> None:
    """Warp two images by the flow and blend them by the mask; two others likewise.

    Args:
        images: two (H, W, 4).
        others: two (H, W, 4), read only if `merged_others` has channels.
        outputs: of all blocks.
        factors: upsampling factor of each output.
        count: number of outputs.
        output_channels: of an output in memory, 8 or 16.
        rows: of the frame, one for each row of the result.
        columns: of the frame, likewise.
        merged: (3 or 4, h, w), the result.
        merged_others: the result for `others`, (3, h, w) or (0, h, w).
        flow: (h, w, 8), flow and mask; or at half the size, flow in pixels of that size.
        unet_input: (h, w, 24), float32 or bf16: both frames, both warped frames, flow and mask. With (h, w, 0),
            neither this nor `flow` is written.
        start: first row, an even one.
        stop: row after the last.
    """
    width, made = images[0].shape[1], columns.shape[0]
    shrink = rows.shape[0] // flow.shape[0]
    cells, weights = column_cells(outputs, factors, count, output_channels, columns)
    lines = np.empty((count, (width + 64) * output_channels), np.float32)
    dense = np.empty(made * output_channels, np.float32)
    positions, limits = positions_of(columns), limits_of(images[0])
    line, other_line = np.empty(made * 4, np.float32), np.empty(made * 4, np.float32)
    share = np.empty(made, np.float32)
    for row in range(start, stop):
        y = rows[row]
        dense_row(outputs, factors, count, output_channels, y, cells, weights, lines, dense)
        set_row(positions, y)
        mask_weights(dense, output_channels, share)
        for column in range(made):
            here = load8(dense, column * output_channels)
            taps = bilinear_taps(here, positions, column, limits, width)
            both = _warped_pair(images, taps)
            store(line, column * 4, upper(both) + (lower(both) - upper(both)) * share[column])
            if merged_others.shape[0]:
                pair = _warped_pair(others, taps)
                store(other_line, column * 4, upper(pair) + (lower(pair) - upper(pair)) * share[column])
            if unet_input.shape[2]:
                pixel, to = (y * width + columns[column]) * 4, (row * made + column) * 24
                store(unet_input, to, concat(load4(images[0], pixel), load4(images[1], pixel)))
                store(unet_input, to + 8, both)
                store(unet_input, to + 16, here)
                if shrink == 1:
                    store(flow, (row * made + column) * 8, here)
                else:
                    cell = ((row >> 1) * (made >> 1) + (column >> 1)) * 8
                    before = here * np.float32(0) if (row | column) & 1 == 0 else load8(flow, cell)
                    store(flow, cell, before + here * np.float32(0.125))
        _store_planes(line, merged, row)
        _store_planes(other_line, merged_others, row)
