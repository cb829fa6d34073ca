"""Where a new shot begins, in one pass with a few small pictures in memory."""

from __future__ import annotations

import numpy as np

from rife.analysis.planes import Means, Planes, cell_means

_CUT_CHANGE = 30.0


class CutFinder:
    """Takes the frames of a video in order, and says of every interval whether it is a cut."""

    def __init__(self) -> None:
        """Begin with no frames."""
        self._before: Means | None = None
        self._cuts: list[bool] = []

    def add(self, frame: Planes) -> None:
        """Take the next frame."""
        now = (cell_means(frame.planes[0], frame.cell(0)) - frame.zero) * frame.unit
        if self._before is not None:
            same = self._before.shape == now.shape
            self._cuts.append(not same or float(np.abs(now - self._before).mean()) > _CUT_CHANGE)
        self._before = now

    def finish(self) -> list[bool]:
        """Whether each interval is a cut."""
        return self._cuts
