"""Whether two frames show the same picture, decided at full size on small blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rife.analysis.planes import LIMITED_SPAN, Planes, cell_means, difference

_SAME_BLOCK = 3.0


@dataclass(frozen=True)
class Change:
    """How two frames in a row differ.

    Attributes:
        repeated: the second shows the same picture as the first.
        luma_change: mean absolute difference of luma over the picture, as a share of black to white.
    """

    repeated: bool
    luma_change: float


def compare(before: Planes, after: Planes) -> Change:
    """Compare two frames in a row."""
    if before.kind != after.kind:
        return Change(repeated=False, luma_change=1.0)
    largest, luma_change = 0.0, 0.0
    for index, (a, b) in enumerate(zip(before.planes, after.planes, strict=True)):
        means = cell_means(difference(a, b), before.cell(index)) * before.unit
        largest = max(largest, float(means.max()))
        if index == 0:
            luma_change = float(means.mean()) / LIMITED_SPAN
    return Change(repeated=largest < _SAME_BLOCK, luma_change=float(np.clip(luma_change, 0, 1)))
