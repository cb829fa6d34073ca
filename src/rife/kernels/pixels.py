"""The first and the last passes over a frame: colours beyond black and white, channels side by side, correction."""

from __future__ import annotations

from typing import Any

import numpy as np

from rife.kernels.jit import compiled

Array = np.ndarray[Any, Any]


@compiled
def correct(merged: Array, residual: Array, carried: Array, out: Array, start: int, stop: int) -> None:
    """Add a correction in [0, 1], 0.5 for none, to a merged frame (3, h, w); then what lies beyond [0, 1].

    The correction is (h, w, 3 or more), or in squares of 2 x 2 pixels (h / 2, w / 2, 12 or more).
    """
    side, lanes = merged.shape[1] // residual.shape[0], residual.shape[2]
    for channel in range(3):
        for row in range(start, stop):
            line = residual[row // side].reshape(-1)
            first = (row % side) * side * 3 + channel
            for column in range(merged.shape[2] // side):
                for x in range(side):
                    place = column * side + x
                    change = line[column * lanes + first + 3 * x]
                    value = merged[channel, row, place] + change * np.float32(2) - np.float32(1)
                    out[channel, row, place] = min(max(value, np.float32(0)), np.float32(1))
            if carried.shape[0]:
                for column in range(merged.shape[2]):
                    out[channel, row, column] += carried[channel, row, column]


@compiled
def pack(picture: Array, out: Array, start: int, stop: int) -> None:
    """Put the channels of a picture (C, H, W) side by side, with zeros up to (H, W, 4)."""
    for row in range(start, stop):
        for column in range(out.shape[1]):
            for channel in range(4):
                out[row, column, channel] = picture[channel, row, column] if channel < picture.shape[0] else 0


@compiled
def reaches_beyond(numbers: Array) -> Any:  # noqa: ANN401 (a bool)
    """Whether any of (N) lies outside of [0, 1], or is not a number."""
    inside = 0
    for index in range(numbers.shape[0]):
        inside += (numbers[index] >= 0) & (numbers[index] <= 1)
    return inside < numbers.shape[0]


@compiled
def divide(numbers: Array, inside: Array, beyond: Array) -> None:
    """Put the nearest of [0, 1] to each of (N) into one array, and what is left into another."""
    for index in range(numbers.shape[0]):
        number = numbers[index]
        nearest = np.float32(0) if number < 0 else np.float32(1) if number > 1 else number
        inside[index], beyond[index] = nearest, number - nearest
