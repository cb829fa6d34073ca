"""Tiles: the same picture in less memory, whatever the network and the size; and what happens when memory runs out."""

from __future__ import annotations

import logging
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from conftest import blending_network
from rife.errors import JobError
from rife.interpolation.interpolator import Interpolator
from rife.interpolation.tiling import TILE_STEP_PX, Tiling, fitting_tile
from rife.network import schedule
from rife.network.blocks import BLOCK_REACH_PX, BLOCK_STEP_PX, IFBlock
from rife.network.estimate import FlowEstimate, Pair
from rife.network.ifnet import IFNet
from rife.network.refine import REFINE_REACH_PX
from rife.network.regions import SampleGrid, Window, largest_upsampled, padded
from rife.network.specs import SPECS
from rife.network.warp import backward_warp, resize
from rife.options import parse_memory
from rife.refine import Unet
from support.golden import head_of, with_closed_form_weights

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
ROUNDING = 2e-5


def built(name: str) -> IFNet:
    network = with_closed_form_weights(IFNet(SPECS[name]))
    assert isinstance(network, IFNet)
    return network


def frames(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Two smooth pictures: noise would turn rounding of the flow into differences of its own."""
    img0, img1 = resize(torch.rand(2, 3, height // 8, width // 8), 8).chunk(2)
    return img0, img1


def made(
    network: IFNet, pair: Pair, motion: FlowEstimate, *, ensemble: bool = False, side: int | None = None
) -> Tensor:
    windows = pair.whole.tiles(side, multiple=TILE_STEP_PX)
    return pair.whole.assembled([(w, network.synthesize(pair, motion, w, ensemble=ensemble)) for w in windows])


# --- where something is computed ---------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 34), st.integers(1, 34), st.sampled_from([1, 2, 8, 16]))
def test_a_window_is_a_piece_of_the_whole(top: int, left: int, height: int, width: int, factor: int) -> None:
    window = Window(top, left, min(top + height, 64), min(left + width, 64))
    low, image, flow = torch.rand(1, 2, 64 // factor, 64 // factor), torch.rand(1, 3, 64, 64), torch.randn(1, 2, 64, 64)
    torch.testing.assert_close(window.upsample(low, factor), window.read(resize(low, factor)), atol=1e-6, rtol=0)
    expected = window.read(backward_warp(image, flow * 5))
    torch.testing.assert_close(window.warp(image, window.read(flow * 5)), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [4, 8, 16])
@pytest.mark.parametrize("factor", [1, 2, 8, 32])
def test_the_samples_are_all_that_shrinking_reads(scale: int, factor: int) -> None:
    low, place = torch.rand(1, 3, -(-64 // factor), -(-96 // factor)), SampleGrid(scale, 64, 96)
    whole = resize(low, factor)[..., :64, :96]
    torch.testing.assert_close(resize(place.read(whole), 0.5), resize(whole, 1 / scale), atol=1e-6, rtol=0)
    torch.testing.assert_close(place.upsample(low, factor), place.read(whole), atol=1e-6, rtol=0)
    assert place.read(whole).numel() == whole.numel() * 4 // scale**2


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 2, 4, 16]), st.integers(0, 15), st.integers(0, 2**16))
def test_the_largest_enlarged_value_is_found_without_enlarging(
    h: int, w: int, factor: int, cut: int, seed: int
) -> None:
    low = torch.randn(1, 4, h, w, generator=torch.Generator().manual_seed(seed))
    height, width = h * factor - min(cut, factor - 1), w * factor
    whole = resize(low, factor)[..., :height, :width]
    found = largest_upsampled(low, factor, height=height, width=width)
    torch.testing.assert_close(found, whole.abs().amax(dim=(2, 3)), atol=1e-5, rtol=1e-5)


@settings(max_examples=50)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(16, 400), st.sampled_from([4, 16]))
def test_tiles_cover_the_frame_once(height: int, width: int, side: int, multiple: int) -> None:
    count = torch.zeros(height, width, dtype=torch.int32)
    for tile in Window(0, 0, height, width).tiles(side, multiple=multiple):
        assert tile.top % multiple == tile.left % multiple == 0
        assert max(tile.height, tile.width) < side + multiple
        tile.read(count).add_(1)
    assert bool((count == 1).all())


def spread(outputs: Tensor) -> tuple[int, int]:
    """First and last row that a not-a-number reached."""
    rows = torch.nonzero(outputs.isnan().any(dim=1)[0].any(dim=1))
    return (int(rows.min()), int(rows.max())) if len(rows) else (10**6, -1)


@pytest.mark.parametrize("shrink", [2, 1])
def test_refinement_sees_no_further_than_its_overlap(shrink: int) -> None:
    """A not-a-number spreads to all that depends on it."""
    unet, edge, zero = Unet(finest_shrink=shrink), 160, torch.zeros(1, 3, 320, 16)
    maps = [torch.zeros(1, 16 << i, 320 // (shrink << i), 16 // (shrink << i)) for i in range(4)]
    for row in (edge - REFINE_REACH_PX - 1, edge + REFINE_REACH_PX):
        image = zero.clone()
        image[..., row, :] = float("nan")
        with torch.no_grad():
            out = unet(image, zero, image, zero, zero[:, :1], zero[:, :1].expand(-1, 4, -1, -1), maps, maps)
        first, last = spread(out)
        assert last < edge if row < edge else first >= edge


@pytest.mark.parametrize("name", list(SPECS))
def test_a_block_sees_no_further_than_its_overlap(name: str) -> None:
    spec, edge = SPECS[name], 64
    planes = spec.input_channels(len(spec.widths) - 1)
    block = IFBlock(spec, planes, spec.widths[-1])
    for row in (edge - BLOCK_REACH_PX - 1, edge + BLOCK_REACH_PX):
        x = torch.zeros(1, planes, 128, 8)
        x[..., row, :] = float("nan")
        with torch.no_grad():
            low = block(x, 1.0)
        first, last = spread(low.values)
        assert last < edge // low.factor if row < edge else first >= edge // low.factor
    assert edge % BLOCK_STEP_PX == 0


# --- the lean way against the plain one --------------------------------------------------------------------


EVERY_WAY = [(name, 1.0, False) for name in SPECS]
EVERY_WAY += [(name, 1.0, True) for name, row in SPECS.items() if row.ensemble == "optional"]
EVERY_WAY += [(name, scale, False) for name in ("3.8", "4.0", "4.26", "IFNet_2R") for scale in (0.5, 2.0)]


@pytest.mark.parametrize(("name", "flow_scale", "ensemble"), EVERY_WAY)
def test_the_lean_way_is_the_plain_way(name: str, flow_scale: float, ensemble: bool) -> None:
    """`forward` keeps every stage at full size; `estimate` and `synthesize` keep none, with and without tiles."""
    network = built(name)
    multiple = SPECS[name].pad_multiple_at(flow_scale)
    img0, img1 = (padded(x, multiple) for x in frames(64, 96))
    t = 0.3 if SPECS[name].any_time else 0.5
    with torch.no_grad():
        plain = network(img0, img1, t, flow_scale=flow_scale, ensemble=ensemble)
        pair = network.pair(img0, img1, t, flow_scale=flow_scale)
        for side in (None, 48):
            motion = network.estimate(pair, flow_scale=flow_scale, ensemble=ensemble, tile=side)
            out = made(network, pair, motion, ensemble=ensemble, side=side)
            torch.testing.assert_close(out, plain.merged, atol=ROUNDING, rtol=0)


def test_a_batch_of_which_one_restarts_is_the_same_in_the_lean_way() -> None:
    network = built("4.0")
    still, (moving0, moving1) = torch.full((1, 3, 64, 96), 0.5), frames(64, 96)
    weight, bias = head_of(network, "block1")
    with torch.no_grad():
        bias.zero_()
        pair = network.pair(torch.cat((still, moving0)), torch.cat((still, moving1)))
        scales = schedule.block_scales(network.spec)
        motion, _ = schedule.coarse_flow(network.operations(), pair, scales, average=False)
        assert motion.latest is not None
        change = motion.latest.values[:, :4].abs().amax(dim=(2, 3)).reshape(2, 2, 2).amax(dim=2).amin(dim=1)
        weight.mul_(32 / change.mean())
        _, moved_px = schedule.coarse_flow(network.operations(), pair, scales, average=False)
        assert (moved_px > 32).sum() == 1
        merged = network.synthesize(pair, network.estimate(pair), pair.whole)
        plain = network(pair.img0, pair.img1).merged
    torch.testing.assert_close(merged, plain, atol=ROUNDING * 10, rtol=0)


@pytest.mark.parametrize("refine", ["full", "off"])
def test_tiles_of_the_default_model_leave_no_seams(refine: str, default_interpolator: Interpolator) -> None:
    network = default_interpolator.network
    frame0 = resize(torch.rand(1, 3, 40, 60), 8)[0]
    frame1 = torch.roll(frame0, 5, -1)
    whole, tiled = (
        Interpolator(network, refine=refine, device="cpu", engine="torch", tile=tile)  # type: ignore[arg-type]
        for tile in ("off", 128)
    )
    difference = (whole(frame0, frame1) - tiled(frame0, frame1)).abs()
    assert difference.max() < 1e-4


def test_colours_beyond_white_go_through_tiles_too() -> None:
    frame = resize(torch.rand(1, 3, 40, 30), 8)[0] * 1.4 - 0.2
    worker = Interpolator(blending_network(SPECS["4.6"]), device="cpu", engine="torch", tile=128)
    prepared = worker.prepare(frame[None]), worker.prepare(frame[None])
    (out,) = worker.between(*prepared, [Fraction(1, 2)])
    torch.testing.assert_close(out[0], frame, atol=1e-5, rtol=0)


# --- memory ------------------------------------------------------------------------------------------------


def test_more_memory_gives_larger_tiles() -> None:
    sides = [fitting_tile(3840 * 2160, gigabytes << 30, refine=True) for gigabytes in (1, 2, 3, 4)]
    assert sides[0] == 128
    assert sides[1] is not None
    assert sides[2] is not None
    assert 512 < sides[1] < sides[2]
    assert fitting_tile(1280 * 720, 1 << 30, refine=True) is None
    assert fitting_tile(3840 * 2160, 2 << 30, refine=True, features=16) == 128


class Forgetful(IFNet):
    """Runs out of memory for a number of times."""

    def __init__(self, failures: int, error: Exception) -> None:
        super().__init__(SPECS["4.6"], refine=False)
        self.failures, self.error = failures, error
        self.tiles: list[int | None] = []
        for parameter in self.parameters():
            parameter.data.zero_()

    def estimate(self, pair: Pair, *, tile: int | None = None, **options: object) -> FlowEstimate:
        self.tiles.append(tile)
        if len(self.tiles) <= self.failures:
            raise self.error
        return super().estimate(pair, tile=tile, **options)  # type: ignore[arg-type]


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"
    ),
    MemoryError(),
]


@pytest.mark.usefixtures("as_if_moving")
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_running_out_of_memory_lowers_the_tile_and_goes_on(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    network = Forgetful(2, error)
    worker = Interpolator(network, device="cpu", engine="torch")
    frame = resize(torch.rand(1, 3, 50, 75), 8)[0]
    with caplog.at_level(logging.WARNING):
        torch.testing.assert_close(worker(frame, frame), frame, atol=1e-5, rtol=0)
        worker(frame, frame)
    assert network.tiles == [None, 288, 144, 144], "and what was learnt is kept for the frames that follow"
    assert [r.getMessage()[-16:] for r in caplog.records] == ["s of 288 pixels.", "s of 144 pixels."]


@pytest.mark.usefixtures("as_if_moving")
def test_running_out_of_memory_in_the_smallest_tiles_is_an_error_with_a_next_step() -> None:
    frame = torch.rand(3, 400, 600)
    with pytest.raises(JobError, match=r"600x400: memory ran out even in tiles of 128 pixels .* smaller model"):
        Interpolator(Forgetful(99, MemoryError()), device="cpu", engine="torch")(frame, frame)
    with pytest.raises(JobError, match="and tiles are off"):
        Interpolator(Forgetful(1, MemoryError()), device="cpu", engine="torch", tile="off")(frame, frame)


@pytest.mark.usefixtures("as_if_moving")
def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    frame = torch.rand(3, 64, 64)
    network = Forgetful(1, RuntimeError("expected scalar type Float but found Half"))
    with pytest.raises(RuntimeError, match="scalar type"):
        Interpolator(network, device="cpu", engine="torch")(frame, frame)
    assert len(network.tiles) == 1


@pytest.mark.parametrize("tile", ["large", 0, -5, 127, True, None, 1.5])
def test_tiles_that_cannot_be_are_refused(tile: object) -> None:
    with pytest.raises(JobError, match="auto, off, or a number of pixels from 128 on"):
        Tiling(tile, None, device=CPU, refine=False)  # type: ignore[arg-type]


def test_amounts_of_memory(blender: Interpolator) -> None:
    known = {"4G": 4 << 30, "512M": 512 << 20, "1.5g": 3 << 29, "2 GiB": 2 << 30, "4GB": 4 << 30, "1000": 1000}
    assert {text: parse_memory(text) for text in known} == known
    for text in ("", "G", "-4G", "4X", "0G", "four"):
        with pytest.raises(JobError, match="such as 4G or 512M"):
            parse_memory(text)
    with pytest.raises(JobError, match="above 0"):
        Interpolator(blender.network, device="cpu", engine="torch", memory=0)
