"""Where a new shot begins: in one pass, with a few small pictures in memory.

Two frames are compared by looking for every part of each of them in the other one, up to a quarter of the width and
height away: a pan, a zoom or something that passes is found again, a new shot is not. That is done on colours, and on
structure alone (each spot less the mean around it, over the contrast around it), which light does not change. The
pictures are about 32 cells wide: a cut shows at that size. (Repeats are never decided on them.)

An interval is a cut if no frame shortly before it is like any frame shortly after it, so that a flash is none, and if
it differs much more than the intervals beside it, so that a fade, a dissolve or a rough camera is none. Intervals where
nothing moves are passed over as neighbours, so that animation on twos or threes is judged by its drawings.

Slides and montages have nothing beside an interval that it stands out from: each change is as large as the next. There
a cut is told by how unlike its sides are: of two pictures that are held, less than of pictures of one frame each, where
three such changes follow each other. Dark pictures are left out, of which coding and fades leave little to compare.

docs/cuts.md has the figures, which `python benchmarks/cuts.py` prints, and says how the constants were found.
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
"""How many frames further away, on both sides, may show that it was a flash."""
_NEIGHBOUR_REACH = 8
"""How far the next interval in which something moves is looked for."""
_LAG = _NEIGHBOUR_REACH + 1
_MONTAGE = 3
"""How many changes in a row make a montage."""

_STILL = 0.3
_CODED_STILL = 1.0
"""What coding changes of a picture that is held, in 8-bit codes."""
_NOISE = 3.0
_STRUCTURE_NOISE = 2.0
_DETAIL_NOISE = 0.1
_RISE_NOISE = 0.7


@dataclass(frozen=True)
class _Rule:
    """What a cut exceeds, in shares: of the pictures' contrast, of their structure, of the intervals beside it."""

    colour: float
    structure: float
    rise: float
    colour_below: float = float("inf")


_NEW_PICTURE = _Rule(colour=0.28, structure=0.55, rise=1.5)
_LIKE_PICTURE = _Rule(colour=0.17, structure=0.38, rise=2.1, colour_below=0.9)
"""A jump inside one scene; light that bursts over a scene keeps about as much structure, but changes colours more."""
_AFTER_NOTHING = _Rule(colour=0.6, structure=0.5, rise=1.5)
"""Another shot beyond an empty picture; beyond a flash, the same shot differs less."""
_HELD = _Rule(colour=0.45, structure=0.4, rise=3.0)
"""A change between two pictures that stand still beside it; drawings of fast motion on twos differ less."""
_HELD_AND_MOVING = _Rule(colour=0.45, structure=0.45, rise=3.0, colour_below=0.9)
"""The same where one of both moves a little; light that bursts over a scene changes colours more."""
_UNRELATED = _Rule(colour=0.45, structure=0.6, rise=3.0)
"""Two held pictures that have nothing in common, whatever comes before and after them."""
_ALONE = _Rule(colour=0.65, structure=0.4, rise=0.0)
"""One of several changes in a row; a shaken camera changes less, and light that bursts not three times."""
_DIM = 5.0
"""Contrast in 8-bit codes below which a picture is left to the other rules."""
_RULES = (_NEW_PICTURE, _LIKE_PICTURE)
_RULES_AROUND_NOTHING = (_NEW_PICTURE, _AFTER_NOTHING)
_EMPTY = 0.25
"""A picture with less than this share of the contrast of its neighbour is empty: black, white, any one colour."""


class CutFinder:
    """Takes the frames of a video in order, and says of every interval whether it is a cut."""

    def __init__(self) -> None:
        """Begin with no frames."""
        self._steps: deque[_Step] = deque(maxlen=2 * _LAG + 1)
        self._last: _Look | None = None
        self._cuts: list[bool] = []

    def add(self, frame: Planes) -> None:
        """Take the next frame."""
        look = _look(frame)
        if self._last is not None:
            self._steps.append(_Step(self._last, look))
            if len(self._steps) > _LAG:
                self._decide(len(self._steps) - 1 - _LAG)
        self._last = look

    def finish(self) -> list[bool]:
        """Whether each interval is a cut; no frame can be added any more."""
        for place in range(max(0, len(self._steps) - _LAG), len(self._steps)):
            self._decide(place)
        return self._cuts

    def _decide(self, place: int) -> None:
        steps = list(self._steps)
        self._cuts.append(_is_cut(steps, place))


@dataclass(frozen=True)
class _Look:
    """A small picture.

    Attributes:
        colour: (rows, columns, 3 or 1) luma and chroma in 8-bit codes.
        structure: (rows, columns, 1) luma less its surroundings, over their contrast.
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
    """An interval and the small pictures at its ends."""

    before: _Look
    after: _Look

    @cached_property
    def change(self) -> float:
        """Mean absolute difference without any search, in 8-bit codes."""
        if self.before.colour.shape != self.after.colour.shape:
            return float("inf")
        return float(np.abs(self.after.colour - self.before.colour).sum(2).mean())

    @cached_property
    def lost(self) -> float:
        """What of each picture is not found in the other, in 8-bit codes."""
        return self.change if self.change <= _STILL else _lost(self.before.colour, self.after.colour)


def _is_cut(steps: list[_Step], place: int) -> bool:
    step = steps[place]
    if step.before.colour.shape != step.after.colour.shape:
        return True
    contrast = (step.before.contrast + step.after.contrast) / 2 + _NOISE
    lowest = min(rule.colour for rule in _RULES)
    # From here on each measure costs more than the one before it, and most intervals never get to it.
    if step.change <= lowest * contrast or step.lost <= lowest * contrast:
        return False
    sides = _sides(step)
    rise = step.lost / (max(_neighbour(steps, place, side) for side in sides) + _RISE_NOISE)
    candidates = _RULES if len(sides) == 2 else _RULES_AROUND_NOTHING
    rules = [rule for rule in candidates if rise > rule.rise and step.lost > rule.colour * contrast]
    if rules:
        colour, structure = _difference_around(steps, place)
        if any(rule.colour < colour < rule.colour_below and structure > rule.structure for rule in rules):
            return True
    return _is_between_held(steps, place) or _is_in_montage(steps, place)


def _is_between_held(steps: list[_Step], place: int) -> bool:
    """Whether two pictures that stand still, and are unlike each other, meet in an interval."""
    beside = [steps[i].lost for i in (place - 1, place + 1) if 0 <= i < len(steps) and np.isfinite(steps[i].change)]
    step = steps[place]
    if step.lost <= _HELD.rise * (max(beside, default=0.0) + _RISE_NOISE):
        return False
    # Slides may come back, as a flash does; but a flash has nothing of its own to be seen, or what was there before.
    return _is_unlike(step, [_difference(step.before, step.after)], _UNRELATED) or _is_unlike(
        step, _differences_around(steps, place), _HELD if max(beside, default=0.0) <= _CODED_STILL else _HELD_AND_MOVING
    )


def _is_in_montage(steps: list[_Step], place: int) -> bool:
    """Whether an interval is one of three in a row that are unlike; an end of the video counts as one of them."""

    def is_unlike(i: int) -> bool:
        return _is_unlike(steps[i], _differences_around(steps, i), _ALONE)

    if not is_unlike(place):
        return False
    length, ends = 1, 0
    for direction in (-1, 1):
        for distance in range(1, _MONTAGE):
            beside = place + direction * distance
            if not 0 <= beside < len(steps):
                ends += 1
                break
            if not is_unlike(beside):
                break
            length += 1
    # Where the video begins or ends, fewer are enough: there is no more of the montage to be seen.
    return length + ends >= _MONTAGE


def _is_unlike(step: _Step, differences: Iterable[tuple[float, float]], rule: _Rule) -> bool:
    """Whether the least of some differences around an interval is as large as a rule says, and no picture is dark."""
    if step.before.colour.shape != step.after.colour.shape:
        return True
    contrasts = (step.before.contrast, step.after.contrast)
    if min(contrasts) < _DIM or step.lost <= rule.colour * (sum(contrasts) / 2 + _NOISE):
        return False
    colour, structure = (min(values) for values in zip(*differences, strict=True))
    # Of two pictures of which one is much fainter, only structure tells a fade from another picture.
    is_faint = min(contrasts) < _EMPTY * max(contrasts)
    least = max(rule.structure, _UNRELATED.structure) if is_faint else rule.structure
    return bool(rule.colour < colour < rule.colour_below and structure > least)


def _sides(step: _Step) -> tuple[int, ...]:
    """On which sides an interval is compared with its neighbours."""
    before, after = step.before.contrast, step.after.contrast
    # A single black frame has a cut on both sides, neither of which stands out from the other: each is compared with
    # what happens in the shot beside it. A fade does not stand out there.
    if after < _EMPTY * before:
        return (-1,)
    return (1,) if before < _EMPTY * after else (-1, 1)


def _neighbour(steps: list[_Step], place: int, direction: int) -> float:
    """What the next interval in which something moves loses; 0 if there is none nearby."""
    for distance in range(1, _NEIGHBOUR_REACH + 1):
        beside = place + direction * distance
        if not 0 <= beside < len(steps):
            break
        if steps[beside].change > _STILL:
            return steps[beside].lost if np.isfinite(steps[beside].change) else 0.0
    return 0.0


def _difference_around(steps: list[_Step], place: int) -> tuple[float, float]:
    """Least difference in colour and in structure of a frame just before the interval from one just after it."""
    differences = list(_differences_around(steps, place))
    return min(colour for colour, _ in differences), min(structure for _, structure in differences)


def _differences_around(steps: list[_Step], place: int) -> Iterator[tuple[float, float]]:
    before = [steps[i].before for i in range(max(0, place - _REACH), place + 1)]
    after = [steps[i].after for i in range(place, min(len(steps), place + _REACH + 1))]
    for a in before:
        for b in after:
            if a.colour.shape == b.colour.shape:
                yield _difference(a, b)


def _difference(a: _Look, b: _Look) -> tuple[float, float]:
    """What two pictures differ in: colour, in shares of their contrast, and structure, in shares of theirs."""
    contrast = (a.contrast + b.contrast) / 2 + _NOISE
    detail = (a.detail + b.detail) / 2 + _DETAIL_NOISE
    return _lost(a.colour, b.colour) / contrast, _lost(a.structure, b.structure) / detail


def _lost(a: Means, b: Means) -> float:
    """Mean absolute difference of each small window of a picture from the most similar one in the other."""
    return (_unfound(a, b) + _unfound(b, a)) / 2


def _unfound(a: Means, b: Means) -> float:
    """What of b is not in a: windows of 4x4 cells, at every second cell."""
    height, width, channels = b.shape
    down, right = height // 4, width // 4
    outside = np.full((height + 2 * down, width + 2 * right, channels), 1e4, np.float32)
    outside[down : down + height, right : right + width] = a
    shifted = np.lib.stride_tricks.sliding_window_view(outside, (height, width), axis=(0, 1))
    # (shifts down, shifts right, channels, rows, columns), one channel after the other to stay in the fast memory.
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
    # Windows need four cells in each direction, and an even number of them.
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
