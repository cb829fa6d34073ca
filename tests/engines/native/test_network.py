"""Convolutions of our own, against PyTorch's: one by one, and as the parts of every network there is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rife.engines.cpu.channel_layout import block_layout
from rife.engines.cpu.thread_team import ThreadTeam
from rife.engines.native.convolutions import Direct, Winograd
from rife.engines.native.network import NativeSubgraphs, direct, transposed, winograd
from rife.engines.openvino.subgraphs import BlockSubgraph, FeaturesSubgraph, ResidualSubgraph
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS

pytestmark = pytest.mark.slow

TEAM = ThreadTeam(2)

ROUNDING = 3e-6
"""Of the largest number: what sums of float32 may be off by, added up in another order."""


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).contiguous()


def picture(*size: int) -> Tensor:
    return torch.rand(1, *size) - 0.3


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Compare (1, H, W, C or more) with (1, C, H, W)."""
    expected = channels_last(expected)
    found = found[..., : expected.shape[3]]
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING * float(expected.abs().max()))


SIZES = [(1, 1), (1, 9), (3, 2), (4, 4), (5, 7), (13, 50), (64, 30)]


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [(16, 16), (32, 64), (45, 90)], ids=str)
def test_three_by_three(channels: tuple[int, int], size: tuple[int, int]) -> None:
    own, activation = nn.Conv2d(*channels, 3, 1, 1), nn.PReLU(channels[1], 0.3)
    x = picture(channels[0], *size)
    lanes = F.pad(channels_last(x), (0, -channels[0] % 16))
    assert_near(winograd(own, activation)(TEAM, lanes), activation(own(x)))


@torch.no_grad()
@pytest.mark.parametrize("first", [False, True])
def test_what_is_added_before_or_after_the_activation(first: bool) -> None:
    own, activation, x = nn.Conv2d(32, 32, 3, 1, 1), nn.LeakyReLU(0.2), picture(32, 11, 18)
    expected = activation(own(x) + x) if first else activation(own(x)) + x
    lanes = channels_last(x)
    assert_near(winograd(own, activation)(TEAM, lanes, skip=lanes, skip_first=first), expected)


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES[2:], ids=str)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 1), (3, 1, 1), (4, 2, 1), (5, 3, 2), (1, 1, 0)])
def test_any_kernel_and_stride(kernel: int, stride: int, padding: int, size: tuple[int, int]) -> None:
    own, activation, x = nn.Conv2d(7, 48, kernel, stride, padding), nn.PReLU(48, 0.1), picture(7, *size)
    assert_near(direct(own, activation, channels=7)(TEAM, channels_last(x)), activation(own(x)))


@torch.no_grad()
def test_two_parts_of_a_picture_are_one() -> None:
    parts = picture(32, 10, 21), picture(16, 10, 21)
    strided, plain = nn.Conv2d(48, 32, 3, 2, 1), nn.Conv2d(48, 32, 3, 1, 1)
    lanes = [channels_last(part) for part in parts]
    assert_near(direct(strided)(TEAM, *lanes), strided(torch.cat(parts, 1)))
    assert_near(winograd(plain)(TEAM, *lanes), plain(torch.cat(parts, 1)))


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [(16, 16), (48, 8), (32, 32)], ids=str)
def test_transposed(channels: tuple[int, int], size: tuple[int, int]) -> None:
    own, activation, x = nn.ConvTranspose2d(*channels, 4, 2, 1), nn.PReLU(channels[1]), picture(channels[0], *size)
    made = transposed(own, activation)(TEAM, channels_last(x))
    assert made.shape == (1, 2 * size[0], 2 * size[1], channels[1])
    assert_near(made, activation(own(x)))


@torch.no_grad()
@pytest.mark.parametrize("threads", [1, 3, 5])
def test_threads_make_the_same_picture(threads: int) -> None:
    x = channels_last(picture(32, 50, 34))
    for layer in (winograd(nn.Conv2d(32, 32, 3, 1, 1)), direct(nn.Conv2d(32, 32, 3, 2, 1))):
        assert torch.equal(layer(ThreadTeam(1), x), layer(ThreadTeam(threads), x))


@torch.no_grad()
def test_nothing_is_left_of_the_picture_before() -> None:
    """Threads keep the memory that they work in."""
    layers = (
        winograd(nn.Conv2d(32, 32, 3, 1, 1)),
        direct(nn.Conv2d(32, 32, 3, 2, 1)),
        transposed(nn.ConvTranspose2d(32, 16, 4, 2, 1)),
    )
    x, other = channels_last(picture(32, 9, 30)), torch.full((1, 40, 40, 32), torch.nan)
    for layer in layers:
        team = ThreadTeam(1)
        before = layer(team, x)
        for ruin in layers:
            ruin(team, other)
        assert torch.equal(layer(team, x), before)


def test_channels_that_do_not_fit_are_refused() -> None:
    ones = torch.ones(24)
    with pytest.raises(ValueError, match="2 x 2 pixels in depth of whole vectors, got 24 channels"):
        Winograd(torch.zeros(24, 16, 3, 3), ones, ones, upscale=2)
    layer = Direct(torch.zeros(24, 16, 3, 3), ones, ones, inputs=16, stride=2, padding=1)
    with pytest.raises(ValueError, match="expected 16 channels"):
        layer(TEAM, torch.zeros(1, 8, 8, 32))
    with pytest.raises(ValueError, match="expected 16 channels"):
        layer(TEAM, torch.zeros(1, 8, 8, 8), torch.zeros(1, 8, 4, 8))


def test_convolutions_of_another_kind_are_refused() -> None:
    for build, layer in (
        (direct, nn.Conv2d(16, 16, 3, 2, 1, groups=2)),
        (direct, nn.Conv2d(16, 16, (3, 1), 1, 1)),
        (winograd, nn.Conv2d(16, 16, 3, 2, 1)),
        (winograd, nn.Conv2d(16, 16, 3, 1, 2, dilation=2)),
        (transposed, nn.ConvTranspose2d(16, 16, 4, 2, 0)),
    ):
        with pytest.raises(ValueError, match="expected a convolution with"):
            build(layer)
    with pytest.raises(ValueError, match=r"whole vectors, got \[24, 8\]"):
        winograd(nn.Conv2d(32, 16, 3, 1, 1))(TEAM, torch.zeros(1, 4, 4, 24), torch.zeros(1, 4, 4, 8))
    with pytest.raises(ValueError, match="expected 4 rows and columns or more"):
        direct(nn.Conv2d(16, 16, 4, 2, 1))(TEAM, torch.zeros(1, 1, 9, 16))


@torch.no_grad()
@pytest.mark.parametrize("name", list(SPECS))
def test_the_parts_of_every_network(name: str) -> None:
    spec = SPECS[name]
    network = IFNet(spec)
    subgraphs = NativeSubgraphs(network, TEAM)
    for index, scale in enumerate(spec.scales):
        block = network.get_submodule(f"block{index}")
        lanes = block_layout(spec).channels if index else block.conv0[0][0].in_channels  # type: ignore[index, union-attr]
        x = torch.rand(1, 34, 42, lanes)
        for flow_scale in (1, 2):
            expected = BlockSubgraph(network, index, scale / flow_scale)(x)
            found = subgraphs.block(index, scale / flow_scale, x)
            used = 5 + spec.carried
            assert_near(found[..., :used], expected[..., :used].permute(0, 3, 1, 2))
    frame = F.pad(torch.rand(1, 64, 96, 3) * 1.2 - 0.1, (0, 1))
    expected_maps = FeaturesSubgraph(network, refine=network.refines)(frame)
    maps = subgraphs.features(frame, refine=network.refines)
    for a, b in zip(maps, expected_maps, strict=True):
        assert a.shape == b.shape
        assert_near(a, b.permute(0, 3, 1, 2))


@torch.no_grad()
@pytest.mark.parametrize("name", ["4.0", "IFNet_2R"])
def test_the_refinement(name: str) -> None:
    network = IFNet(SPECS[name])
    finest = network.contextnet.finest_shrink
    seen = torch.rand(1, 64, 96, 24)
    contexts = [torch.rand(1, 64 // finest >> n, 96 // finest >> n, 32 << n) for n in range(4)]
    expected = ResidualSubgraph(network)(seen, *contexts)
    assert_near(NativeSubgraphs(network, TEAM).residual(seen, contexts), expected.permute(0, 3, 1, 2))
