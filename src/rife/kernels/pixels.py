"""Per-pixel passes: packing into channels-last order, the refinement's residual, and values out of range."""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled

Array = np.ndarray[Any, Any]


@compiled
def add_residual(merged: Array, residual: Array, out_of_range: Array, out: Array, start: int, stop: int) -> None:
    """Correct a merged frame (3, h, w) by a residual in [0, 1], clamp to [0, 1], and add the values out of range.

    The residual is (h, w, 3 or more), or in depth of 2 x 2 pixels (h / 2, w / 2, 12 or more); 0.5 means no correction.
    `out_of_range` is (3, h, w), or (0, h, w) if there is nothing to add.
    """
    side, channels = merged.shape[1] // residual.shape[0], residual.shape[2]
    for channel in range(3):
        for row in range(start, stop):
            line = residual[row // side].reshape(-1)
            first = (row % side) * side * 3 + channel
            for column in range(merged.shape[2] // side):
                for x in range(side):
                    at = column * side + x
                    change = line[column * channels + first + 3 * x]
                    value = merged[channel, row, at] + change * np.float32(2) - np.float32(1)
                    out[channel, row, at] = min(max(value, np.float32(0)), np.float32(1))
            if out_of_range.shape[0]:
                for column in range(merged.shape[2]):
                    out[channel, row, column] += out_of_range[channel, row, column]


@compiled
def pack(image: Array, out: Array, start: int, stop: int) -> None:
    """Convert (C, H, W) to channels-last order, padded with zeros to four channels: (H, W, 4)."""
    for row in range(start, stop):
        for column in range(out.shape[1]):
            for channel in range(4):
                out[row, column, channel] = image[channel, row, column] if channel < image.shape[0] else 0


@compiled
def is_out_of_range(values: Array) -> Any:  # noqa: ANN401 (a bool)
    """Whether any of (N) lies outside of [0, 1], or is NaN."""
    inside = 0
    for index in range(values.shape[0]):
        inside += (values[index] >= 0) & (values[index] <= 1)
    return inside < values.shape[0]


@compiled
def split_range(values: Array, inside: Array, remainder: Array) -> None:
    """Split (N) values into the nearest values in [0, 1] and the remainder."""
    for index in range(values.shape[0]):
        value = values[index]
        nearest = np.float32(0) if value < 0 else np.float32(1) if value > 1 else value
        inside[index], remainder[index] = nearest, value - nearest
