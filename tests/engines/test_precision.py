"""Convolutions in bf16: what is rounded, how, and what stays as it was."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rife.engines.openvino.engine import OpenVinoEngine
from rife.engines.precision import _to_bf16, in_bf16, rounded
from rife.network import schedule
from rife.network.estimate import FlowEstimate, Pair
from rife.network.ifnet import IFNet
from rife.network.regions import Window
from rife.network.specs import SPECS
from rife.weights.load import load_network
from support.golden import with_closed_form_weights
from support.motion import lowest_psnr_db, moving, psnr_db

pytestmark = pytest.mark.slow


def test_kernels_keep_their_sums() -> None:
    weight = torch.randn(32, 17, 3, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    ours, nearest = rounded(weight), weight.bfloat16().float()
    assert torch.equal(ours, ours.bfloat16().float())
    errors = [(x - weight).sum((2, 3)).abs().mean() for x in (ours, nearest)]
    assert errors[0] < errors[1] / 5
    # No weight goes further than to the next number but one.
    assert ((ours - weight).abs() <= weight.abs() / 128 + weight.abs().amax((2, 3), keepdim=True) / 128).all()


def test_flat_pictures_keep_their_brightness() -> None:
    weight = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    grey = torch.full((1, 3, 9, 9), 0.5)
    exact, ours, nearest = (torch.conv2d(grey, w) for w in (weight, rounded(weight), weight.bfloat16().float()))
    assert (ours - exact).abs().max() < (nearest - exact).abs().max() / 4


def test_transposed_convolutions_keep_theirs_in_every_phase() -> None:
    exact = torch.nn.Sequential(torch.nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False)).requires_grad_(
        requires_grad=False
    )
    ours, nearest = copy.deepcopy(exact), copy.deepcopy(exact).to(torch.bfloat16)
    _to_bf16(ours)
    grey = torch.full((1, 16, 9, 9), 0.5)
    wanted, *errors = (n.float()(grey)[..., 2:-2, 2:-2] for n in (exact, ours, nearest))
    assert (errors[0] - wanted).abs().max() < (errors[1] - wanted).abs().max() / 2


@pytest.mark.parametrize("name", ["4.0", "4.26", "3.8"])
def test_everything_that_multiplies_is_in_bf16_and_the_original_is_not_touched(name: str) -> None:
    network = IFNet(SPECS[name])
    with_closed_form_weights(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    quick = in_bf16(network)
    assert {p.dtype for p in quick.parameters()} == {torch.bfloat16}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def moved_px(network: IFNet, pair: Pair) -> Tensor:
    """How far the second block moves the flow."""
    return schedule.coarse_flow(network.operations(), pair, schedule.block_scales(network.spec), average=False)[1]


def test_coarse_blocks_can_stay_exact() -> None:
    network = IFNet(SPECS["4.0"])
    quick = in_bf16(network, coarse=False)
    assert quick.get_submodule("block1") is network.get_submodule("block1")
    assert next(quick.get_submodule("block2").parameters()).dtype == torch.bfloat16
    a, b = torch.rand(2, 1, 3, 64, 64)
    exact, ours = (moved_px(n.eval(), n.pair(a, b)) for n in (network, quick))
    assert torch.equal(exact, ours)


@pytest.mark.parametrize(("limit_share", "asked"), [(1.0, True), (3.0, False)])
def test_whether_to_start_again_is_asked_in_float32_where_it_is_close(
    limit_share: float, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = IFNet(SPECS["4.0"], refine=False).requires_grad_(requires_grad=False)
    with_closed_form_weights(network)
    pair = network.eval().pair(*torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)), refine=False)
    network.spec = replace(network.spec, restart_flow_px=float(moved_px(network, pair)) * limit_share)
    engine = OpenVinoEngine(network, precision="bf16")
    seen: list[object] = []
    original = schedule.coarse_flow

    def noted(
        operations: schedule.Operations[Tensor], pair: Pair, scales: Sequence[float], *, average: bool
    ) -> tuple[FlowEstimate, Tensor]:
        seen.append(operations)
        return original(operations, pair, scales, average=average)

    monkeypatch.setattr(schedule, "coarse_flow", noted)
    features0, features1 = (engine.features(img) for img in (pair.img0, pair.img1))
    engine.estimate(pair._replace(features0=features0, features1=features1))
    assert (engine._variant.exact in seen) is asked


def test_graphs_and_passes_in_bf16_make_nearly_the_same_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On processors without bf16, OpenVINO computes it in other registers: slowly, and with the same rounding."""
    monkeypatch.setattr("rife.engines.openvino.graphs.cache_folder", lambda: tmp_path)
    network = load_network("4.0")
    frames = [torch.from_numpy(frame).permute(2, 0, 1)[None] for frame in moving(64, 96, 3)]
    made = []
    for precision in ("float32", "bf16"):
        engine = OpenVinoEngine(network, precision=precision)
        features0, features1 = (engine.features(frame) for frame in frames)
        pair = network.pair(*frames, features0=features0, features1=features1)
        assert {x.dtype for x in features0.context} == {torch.bfloat16 if precision == "bf16" else torch.float32}
        made.append(engine.synthesize(pair, engine.estimate(pair), Window(0, 0, 64, 96)))
    assert not torch.equal(*made)
    assert psnr_db(*made) >= lowest_psnr_db("bf16")
