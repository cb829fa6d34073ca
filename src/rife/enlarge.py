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


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Enlarge (B, C, h, w) by `factor`, bilinear, pixel areas aligned (align_corners=False)."""
    if factor % 2 == 0 and torch.jit.is_tracing():  # type: ignore[no-untyped-call,attr-defined]
        return _higher(_wider(x, factor), factor)
    return resize(x, factor)


def _wider(x: Tensor, factor: int) -> Tensor:
    width = int(x.shape[-1])
    blocks = math.ceil(width / _CELLS)
    cells = math.ceil(width / blocks)
    # One cell more on each side is what bilinear reading reaches; at the edges it is the edge again.
    x = F.pad(x, (1, 1 + blocks * cells - width, 0, 0), mode="replicate")
    parts = torch.stack([x[..., start : start + cells + 2] for start in range(0, blocks * cells, cells)], -2)
    return torch.matmul(parts, _weights(cells, factor).to(x)).flatten(-2)[..., : width * factor]


def _higher(x: Tensor, factor: int) -> Tensor:
    x = F.pad(x, (0, 0, 1, 1), mode="replicate")
    height = int(x.shape[-2]) - 2
    above, own, below = (x[..., start : start + height, None, :] for start in range(3))
    share = torch.from_numpy(np.array(_places(factor)[factor // 2 :], np.float32))[:, None].to(x)
    return torch.cat((torch.lerp(own, above, share.flip(0)), torch.lerp(own, below, share)), -2).flatten(-3, -2)


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
