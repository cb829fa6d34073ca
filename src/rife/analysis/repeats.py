"""Detection of repeated frames, at full size on small blocks.

Lossy encoding never repeats a frame exactly: at a key frame all blocks change a little, grain differs, and the encoder
still refines a moving object in the frame that repeats it. The block that changes most decides, not an average or a
thumbnail, so that a small moving object on a static background is motion:

1. A change larger than coding and grain can cause is motion; a change close to zero is a repeat.
2. Between the two, the change is a repeat unless it resembles motion (it follows the gradients of the frame, by the
   equation of optical flow) or a change of light (the whole frame gets lighter or darker).
3. A change that resembles motion is still a repeat beside much larger changes: coded animation on twos looks like that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rife.analysis.planes import LIMITED_SPAN, Means, Planes, Samples, cell_means, difference

BLOCK_PX = 16
_NOTHING = 1.0
"""Largest change of a block, in 8-bit codes, that is always a repeat."""
_MUCH = 10.0
"""Largest change of a block by coding alone, at x264's crf 28, with a margin."""
_GRAIN_BASE, _GRAIN_FACTOR, _GRAIN_MOST = 3.0, 3.0, 6.0
"""With grain, the typical block changes too: the largest change is up to base + factor * typical."""
_CHROMA_WEIGHT = 0.75
_BESIDE = 3
_BESIDE_FACTOR, _BESIDE_MEAN_FACTOR = 3.0, 4.0
_LIGHT = 0.4
_SLOW_SHARE = 0.6

_WINDOW_PX, _WINDOWS = 32, 8
_MEDIAN_EXPLAINED, _MEDIAN_MOVED_PX = 0.12, 0.12
_ONE_EXPLAINED, _ONE_MOVED_PX, _ONE_CHANGE = 0.35, 0.25, 1.5


@dataclass(frozen=True)
class Change:
    """The difference of two consecutive frames, in 8-bit codes unless stated otherwise.

    Attributes:
        luma_change: mean absolute difference of luma over the frame, as a share of black to white.
        largest: maximum of the blocks' mean absolute differences.
        typical: median of the blocks' mean absolute differences.
        coherent: the change resembles motion or a change of light; computed only if it decides.
    """

    luma_change: float
    largest: float
    typical: float
    coherent: bool

    @property
    def mean(self) -> float:
        """Mean absolute difference of luma."""
        return self.luma_change * LIMITED_SPAN

    @property
    def is_motion(self) -> bool:
        """Whether the change is larger than coding and grain can cause."""
        grain = _GRAIN_BASE + _GRAIN_FACTOR * min(self.typical, _GRAIN_MOST)
        return self.largest > max(_MUCH, grain)


def compare(before: Planes, after: Planes) -> Change:
    """Compare two consecutive frames."""
    if before.kind != after.kind:
        return Change(luma_change=1.0, largest=float("inf"), typical=0.0, coherent=True)
    unit = before.unit
    luma = cell_means(difference(before.planes[0], after.planes[0]), (BLOCK_PX, BLOCK_PX)) * unit
    largest = float(luma.max())
    for index, (a, b) in enumerate(zip(before.planes, after.planes, strict=True)):
        if index:
            weight = 1.0 if before.layout.rgb else _CHROMA_WEIGHT
            rows, columns = (2 * n for n in before.cell(index))
            largest = max(largest, float(cell_means(difference(a, b), (rows, columns)).max()) * unit * weight)
    luma_change = min(1.0, float(luma.mean()) / LIMITED_SPAN)
    change = Change(luma_change, largest, float(np.median(luma)), coherent=False)
    if largest < _NOTHING or change.is_motion:
        return change
    coherent = _is_coherent(before.planes[0], after.planes[0], luma, unit)
    return Change(luma_change, largest, change.typical, coherent=coherent)


def repeats(changes: Sequence[Change], cuts: Sequence[bool]) -> list[bool]:
    """Whether the second frame of each interval repeats the first.

    Args:
        changes: one for each interval.
        cuts: whether each interval is a cut; the comparison with neighbours stops at a cut.
    """
    return [not cut and _is_repeat(changes, cuts, index) for index, cut in enumerate(cuts)]


def _is_repeat(changes: Sequence[Change], cuts: Sequence[bool], index: int) -> bool:
    change = changes[index]
    if change.largest < _NOTHING:
        return True
    if change.is_motion:
        return False
    beside = beside_mean = 0.0
    for direction in (-1, 1):
        for distance in range(1, _BESIDE + 1):
            at = index + direction * distance
            if not 0 <= at < len(changes) or cuts[at]:
                break
            beside = max(beside, changes[at].largest)
            beside_mean = max(beside_mean, changes[at].mean)
    if not change.coherent:
        return not _between_slow_motion(changes, cuts, index)
    # Little motion: either the encoder still refines a repeat, or an object reverses between two fast moves.
    # Refinement is small also over the whole frame.
    mean = max(0.0, change.mean - change.typical)
    return beside > _BESIDE_FACTOR * change.largest and beside_mean > _BESIDE_MEAN_FACTOR * mean


def _between_slow_motion(changes: Sequence[Change], cuts: Sequence[bool], index: int) -> bool:
    """Whether an interval changes about as much as slow motion on both sides of it."""
    beside = [at for at in (index - 1, index + 1) if 0 <= at < len(changes) and not cuts[at]]
    slow = [changes[at] for at in beside if changes[at].coherent and not changes[at].is_motion]
    return len(slow) == 2 and changes[index].mean > _SLOW_SHARE * min(change.mean for change in slow)


def _is_coherent(a: Samples, b: Samples, blocks: Means, unit: float) -> bool:
    """Whether a small change resembles motion or a change of light, in the windows that change most."""
    light = (cell_means(b, (BLOCK_PX, BLOCK_PX)) - cell_means(a, (BLOCK_PX, BLOCK_PX))) * unit
    if abs(float(light.mean())) > _LIGHT:
        return True
    height, width = a.shape
    found = []
    for index in np.argsort(blocks, axis=None)[::-1][:_WINDOWS]:
        row, column = np.unravel_index(index, blocks.shape)
        top = max(0, min(int(row) * BLOCK_PX - BLOCK_PX // 2, height - _WINDOW_PX))
        left = max(0, min(int(column) * BLOCK_PX - BLOCK_PX // 2, width - _WINDOW_PX))
        window = (slice(top, top + _WINDOW_PX), slice(left, left + _WINDOW_PX))
        found.append(_moved(a[window].astype(np.float32) * unit, b[window].astype(np.float32) * unit))
    explained, moved_px, change = np.array(found).T
    all_move = np.median(explained) > _MEDIAN_EXPLAINED and np.median(moved_px) > _MEDIAN_MOVED_PX
    one_moves = (explained > _ONE_EXPLAINED) & (moved_px > _ONE_MOVED_PX) & (change > _ONE_CHANGE)
    return bool(all_move or one_moves.any())


def _moved(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    """Fit one motion to a window (Lucas and Kanade, 1981).

    Returns:
        The share of the change that the motion explains, the length of the motion in pixels, and the RMS change in
        codes.
    """
    if min(a.shape) < 3:
        return 0.0, 0.0, 0.0
    mean = (a + b) / 2
    right = (mean[1:-1, 2:] - mean[1:-1, :-2]) / 2
    down = (mean[2:, 1:-1] - mean[:-2, 1:-1]) / 2
    change = (b - a)[1:-1, 1:-1]
    right, down, change = right - right.mean(), down - down.mean(), change - change.mean()
    energy = float((change * change).sum())
    if energy == 0:
        return 0.0, 0.0, 0.0
    # Regularisation towards zero motion, for windows without texture.
    pull = 1e-3 * float((right * right + down * down).sum()) + 0.5 * change.size
    xx, yy, xy = float((right * right).sum()) + pull, float((down * down).sum()) + pull, float((right * down).sum())
    x, y = float((right * change).sum()), float((down * change).sum())
    scale = xx * yy - xy * xy
    flow_x, flow_y = -(yy * x - xy * y) / scale, -(xx * y - xy * x) / scale
    rest = change + flow_x * right + flow_y * down
    explained = 1 - float((rest * rest).sum()) / energy
    return explained, float(np.hypot(flow_x, flow_y)), float(np.sqrt(energy / change.size))
