"""Detection of cuts in one pass, with a few thumbnails in memory.

Two frames are compared by a search for every window of each frame in the other, up to a quarter of the width and height
away. The search finds the windows again after a pan, a zoom or a passing object, but not in a new shot. It runs on
colours, and on structure alone (the difference from the local mean, over the local contrast), which light does not
change. The thumbnails are about 32 cells wide, which is enough for a cut. (Detection of repeats does not use them.)

An interval is a cut under two conditions. No frame shortly before it resembles any frame shortly after it, which
excludes a flash. It changes much more than its neighbours, which excludes a fade, a dissolve or a shaking camera.
Intervals without motion are skipped as neighbours, so that animation on twos or threes is judged by its drawings.

In slides and montages, no interval stands out: each change is as large as the next. There, the dissimilarity of the two
sides decides. The threshold is lower for two held frames than for three changes in a row between single frames. Dark
frames are excluded: coding and fades leave too little to compare.

docs/cuts.md has the results of `python benchmarks/cuts.py`, and describes how the constants were chosen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rife.analysis.planes import Means, Planes, cell_means

_GRID = 32
_REACH = 2
"""Number of further frames on both sides that may reveal a flash."""
_NEIGHBOUR_REACH = 8
"""Largest distance, in intervals, to a neighbour with motion."""
_LAG = _NEIGHBOUR_REACH + 1
_MONTAGE = 3
"""Number of changes in a row that make a montage."""

_STILL = 0.3
_CODED_STILL = 1.0
"""Largest change of a held frame by coding, in 8-bit codes."""
_NOISE = 3.0
_STRUCTURE_NOISE = 2.0
_DETAIL_NOISE = 0.1
_RISE_NOISE = 0.7


@dataclass(frozen=True)
class _Rule:
    """Thresholds that a cut exceeds: shares of the frames' contrast and structure, and a multiple of the neighbours."""

    colour: float
    structure: float
    rise: float
    colour_below: float = float("inf")


_NEW_PICTURE = _Rule(colour=0.28, structure=0.55, rise=1.5)
_LIKE_PICTURE = _Rule(colour=0.17, structure=0.38, rise=2.1, colour_below=0.9)
"""A jump cut inside one scene; a burst of light preserves about as much structure, but changes colours more."""
_AFTER_NOTHING = _Rule(colour=0.6, structure=0.5, rise=1.5)
"""A new shot after an empty frame; after a flash, the same shot differs less."""
_HELD = _Rule(colour=0.45, structure=0.4, rise=3.0)
"""A change between two held frames; drawings of fast motion on twos differ less."""
_HELD_AND_MOVING = _Rule(colour=0.45, structure=0.45, rise=3.0, colour_below=0.9)
"""A change between a held frame and one with little motion; a burst of light changes colours more."""
_UNRELATED = _Rule(colour=0.45, structure=0.6, rise=3.0)
"""Two held frames without resemblance, independent of the frames around them."""
_ALONE = _Rule(colour=0.65, structure=0.4, rise=0.0)
"""One of several changes in a row; a shaking camera changes less, and a burst of light does not repeat three times."""
_DIM = 5.0
"""Contrast in 8-bit codes below which a frame is dark: only the other rules apply to it."""
_RULES = (_NEW_PICTURE, _LIKE_PICTURE)
_RULES_AROUND_NOTHING = (_NEW_PICTURE, _AFTER_NOTHING)
_EMPTY = 0.25
"""A frame with less than this share of its neighbour's contrast is empty: black, white, or any other single colour."""


class CutFinder:
    """Detector of cuts: takes the frames of a video in order, and classifies every interval."""

    def __init__(self) -> None:
        """Create a detector without frames."""
        self._steps: deque[_Step] = deque(maxlen=2 * _LAG + 1)
        self._last: _Look | None = None
        self._cuts: list[bool] = []

    def add(self, frame: Planes) -> None:
        """Add the next frame."""
        look = _look(frame)
        if self._last is not None:
            self._steps.append(_Step(self._last, look))
            if len(self._steps) > _LAG:
                self._decide(len(self._steps) - 1 - _LAG)
        self._last = look

    def finish(self) -> list[bool]:
        """Whether each interval is a cut; no frame can be added afterwards."""
        for index in range(max(0, len(self._steps) - _LAG), len(self._steps)):
            self._decide(index)
        return self._cuts

    def _decide(self, index: int) -> None:
        steps = list(self._steps)
        self._cuts.append(_is_cut(steps, index))


@dataclass(frozen=True)
class _Look:
    """The thumbnail of a frame.

    Attributes:
        colour: (rows, columns, 3 or 1) luma and chroma in 8-bit codes.
        structure: (rows, columns, 1) luma minus its local mean, over the local contrast.
    """

    colour: Means
    structure: Means

    @cached_property
    def contrast(self) -> float:
        return float(np.abs(self.colour - self.colour.mean((0, 1))).sum(2).mean())

    @cached_property
    def detail(self) -> float:
        return float(np.abs(self.structure).mean())


@dataclass(frozen=True)
class _Step:
    """An interval and the thumbnails of its two frames."""

    before: _Look
    after: _Look

    @cached_property
    def change(self) -> float:
        """Mean absolute difference without a search, in 8-bit codes."""
        if self.before.colour.shape != self.after.colour.shape:
            return float("inf")
        return float(np.abs(self.after.colour - self.before.colour).sum(2).mean())

    @cached_property
    def lost(self) -> float:
        """Mean difference of each frame's windows from the best matches in the other frame, in 8-bit codes."""
        return self.change if self.change <= _STILL else _lost(self.before.colour, self.after.colour)


def _is_cut(steps: list[_Step], index: int) -> bool:
    step = steps[index]
    if step.before.colour.shape != step.after.colour.shape:
        return True
    contrast = (step.before.contrast + step.after.contrast) / 2 + _NOISE
    lowest = min(rule.colour for rule in _RULES)
    # Each further measure costs more than the one before it; most intervals do not need it.
    if step.change <= lowest * contrast or step.lost <= lowest * contrast:
        return False
    sides = _sides(step)
    rise = step.lost / (max(_neighbour(steps, index, side) for side in sides) + _RISE_NOISE)
    candidates = _RULES if len(sides) == 2 else _RULES_AROUND_NOTHING
    rules = [rule for rule in candidates if rise > rule.rise and step.lost > rule.colour * contrast]
    if rules:
        colour, structure = _difference_around(steps, index)
        if any(rule.colour < colour < rule.colour_below and structure > rule.structure for rule in rules):
            return True
    return _is_between_held(steps, index) or _is_in_montage(steps, index)


def _is_between_held(steps: list[_Step], index: int) -> bool:
    """Whether an interval separates two held frames that differ strongly."""
    beside = [steps[i].lost for i in (index - 1, index + 1) if 0 <= i < len(steps) and np.isfinite(steps[i].change)]
    step = steps[index]
    if step.lost <= _HELD.rise * (max(beside, default=0.0) + _RISE_NOISE):
        return False
    # A slide may come back, as the frame before a flash does; but a flash itself is empty or shows the same scene.
    return _is_unlike(step, [_difference(step.before, step.after)], _UNRELATED) or _is_unlike(
        step, _differences_around(steps, index), _HELD if max(beside, default=0.0) <= _CODED_STILL else _HELD_AND_MOVING
    )


def _is_in_montage(steps: list[_Step], index: int) -> bool:
    """Whether an interval is one of three strong changes in a row; an end of the video counts as one of them."""

    def is_unlike(i: int) -> bool:
        return _is_unlike(steps[i], _differences_around(steps, i), _ALONE)

    if not is_unlike(index):
        return False
    length, ends = 1, 0
    for direction in (-1, 1):
        for distance in range(1, _MONTAGE):
            beside = index + direction * distance
            if not 0 <= beside < len(steps):
                ends += 1
                break
            if not is_unlike(beside):
                break
            length += 1
    # At the beginning and the end of the video, fewer are enough: the rest of the montage is not there.
    return length + ends >= _MONTAGE


def _is_unlike(step: _Step, differences: Iterable[tuple[float, float]], rule: _Rule) -> bool:
    """Whether the smallest of several differences around an interval meets a rule, and no frame is dark."""
    if step.before.colour.shape != step.after.colour.shape:
        return True
    contrasts = (step.before.contrast, step.after.contrast)
    if min(contrasts) < _DIM or step.lost <= rule.colour * (sum(contrasts) / 2 + _NOISE):
        return False
    colour, structure = (min(values) for values in zip(*differences, strict=True))
    # If one frame is much fainter than the other, only structure distinguishes a fade from a new picture.
    is_faint = min(contrasts) < _EMPTY * max(contrasts)
    least = max(rule.structure, _UNRELATED.structure) if is_faint else rule.structure
    return bool(rule.colour < colour < rule.colour_below and structure > least)


def _sides(step: _Step) -> tuple[int, ...]:
    """The sides on which an interval is compared with its neighbours: -1 before, 1 after."""
    before, after = step.before.contrast, step.after.contrast
    # A single black frame has a cut on both sides, and neither stands out from the other: each is compared with the
    # shot on its side. A fade does not stand out there.
    if after < _EMPTY * before:
        return (-1,)
    return (1,) if before < _EMPTY * after else (-1, 1)


def _neighbour(steps: list[_Step], index: int, direction: int) -> float:
    """The `lost` value of the next interval with motion; 0 if there is none nearby."""
    for distance in range(1, _NEIGHBOUR_REACH + 1):
        beside = index + direction * distance
        if not 0 <= beside < len(steps):
            break
        if steps[beside].change > _STILL:
            return steps[beside].lost if np.isfinite(steps[beside].change) else 0.0
    return 0.0


def _difference_around(steps: list[_Step], index: int) -> tuple[float, float]:
    """Smallest difference in colour and in structure between a frame just before an interval and one just after it."""
    differences = list(_differences_around(steps, index))
    return min(colour for colour, _ in differences), min(structure for _, structure in differences)


def _differences_around(steps: list[_Step], index: int) -> Iterator[tuple[float, float]]:
    before = [steps[i].before for i in range(max(0, index - _REACH), index + 1)]
    after = [steps[i].after for i in range(index, min(len(steps), index + _REACH + 1))]
    for a in before:
        for b in after:
            if a.colour.shape == b.colour.shape:
                yield _difference(a, b)


def _difference(a: _Look, b: _Look) -> tuple[float, float]:
    """Difference of two frames in colour and in structure, each as a share of its contrast."""
    contrast = (a.contrast + b.contrast) / 2 + _NOISE
    detail = (a.detail + b.detail) / 2 + _DETAIL_NOISE
    return _lost(a.colour, b.colour) / contrast, _lost(a.structure, b.structure) / detail


def _lost(a: Means, b: Means) -> float:
    """Mean absolute difference of each window of a frame from the most similar window in the other frame."""
    return (_unfound(a, b) + _unfound(b, a)) / 2


def _unfound(a: Means, b: Means) -> float:
    """Mean difference of the windows of b from their best matches in a; windows are 4x4 cells, at every second cell."""
    height, width, channels = b.shape
    down, right = height // 4, width // 4
    outside = np.full((height + 2 * down, width + 2 * right, channels), 1e4, np.float32)
    outside[down : down + height, right : right + width] = a
    shifted = np.lib.stride_tricks.sliding_window_view(outside, (height, width), axis=(0, 1))
    # (shifts down, shifts right, channels, rows, columns), channel by channel to stay in the cache.
    total = np.abs(shifted[:, :, 0] - b[:, :, 0])
    for channel in range(1, channels):
        total += np.abs(shifted[:, :, channel] - b[:, :, channel])
    pairs = total[..., 0::2, :] + total[..., 1::2, :]
    pairs = pairs[..., 0::2] + pairs[..., 1::2]
    rows = pairs[..., :-1, :] + pairs[..., 1:, :]
    windows = rows[..., :-1] + rows[..., 1:]
    return float(windows.min((0, 1)).mean()) / 16


def _look(frame: Planes) -> _Look:
    height, width = frame.planes[0].shape
    step = max(2, 2 * round(max(height, width) / _GRID / 2))
    planes = []
    for index, samples in enumerate(frame.planes):
        rows = step >> (frame.layout.half_height and index > 0)
        columns = step >> (frame.layout.half_width and index > 0)
        planes.append(cell_means(samples, (rows, columns)) * frame.unit)
    rows, columns = (min(plane.shape[axis] for plane in planes) for axis in (0, 1))
    colour = np.stack([plane[:rows, :columns] for plane in planes], -1)
    if frame.layout.rgb:
        green, blue, red = (colour[..., channel] for channel in range(3))
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        colour = np.stack((luma, (blue - luma) / 1.8556, (red - luma) / 1.5748), -1)
    # The windows need at least four cells in each direction, and an even number of cells.
    fill = [max(4 - n, n % 2) for n in (rows, columns)]
    colour = np.pad(colour, ((0, fill[0]), (0, fill[1]), (0, 0)), mode="edge").astype(np.float32)
    return _Look(colour, _structure(colour[..., 0]))


def _structure(luma: npt.NDArray[np.float32]) -> Means:
    detail = luma - _around(luma)
    contrast = np.sqrt(_around(detail * detail))
    return np.asarray(detail / (contrast + _STRUCTURE_NOISE), np.float32)[..., None]


def _around(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean over 5x5 cells."""
    wide = np.pad(values, 2, mode="edge")
    rows = np.sum([wide[k : k + values.shape[0]] for k in range(5)], 0)
    return np.asarray(np.sum([rows[:, k : k + values.shape[1]] for k in range(5)], 0) / 25, np.float32)
