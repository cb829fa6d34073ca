"""Enlargement as graphs do it, against PyTorch's own."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rife.enlarge import enlarge


@pytest.mark.parametrize("factor", [1, 2, 4, 8, 16, 3])
@pytest.mark.parametrize("cut", [0, 1, 5, 20])
@pytest.mark.parametrize("size", [(30, 46), (7, 1), (5, 33), (1, 64), (3, 53)])
def test_what_a_graph_computes_is_the_same(size: tuple[int, int], factor: int, cut: int) -> None:
    rows, columns = (max(side * factor - cut, 1) for side in size)

    def run(x: Tensor) -> Tensor:
        return enlarge(x, factor, rows=rows, columns=columns)

    x = torch.randn(1, 5, *size, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that the trace takes as they are
        traced = torch.jit.trace(run, (x,), check_trace=False)
    whole = F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
    assert run(x).shape[2:] == (rows, columns)
    assert (traced(x) - run(x)).abs().max() < 1e-5
    assert (run(x) - whole[..., :rows, :columns]).abs().max() < 1e-5
    if factor == 16:  # a graph that was traced number by number takes minutes to compile
        assert len(list(traced.graph.nodes())) < 120
