"""How much work a new frame is: operations and warped pixels are counted, since time on shared machines says little."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import rife.network.regions
from conftest import blending_network
from rife.engines.cpu.thread_team import ThreadTeam
from rife.engines.native.convolutions import Direct, Winograd
from rife.engines.native.engine import NativeEngine
from rife.interpolation.interpolator import Interpolator
from rife.network.estimate import Pair
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.network.warp import backward_warp
from rife.refine import Contextnet

HEIGHT, WIDTH = 64, 128
PIXELS = HEIGHT * WIDTH


class WarpedPixels:
    """Counts the output pixels of every warp, by the channels that are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of_channels: dict[int, int] = {}

        def counted(image: Tensor, flow: Tensor, **places: Tensor) -> Tensor:
            channels = image.shape[1]
            self.of_channels[channels] = self.of_channels.get(channels, 0) + flow[0, 0].numel()
            return backward_warp(image, flow, **places)

        monkeypatch.setattr(rife.network.regions, "backward_warp", counted)


def operations(work: Callable[[], object]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def made(network: IFNet, height: int = HEIGHT, width: int = WIDTH, *, tile: int | None = None) -> Tensor:
    img0, img1 = torch.rand(2, 1, 3, height, width)
    with torch.no_grad():
        pair = network.pair(img0, img1)
        motion = network.estimate(pair, tile=tile)
        return network.synthesize(pair, motion, pair.whole)


def test_frames_are_warped_where_the_next_block_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scales 8 4 2 1: a quarter of the pixels for the block at 1/4, all for those at 1/2 and 1, and all for the merge.

    The published form warps all pixels of both frames after each of the four blocks.
    """
    warped = WarpedPixels(monkeypatch)
    made(blending_network(SPECS["4.6"]))
    assert warped.of_channels == {3: 2 * int(3.25 * PIXELS)}


@pytest.mark.parametrize(
    ("name", "share"), [("4.26", 1 / 16 + 1 / 4 + 1 + 1), ("4.25.lite", 1 / 64 + 1 / 16 + 1 / 4 + 1)]
)
def test_features_are_warped_where_the_next_block_reads_them(
    name: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    warped = WarpedPixels(monkeypatch)
    made(blending_network(SPECS[name]))
    assert warped.of_channels == {3: 2 * int((share + 1) * PIXELS), 4: 2 * int(share * PIXELS)}


def test_a_frame_costs_no_more_operations_than_it_did(default_interpolator: Interpolator) -> None:
    """Multiplications and additions for each pixel of a new frame, from two prepared frames."""
    network = default_interpolator.network
    img0, img1 = torch.rand(2, 1, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        features = [network.features(x) for x in (img0, img1)]
        pair = network.pair(img0, img1, features0=features[0], features1=features[1])
        motion = network.estimate(pair)
    assert operations(lambda: network.estimate(pair)) / PIXELS <= 80_200
    assert operations(lambda: network.synthesize(pair, motion, pair.whole)) / PIXELS <= 68_400


def test_convolutions_of_our_own_multiply_less_than_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiply-adds for each pixel of a new frame: `operations` counts two for each of the reference's 74,300."""
    products = 0

    def counted(layer: type[Winograd] | type[Direct]) -> None:
        convolve = layer.__call__

        def call(self: Winograd | Direct, team: ThreadTeam, first: Tensor, *others: Tensor, **how: object) -> Tensor:
            nonlocal products
            products += self.products(*first.shape[1:3])
            return convolve(self, team, first, *others, **how)  # type: ignore[arg-type]

        monkeypatch.setattr(layer, "__call__", call)

    engine = NativeEngine(IFNet(SPECS["4.0"]))
    img0, img1 = torch.rand(2, 1, 3, 480, 736)
    features = [engine.features(x) for x in (img0, img1)]
    counted(Winograd)
    counted(Direct)
    pair = Pair(img0, img1, features[0], features[1], torch.full((1, 1, 1, 1), 0.5))
    engine.synthesize(pair, engine.estimate(pair), pair.whole)
    assert products / (480 * 736) <= 32_400


@pytest.mark.parametrize(("height", "width"), [(272, 640), (480, 720), (720, 1280)])
def test_common_sizes_of_the_default_model_are_not_padded(height: int, width: int) -> None:
    multiple = SPECS["4.0"].pad_multiple
    assert height % multiple == width % multiple == 0


@pytest.mark.parametrize("name", list(SPECS))
def test_frames_are_padded_to_the_largest_scale_and_no_further(name: str) -> None:
    spec = SPECS[name]
    needed = max(spec.scales) * (2 if spec.restart_flow_px else 1)
    assert spec.pad_multiple == max(needed, (8 if spec.half_downsampling else 16) if spec.refines else 1)


def test_context_is_computed_once_for_each_source_frame(
    default_interpolator: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    features = Contextnet.features

    def noted(self: Contextnet, x: Tensor) -> list[Tensor]:
        asked.append(x)
        return features(self, x)

    monkeypatch.setattr(Contextnet, "features", noted)
    frames = [default_interpolator.prepare(torch.rand(1, 3, 48, 64)) for _ in range(3)]
    for before, after in pairwise(frames):
        assert len(list(default_interpolator.between(before, after, [Fraction(k, 4) for k in (1, 2, 3)]))) == 3
    assert len(asked) == 3


def test_tiles_cost_their_overlap_and_no_more() -> None:
    """A block at full size in tiles of 128: 168 to 208 pixels are computed for 128."""
    network = blending_network(SPECS["4.6"])
    whole, tiled = (operations(partial(made, network, 256, 256, tile=tile)) for tile in (None, 128))
    assert whole < tiled < whole * (168 / 128) ** 2


def test_convolutions_run_on_pixels_with_their_channels_side_by_side(default_interpolator: Interpolator) -> None:
    """Mixed memory formats cost several times the arithmetic, and nothing else would show it."""
    strange = []

    def look(module: torch.nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        if not output.is_contiguous(memory_format=torch.channels_last):
            strange.append(module)

    network = default_interpolator.network
    layers = [
        m for m in network.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.PReLU))
    ]
    hooks = [layer.register_forward_hook(look) for layer in layers]
    made(network)
    for hook in hooks:
        hook.remove()
    assert not strange
    assert len(hooks) > 100
