"""Convolutions in float32, channels-last.

Two algorithms, both on the matrix products of `rife.kernels.matmul`:

- `winograd`, for 3x3 kernels of stride 1: the algorithm of Winograd, as F(4x4, 3x3) by Lavin and Gray ("Fast Algorithms
  for Convolutional Neural Networks", CVPR 2016). A tile of 4 x 4 output pixels takes 36 products instead of 144: the
  6 x 6 input pixels and the kernel are evaluated as polynomials at the points 0, +-sqrt(1/2), +-sqrt(2) and infinity,
  and multiplied point by point. These points keep rounding errors small: 3 to 6 times those of a sum in order, 1e-6 of
  the result.
- `direct`, for all others: the input pixels of a few output pixels are copied to consecutive memory, zero-padded.

The result may be upsampled by depth-to-space: each pixel of the convolution is then `upscale` x `upscale` pixels of the
result, row by row. Transposed convolutions and pixel shuffles are computed like this.

Inputs are (H, W, C), float32, in two parts that are concatenated; the second may have no channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled
from rife.kernels.matmul import ROWS16, ROWS32, multiply16, multiply32
from rife.kernels.simd import LANES, load16, prelu, store

Array = np.ndarray[Any, Any]
Vector = Any
"""16 channels of a pixel."""

_Six = tuple[Vector, Vector, Vector, Vector, Vector, Vector]

_LINE = 6 * LANES

NEAR, FAR = np.float32(np.sqrt(0.5)), np.float32(np.sqrt(2.0))
"""The points other than 0 and infinity are these and their negatives."""

_HALF, _TWO, _SUM = np.float32(0.5), np.float32(2.0), np.float32(2.5)
"""Squares of the points, and the sum of these."""


@compiled
def _at_points(d: _Six) -> _Six:
    """The input transform of six pixels in a row (B^T d)."""
    near_even, near_odd = d[4] - d[2] * _TWO, (d[3] - d[1] * _TWO) * NEAR
    far_even, far_odd = d[4] - d[2] * _HALF, (d[3] - d[1] * _HALF) * FAR
    first, last = d[0] - d[2] * _SUM + d[4], d[1] - d[3] * _SUM + d[5]
    return first, near_even + near_odd, near_even - near_odd, far_even + far_odd, far_even - far_odd, last


@compiled
def _from_points(m: _Six) -> tuple[Vector, Vector, Vector, Vector]:
    """The output transform: four pixels in a row from products at the points (A^T m)."""
    near_sum, near_change = m[1] + m[2], (m[1] - m[2]) * NEAR
    far_sum, far_change = m[3] + m[4], (m[3] - m[4]) * FAR
    second, third = near_change + far_change, near_sum * _HALF + far_sum * _TWO
    return m[0] + near_sum + far_sum, second, third, near_change * _HALF + far_change * _TWO + m[5]


@compiled
def _six(source: Array, at: int, step: int) -> _Six:
    return (
        load16(source, at),
        load16(source, at + step),
        load16(source, at + 2 * step),
        load16(source, at + 3 * step),
        load16(source, at + 4 * step),
        load16(source, at + 5 * step),
    )


@compiled
def _store_six(target: Array, at: int, step: int, values: _Six) -> None:
    store(target, at, values[0])
    store(target, at + step, values[1])
    store(target, at + 2 * step, values[2])
    store(target, at + 3 * step, values[3])
    store(target, at + 4 * step, values[4])
    store(target, at + 5 * step, values[5])


@compiled
def _transform(source: Array, at: int, row: int, pixel: int, target: Array, to: int, step: int, work: Array) -> None:
    """The input transform of 6 x 6 pixels, for 16 channels."""
    for x in range(6):
        _store_six(work, x * LANES, _LINE, _at_points(_six(source, at + x * pixel, row)))
    for y in range(6):
        _store_six(target, to + y * 6 * step, step, _at_points(_six(work, y * _LINE, LANES)))


@compiled
def _transform_part(
    image: Array, top: int, left: int, target: Array, to: int, step: int, patch: Array, work: Array
) -> None:
    """`_transform` of all channels of (H, W, C), for the 6 x 6 pixels from (top, left) on; zero padding."""
    height, width, channels = image.shape
    if channels == 0:
        return
    pixels = image.reshape(-1)
    if top >= 0 and left >= 0 and top + 6 <= height and left + 6 <= width:
        at = (top * width + left) * channels
        for channel in range(0, channels, LANES):
            _transform(pixels, at + channel, width * channels, channels, target, to + channel, step, work)
        return
    patch[: 36 * channels] = 0
    first, last = max(0, -left), min(6, width - left)
    for y in range(max(0, -top), min(6, height - top)):
        at = ((top + y) * width + left + first) * channels
        _copy(pixels, at, patch, (y * 6 + first) * channels, (last - first) * channels)
    for channel in range(0, channels, LANES):
        _transform(patch, channel, 6 * channels, channels, target, to + channel, step, work)


@compiled
def _copy(source: Array, at: int, target: Array, to: int, count: int) -> None:
    whole = count - count % LANES
    for index in range(0, whole, LANES):
        store(target, to + index, load16(source, at + index))
    for index in range(whole, count):
        target[to + index] = source[at + index]


@compiled
def _multiply_all(
    a: Array, at_a: int, pixel: int, row: int, b: Array, at_b: int, count: int, depth: int, out: Array, to: int,
    step: int, pixels: int, panel: int,
) -> None:  # fmt: skip
    """Multiply some pixels for a panel of 32 or 16 channels; a few further pixels may be computed."""
    if panel == 32:
        for first in range(0, pixels, ROWS32):
            multiply32(a, at_a + first * pixel, pixel, row, b, at_b, count, depth, out, to + first * step, step)
    else:
        for first in range(0, pixels, ROWS16):
            multiply16(a, at_a + first * pixel, pixel, row, b, at_b, count, depth, out, to + first * step, step)


@compiled
def winograd(
    first: Array,
    second: Array,
    weights: Array,
    needed: Array,
    panel: int,
    bias: Array,
    slopes: Array,
    skip: Array,
    skip_first: bool,
    upscale: int,
    chunk: int,
    out: Array,
    scratch: Array,
    start: int,
    stop: int,
) -> None:
    """Convolve with 3x3 kernels, zero padding, and apply the activation.

    Args:
        first: (H, W, C), C a multiple of 16.
        second: (H, W, D) likewise, or (H, W, 0).
        weights: kernels at the points, (36 * N / panel * (C + D) * panel).
        needed: (36, N / panel), whether any of these weights are not zero.
        panel: 32 or 16 channels.
        bias: (N).
        slopes: (N), of the activation.
        skip: (H, W, N), added to the result; or (0, 0, 0).
        skip_first: before the activation rather than after.
        upscale: of the result by depth-to-space.
        chunk: tiles that are multiplied together.
        out: (H * upscale, W * upscale, N / upscale^2).
        scratch: memory for the transformed input and output channels of a chunk, and for a tile.
        start: first tile of 4 x 4 pixels, row by row.
        stop: tile after the last.
    """
    height, width, channels = first.shape
    inputs, outputs = channels + second.shape[2], bias.shape[0]
    across = (width + 3) // 4
    input_step, output_step = chunk * inputs + LANES, chunk * outputs + LANES
    transformed, products = scratch[: 36 * input_step], scratch[36 * input_step : 36 * (input_step + output_step)]
    rest = scratch[36 * (input_step + output_step) :]
    patch, work = rest[: 36 * inputs], rest[36 * inputs : 36 * (inputs + LANES)]
    if not needed.all():
        products[:] = 0
    for at in range(start, stop, chunk):
        tiles = min(chunk, stop - at)
        for tile in range(tiles):
            top, left = (at + tile) // across * 4 - 1, (at + tile) % across * 4 - 1
            _transform_part(first, top, left, transformed, tile * inputs, input_step, patch, work)
            _transform_part(second, top, left, transformed, tile * inputs + channels, input_step, patch, work)
        for point in range(36):
            for n in range(0, outputs, panel):
                if needed[point, n // panel]:
                    matrix, to = (point * outputs + n) * inputs, point * output_step + n
                    _multiply_all(
                        transformed,
                        point * input_step,
                        inputs,
                        0,
                        weights,
                        matrix,
                        1,
                        inputs,
                        products,
                        to,
                        outputs,
                        tiles,
                        panel,
                    )
        for tile in range(tiles):
            top, left = (at + tile) // across * 4, (at + tile) % across * 4
            _store_tile(
                products, tile * outputs, output_step, work, top, left, height, width, bias, slopes, skip, skip_first,
                upscale, out,
            )  # fmt: skip


@compiled
def _store_tile(
    products: Array,
    at: int,
    step: int,
    work: Array,
    top: int,
    left: int,
    height: int,
    width: int,
    bias: Array,
    slopes: Array,
    skip: Array,
    skip_first: bool,
    upscale: int,
    out: Array,
) -> None:
    """Write a tile of 4 x 4 pixels of the result, or of its depth-to-space."""
    outputs, line = bias.shape[0], upscale * out.shape[2]
    pixels, skipped = out.reshape(-1), skip.reshape(-1)
    rows, columns = min(4, height - top), min(4, width - left)
    for channel in range(0, outputs, LANES):
        shift, slope = load16(bias, channel), load16(slopes, channel)
        for x in range(6):
            a, b, c, d = _from_points(_six(products, at + channel + x * step, 6 * step))
            store(work, x * LANES, a)
            store(work, x * LANES + _LINE, b)
            store(work, x * LANES + 2 * _LINE, c)
            store(work, x * LANES + 3 * _LINE, d)
        for y in range(rows):
            a, b, c, d = _from_points(_six(work, y * _LINE, LANES))
            to = (((top + y) * upscale + channel // line) * width + left) * line + channel % line
            store(pixels, to, _activated(a + shift, slope, skipped, skip_first, to))
            if columns > 1:
                store(pixels, to + line, _activated(b + shift, slope, skipped, skip_first, to + line))
            if columns > 2:
                store(pixels, to + 2 * line, _activated(c + shift, slope, skipped, skip_first, to + 2 * line))
            if columns > 3:
                store(pixels, to + 3 * line, _activated(d + shift, slope, skipped, skip_first, to + 3 * line))


@compiled
def _activated(value: Vector, slope: Vector, skipped: Array, skip_first: bool, at: int) -> Vector:
    """Apply the activation, and add the skip connection, if there is one."""
    if skipped.shape[0] == 0:
        return prelu(value, slope)
    if skip_first:
        return prelu(value + load16(skipped, at), slope)
    return prelu(value, slope) + load16(skipped, at)


@compiled
def direct(
    first: Array,
    second: Array,
    weights: Array,
    panel: int,
    bias: Array,
    slopes: Array,
    kernel: int,
    stride: int,
    padding: int,
    chunk: int,
    out: Array,
    scratch: Array,
    start: int,
    stop: int,
) -> None:
    """Convolve with kernels of any size and stride, zero padding, and apply the activation.

    Args:
        first: (H, W, C).
        second: (H, W, D), or (H, W, 0).
        weights: (N / panel * kernel * kernel * (C + D) * panel).
        panel: 32 or 16 channels.
        bias: (N).
        slopes: (N), of the activation.
        kernel: height and width.
        stride: in both directions.
        padding: rows and columns of zeros around the input.
        chunk: pixels of the result that are multiplied together.
        out: (h, w, N).
        scratch: memory for the input rows of a chunk, and for its products.
        start: first row of the result.
        stop: row after the last.
    """
    inputs, outputs = first.shape[2] + second.shape[2], bias.shape[0]
    line = ((chunk - 1) * stride + kernel) * inputs
    lines, products = scratch[: kernel * line], scratch[kernel * line :]
    pixels = out.reshape(-1)
    for row in range(start, stop):
        for at in range(0, out.shape[1], chunk):
            count = min(chunk, out.shape[1] - at)
            for y in range(kernel):
                _copy_row(
                    first, second, row * stride - padding + y, at * stride - padding, (count - 1) * stride + kernel,
                    lines, y * line,
                )  # fmt: skip
            for n in range(0, outputs, panel):
                _multiply_all(
                    lines, 0, stride * inputs, line, weights, n * kernel * kernel * inputs, kernel, kernel * inputs,
                    products, n, outputs, count, panel,
                )  # fmt: skip
            for index in range(count):
                to = (row * out.shape[1] + at + index) * outputs
                for channel in range(0, outputs, LANES):
                    value = load16(products, index * outputs + channel) + load16(bias, channel)
                    store(pixels, to + channel, prelu(value, load16(slopes, channel)))


@compiled
def _copy_row(first: Array, second: Array, row: int, column: int, count: int, lines: Array, to: int) -> None:
    """Copy `count` pixels of a row, from a column on, with the channels of both parts; zero padding."""
    height, width, channels = first.shape
    inputs = channels + second.shape[2]
    if row < 0 or row >= height:
        lines[to : to + count * inputs] = 0
        return
    before, after = min(max(0, -column), count), max(0, min(count, width - column))
    lines[to : to + before * inputs] = 0
    lines[to + after * inputs : to + count * inputs] = 0
    pixels, others = first[row].reshape(-1), second[row].reshape(-1)
    if inputs == channels:
        _copy(pixels, (column + before) * channels, lines, to + before * channels, (after - before) * channels)
        return
    for x in range(before, after):
        at = to + x * inputs
        _copy(pixels, (column + x) * channels, lines, at, channels)
        _copy(others, (column + x) * (inputs - channels), lines, at + channels, inputs - channels)
