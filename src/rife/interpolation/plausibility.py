"""Plausibility of made frames.

A frame between two others is made of their pixels: it is finite, its values are those of its surroundings in both, and
its contrast is theirs. The check takes half a millisecond at 1280x720. Large motion may look implausible too, so a
doubt is a reason to ask PyTorch, not a verdict.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_GRID = 64
"""Samples along each side of a frame."""

_CELL = 8
"""Samples along each side of a cell. The surroundings of a sample are its cell and the eight around it."""

_SLACK = 0.1
"""Values may lie so far beyond those of the surroundings: refinement sharpens, and sampling skips details."""

_MOST_BEYOND = 0.05
"""Share of the samples that may lie further out: noise, thin lines, motion over more than a cell."""

_LEAST_CONTRAST = 0.25
"""Standard deviation of a made frame, as a share of the lesser of its sources'; a blend of noise keeps 0.7."""

_FLAT = 0.02
"""A standard deviation below which a source has no contrast to be lost."""

_LEAST_AGREEMENT = 0.25
"""Mean square of the difference to the reference's frame, as a share of the reference's variance: 6 dB. Two frames come
to that of which one was started again on large motion; garbage does not."""


def is_finite(made: Tensor) -> bool:
    """Whether no number of a frame is infinite or NaN. Both last through a sum, which reads the frame once."""
    return bool(torch.isfinite(made.sum()))


def doubt(made: Tensor, source0: Tensor, source1: Tensor) -> str | None:
    """Look at a made frame beside its sources.

    Args:
        made: (1, C, H, W), finite.
        source0: the frame before, of the same size; with opacity, or without.
        source1: the frame after.

    Returns:
        What is implausible about it, for a message; None if nothing is.
    """
    if made.shape[1] == 4:  # colours of what is transparent are arbitrary
        made, source0, source1 = (_opacity(x) for x in (made, source0, source1))
    ours, before, after = (_samples(x) for x in (made, source0, source1))
    contrast, *contrasts = (float(x.std()) for x in (ours, before, after))
    if min(contrasts) > _FLAT and contrast < _LEAST_CONTRAST * min(contrasts):
        return f"its contrast is {contrast:.3f}, and that of its sources {contrasts[0]:.3f} and {contrasts[1]:.3f}"
    lowest, highest = _surroundings(before, after)
    beyond = float(((ours > highest + _SLACK) | (ours < lowest - _SLACK)).float().mean())
    if beyond > _MOST_BEYOND:
        return f"{beyond:.0%} of its pixels have values that its sources do not have nearby"
    return None


def agree(made: Tensor, expected: Tensor) -> bool:
    """Whether a frame is the reference's frame, but for arithmetic."""
    noise = float((made - expected).square().mean())
    return noise <= _LEAST_AGREEMENT * float(expected.var()) + 1e-4


def _samples(x: Tensor) -> Tensor:
    steps = (max(side // _GRID, 1) for side in x.shape[-2:])
    rows, columns = steps
    return x[..., ::rows, ::columns].contiguous()


def _surroundings(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value around each sample, in either frame: (1, C, h, w) each."""
    height, width = before.shape[-2:]
    cells = F.max_pool2d(torch.cat((-before, before, -after, after)), _CELL, ceil_mode=True)
    around = F.max_pool2d(cells, 3, stride=1, padding=1)
    both = F.interpolate(around, scale_factor=_CELL, mode="nearest")[..., :height, :width]
    return -torch.maximum(both[0:1], both[2:3]), torch.maximum(both[1:2], both[3:4])


def _opacity(x: Tensor) -> Tensor:
    return x[:, 3:4] if x.shape[1] == 4 else torch.ones_like(x[:, :1])
