"""Bilinear enlargement by whole factors: as the library at hand does it best.

PyTorch's own is fast. In a compiled graph, OpenVINO's takes two to three times as long as what stands here, which is
the same sum written as products of small matrices along rows, and as weighted sums of whole rows down the columns.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rife.warp import resize

_CELLS = 32
"""Cells of a row that one product takes: few enough that little is multiplied by the zeros of its matrix."""


def enlarge(x: Tensor, factor: int, *, rows: int, columns: int) -> Tensor:
    """Enlarge by `factor`, bilinear, pixel areas aligned (align_corners=False).

    Args:
        x: (B, C, h, w).
        factor: whole.
        rows: how many rows of the result are wanted, from the first.
        columns: likewise.

    Returns:
        (B, C, rows, columns).
    """
    if factor % 2 == 0 and torch.jit.is_tracing():  # type: ignore[no-untyped-call,attr-defined]
        return _higher(_wider(x, factor, columns), factor, rows)
    return resize(x, factor)[..., :rows, :columns]


def _wider(x: Tensor, factor: int, columns: int) -> Tensor:
    wanted = math.ceil(columns / factor)
    blocks = math.ceil(wanted / _CELLS)
    cells = math.ceil(wanted / blocks)
    # One cell more on each side is what bilinear reading reaches; at the edges it is the edge again.
    missing = max(blocks * cells + 1 - int(x.shape[-1]), 0)
    x = F.pad(x, (1, missing, 0, 0), mode="replicate")
    parts = torch.stack([x[..., start : start + cells + 2] for start in range(0, blocks * cells, cells)], -2)
    wide = torch.matmul(parts, _weights(cells, factor).to(x)).flatten(-2)
    return part_of(wide, -1, 0, columns, of=blocks * cells * factor)


def _higher(x: Tensor, factor: int, rows: int) -> Tensor:
    wanted = math.ceil(rows / factor)
    x = F.pad(x, (0, 0, 1, max(wanted + 1 - int(x.shape[-2]), 0)), mode="replicate")
    above, own, below = (x[..., start : start + wanted, None, :] for start in range(3))
    share = torch.from_numpy(np.array(_places(factor)[factor // 2 :], np.float32))[:, None].to(x)
    high = torch.cat((torch.lerp(own, above, share.flip(0)), torch.lerp(own, below, share)), -2).flatten(-3, -2)
    return part_of(high, -2, 0, rows, of=wanted * factor)


def part_of(x: Tensor, dim: int, start: int, count: int, *, of: int) -> Tensor:
    """Take `count` of the `of` places along a dimension.

    In a graph, they are gathered: OpenVINO 2026.4 merges slices of what was enlarged into something else (a test at odd
    sizes shows it), and leaves gathers alone.
    """
    if start == 0 and count == of:
        return x
    if torch.jit.is_tracing():  # type: ignore[no-untyped-call,attr-defined]
        return x.index_select(dim, torch.from_numpy(np.arange(start, start + count)))
    return x.narrow(dim, start, count)


def _places(factor: int) -> list[float]:
    """Where the pixels of one cell lie, in cells from its middle."""
    return [(index + 0.5) / factor - 0.5 for index in range(factor)]


@cache
def _weights(cells: int, factor: int) -> Tensor:
    """What every pixel (columns) takes of every cell (rows), one neighbour on each side included."""
    # In numpy: what PyTorch computes while a graph is traced becomes part of the graph, number by number.
    weights = np.zeros((cells + 2, cells * factor), np.float32)
    for cell in range(cells):
        for index, place in enumerate(_places(factor)):
            pixel = cell * factor + index
            weights[cell + 1, pixel] = 1 - abs(place)
            weights[cell + (0 if place < 0 else 2), pixel] = abs(place)
    return torch.from_numpy(weights)
