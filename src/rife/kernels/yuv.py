"""Conversion between YUV codes and RGB, in one pass each, because a frame does not fit into the processor's cache.

Subsampled chroma is upsampled from two samples and downsampled from four, with the weights that the caller passes
(`rife.media.colour.chroma_siting`). Arithmetic is float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled

Array = np.ndarray[Any, Any]

_WHOLE = np.float32(2**23)
"""From here on, float32 has no fractions: adding it rounds, ties to even."""


@compiled
def decode(
    luma: Array,
    blue: Array,
    red: Array,
    zeros: Array,
    spans: Array,
    matrix: Array,
    row_weights: Array,
    column_weights: Array,
    lines: Array,
    out: Array,
) -> None:
    """Convert codes to RGB.

    Args:
        luma: (H, W or more).
        blue: (h, w or more), Cb.
        red: (h, w or more), Cr.
        zeros: (2) the code of 0, of luma and of chroma.
        spans: (2) number of codes from 0 to 1, of luma and of chroma.
        matrix: (3, 2) weights of Cb and Cr in red, green and blue.
        row_weights: (2) weights of the chroma row before, for the first of two luma rows, and of the chroma row after,
            for the second; empty without vertical subsampling.
        column_weights: likewise for columns.
        lines: (3, w + 2) scratch memory.
        out: (3, H, W).
    """
    height, width = out.shape[1:]
    half_width = column_weights.shape[0] > 0
    columns = (width + 1) // 2 if half_width else width
    rows = (height + 1) // 2 if row_weights.shape[0] else height
    for row in range(height):
        own = other = row
        weight = np.float32(0)
        if row_weights.shape[0]:
            own = row // 2
            other = max(own - 1, 0) if row % 2 == 0 else min(own + 1, rows - 1)
            weight = row_weights[row % 2]
        for channel in range(3):
            added, out_row = lines[channel, : columns + 2], out[channel, row]
            _differences(
                blue[own], blue[other], red[own], red[other], weight, zeros[1], spans[1],
                matrix[channel, 0], matrix[channel, 1], added,
            )  # fmt: skip
            if half_width:
                _add_halves(luma[row], added, column_weights[0], column_weights[1], zeros[0], spans[0], out_row)
            else:
                for x in range(width):
                    out_row[x] = (np.float32(luma[row, x]) - zeros[0]) / spans[0] + added[x + 1]


@compiled
def _differences(
    blue: Array,
    other_blue: Array,
    red: Array,
    other_red: Array,
    weight: float,
    zero: float,
    span: float,
    blue_weight: float,
    red_weight: float,
    out: Array,
) -> None:
    """The chroma term of a channel in one row, from one chroma row or two; both ends are repeated."""
    count = out.shape[0] - 2
    for x in range(count):
        b, r = np.float32(blue[x]), np.float32(red[x])
        b += (np.float32(other_blue[x]) - b) * weight
        r += (np.float32(other_red[x]) - r) * weight
        out[x + 1] = (b - zero) / span * blue_weight + (r - zero) / span * red_weight
    out[0], out[count + 1] = out[1], out[count]


@compiled
def _add_halves(luma: Array, added: Array, before: float, after: float, zero: float, span: float, out: Array) -> None:
    """Add the chroma term, upsampled by 2, to a row of luma."""
    width = out.shape[0]
    for x in range(width // 2):
        chroma = added[x + 1]
        first, second = chroma + (added[x] - chroma) * before, chroma + (added[x + 2] - chroma) * after
        out[2 * x] = (np.float32(luma[2 * x]) - zero) / span + first
        out[2 * x + 1] = (np.float32(luma[2 * x + 1]) - zero) / span + second
    if width % 2:
        x = width // 2
        last = added[x + 1] + (added[x] - added[x + 1]) * before
        out[width - 1] = (np.float32(luma[width - 1]) - zero) / span + last


@compiled
def encode(
    rgb: Array,
    zeros: Array,
    spans: Array,
    maximum: int,
    matrix: Array,
    row_taps: Array,
    column_taps: Array,
    lines: Array,
    luma: Array,
    blue: Array,
    red: Array,
) -> None:
    """Convert RGB to codes, rounded once, ties to even; NaN becomes 0.

    Args:
        rgb: (3, H, W).
        zeros: (2) the code of 0, of luma and of chroma.
        spans: (2) number of codes from 0 to 1, of luma and of chroma.
        maximum: largest code.
        matrix: (3, 3) weights of red, green and blue in luma, Cb and Cr.
        row_taps: (4) weights, in a chroma row, of the luma row before its two, of both, and of the row after; borders
            are repeated. Empty without vertical subsampling; otherwise H is even.
        column_taps: likewise for columns.
        lines: (3, W + 2) scratch memory.
        luma: (H, W or more).
        blue: (h, w or more), Cb.
        red: (h, w or more), Cr.
    """
    height, width = rgb.shape[1:]
    top = np.float32(maximum)
    for row in range(height):
        _encode_line(
            rgb[0, row], rgb[1, row], rgb[2, row], matrix[0, 0], matrix[0, 1], matrix[0, 2], spans[0], zeros[0],
            top, luma[row],
        )  # fmt: skip
    for row in range(height // (2 if row_taps.shape[0] else 1)):
        for channel in range(3):
            line, colour = lines[channel], rgb[channel]
            if row_taps.shape[0]:
                first, last = max(2 * row - 1, 0), min(2 * row + 2, height - 1)
                _weigh_rows(colour[first], colour[2 * row], colour[2 * row + 1], colour[last], row_taps, line)
            else:
                line[1 : width + 1] = colour[row]
            line[0], line[width + 1] = line[1], line[width]
        for channel in range(2):
            codes = (blue if channel == 0 else red)[row]
            weights = matrix[channel + 1]
            red_weight, green_weight, blue_weight = weights[0], weights[1], weights[2]
            if column_taps.shape[0]:
                _encode_halves(
                    lines, column_taps, red_weight, green_weight, blue_weight, spans[1], zeros[1], top,
                    codes[: width // 2],
                )  # fmt: skip
            else:
                _encode_line(
                    lines[0, 1 : width + 1], lines[1, 1 : width + 1], lines[2, 1 : width + 1], red_weight, green_weight,
                    blue_weight, spans[1], zeros[1], top, codes,
                )  # fmt: skip


@compiled
def _encode_line(
    red: Array,
    green: Array,
    blue: Array,
    red_weight: float,
    green_weight: float,
    blue_weight: float,
    span: float,
    zero: float,
    top: float,
    codes: Array,
) -> None:
    for x in range(red.shape[0]):
        value = red[x] * red_weight + green[x] * green_weight + blue[x] * blue_weight
        codes[x] = _rounded(value * span + zero, top)


@compiled
def _weigh_rows(first: Array, second: Array, third: Array, fourth: Array, taps: Array, line: Array) -> None:
    a, b, c, d = taps[0], taps[1], taps[2], taps[3]
    for x in range(first.shape[0]):
        line[x + 1] = first[x] * a + second[x] * b + third[x] * c + fourth[x] * d


@compiled
def _encode_halves(
    lines: Array,
    taps: Array,
    red_weight: float,
    green_weight: float,
    blue_weight: float,
    span: float,
    zero: float,
    top: float,
    codes: Array,
) -> None:
    """Encode one code for every two columns."""
    red, green, blue = lines[0], lines[1], lines[2]
    a, b, c, d = taps[0], taps[1], taps[2], taps[3]
    for x in range(codes.shape[0]):
        at = 2 * x
        value = (red[at] * a + red[at + 1] * b + red[at + 2] * c + red[at + 3] * d) * red_weight
        value += (green[at] * a + green[at + 1] * b + green[at + 2] * c + green[at + 3] * d) * green_weight
        value += (blue[at] * a + blue[at + 1] * b + blue[at + 2] * c + blue[at + 3] * d) * blue_weight
        codes[x] = _rounded(value * span + zero, top)


@compiled
def _rounded(value: float, top: float) -> Any:  # noqa: ANN401 (np.int32)
    positive = value if value > 0 else np.float32(0)
    return np.int32((min(positive, top) + _WHOLE) - _WHOLE)
