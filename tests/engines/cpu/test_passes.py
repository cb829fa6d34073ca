"""The passes between compiled graphs, against what PyTorch makes of the same estimate, for every network there is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rife.engines.cpu.channel_layout import (
    ChannelLayout,
    block_layout,
    padded_output_channels,
    permute_inputs,
    space_to_depth,
    unet_layout,
)
from rife.engines.cpu.passes import MergedWindow, Passes
from rife.engines.cpu.thread_team import ThreadTeam
from rife.errors import ShapeError
from rife.network.blocks import BlockOutput
from rife.network.channels import InputOffsets
from rife.network.encoder import FrameFeatures
from rife.network.estimate import FlowEstimate, Pair, later_block_input, stage_at
from rife.network.regions import Window
from rife.network.specs import SPECS, NetworkSpec
from rife.network.warp import resize_flow
from rife.refine import Contextnet

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 64, 96
FLOW_PX = 40.0
"""Far enough to leave the frame at every side."""


def lanes_of(x: Tensor, lanes: int) -> Tensor:
    """(1, C, h, w) with zeros up to a number of channels, the channels of a pixel side by side."""
    padded = torch.zeros(1, lanes, *x.shape[2:])
    padded[:, : x.shape[1]] = x
    return padded.contiguous(memory_format=torch.channels_last)


def estimate(spec: NetworkSpec, blocks: int, *, height: int = HEIGHT, width: int = WIDTH) -> FlowEstimate:
    """What the first blocks of a network might have returned."""
    lows = []
    for scale in spec.scales[:blocks]:
        factor = 2 * scale
        cells = torch.randn(1, 5 + spec.carried, math.ceil(height / factor), math.ceil(width / factor))
        cells[:, :4] *= FLOW_PX
        lows.append(BlockOutput(lanes_of(cells, padded_output_channels(spec)), factor))
    return FlowEstimate(spec, None, None, lows, lows[-1])


def two_frames(passes: Passes, spec: NetworkSpec, *, height: int = HEIGHT, width: int = WIDTH) -> Pair:
    frames, features = torch.rand(2, 1, 3, height, width), []
    for frame in frames:
        encoded = torch.rand(1, spec.encoder.out, height, width) if spec.encoder else None
        features.append(FrameFeatures(encoded, [], passes.pack(frame)))
    timestep = torch.full((1, 1, 1, 1), 0.3) if spec.any_time else None
    return Pair(frames[0], frames[1], features[0], features[1], timestep)


def pixels(pair: Pair) -> tuple[Tensor, Tensor]:
    first, second = pair.features0.pixels, pair.features1.pixels
    assert first is not None
    assert second is not None
    return first, second


@pytest.mark.parametrize("name", list(SPECS))
def test_blocks_see_what_they_see_in_the_reference(name: str) -> None:
    spec = SPECS[name]
    passes, layout = Passes(spec, dtype=torch.float32), block_layout(spec)
    pair = two_frames(passes, spec)
    for index, scale in enumerate(spec.scales[1:], 1):
        motion = estimate(spec, index)
        expected = later_block_input(pair, motion, scale, tile=None).to_channels(spec.block_input(index), pair.timestep)
        found = passes.block_input(pixels(pair), pair.encoded, motion, scale=scale, timestep=0.3)
        assert found.shape == (1, HEIGHT // scale, WIDTH // scale, layout.channels)
        torch.testing.assert_close(found[..., list(layout.order)].permute(0, 3, 1, 2), expected, atol=2e-4, rtol=1e-5)
        unused = [lane for lane in range(layout.channels) if lane not in layout.order]
        assert not found[..., unused].any()


@pytest.mark.parametrize("name", ["4.0", "4.15", "4.26"])
@pytest.mark.parametrize(
    "window", [Window(0, 0, HEIGHT, WIDTH), Window(16, 32, 48, 96), Window(3, 5, 64, 90)], ids=["whole", "part", "odd"]
)
def test_windows_are_merged_as_in_the_reference(name: str, window: Window) -> None:
    spec = SPECS[name]
    passes = Passes(spec, dtype=torch.float32)
    pair, motion = two_frames(passes, spec), estimate(spec, len(spec.scales))
    stage = stage_at(pair, motion, window)
    merged, others, flow, seen = passes.merge(pixels(pair), motion, window, others=pixels(pair), refine_shrink=1)
    assert torch.equal(others, merged)
    torch.testing.assert_close(merged[None], stage.merged(), atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(flow.permute(2, 0, 1)[None, :4], stage.flow, atol=2e-4, rtol=1e-5)
    sources = window.read(pair.img0), window.read(pair.img1)
    expected = torch.cat((*sources, stage.warped_img0, stage.warped_img1, stage.mask, stage.flow), 1)
    found = seen[..., list(unet_layout().order)].permute(2, 0, 1)[None]
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-5)


@pytest.mark.parametrize("finest_shrink", [1, 2])
def test_context_maps_are_warped_as_in_the_reference(finest_shrink: int) -> None:
    spec = SPECS["4.0"]
    passes, net = Passes(spec, dtype=torch.float32), Contextnet(finest_shrink=finest_shrink)
    window = Window(16, 32, 64, 96)
    pair, motion = two_frames(passes, spec), estimate(spec, 4)
    flow = stage_at(pair, motion, window).flow
    with torch.no_grad():
        maps = [net.features(img) for img in (pair.img0, pair.img1)]
        expected = [net.warp(m, f, window=window) for m, f in zip(maps, (flow[:, :2], flow[:, 2:]), strict=True)]
    settled = passes.merge(pixels(pair), motion, window, refine_shrink=finest_shrink).flow
    found = passes.warp_contexts(list(zip(*maps, strict=True)), settled, window, finest_shrink=finest_shrink)
    for level, (first, second) in zip(found, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(level.permute(0, 3, 1, 2), torch.cat((first, second), 1), atol=2e-4, rtol=1e-5)


def test_bf16_is_rounded_as_pytorch_rounds_it() -> None:
    spec = SPECS["4.0"]
    window = Window(0, 0, HEIGHT, WIDTH)
    exact, quick = (Passes(spec, dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    pair, motion = two_frames(exact, spec), estimate(spec, 4)
    for scale in (4, 1):
        full, half = (p.block_input(pixels(pair), (), motion, scale=scale, timestep=0.3) for p in (exact, quick))
        assert half.dtype == torch.bfloat16
        assert torch.equal(full.bfloat16(), half)
    maps = [[torch.rand(1, 16 << level, HEIGHT >> level + 1, WIDTH >> level + 1) for _ in range(2)] for level in (0, 1)]
    rounded = [tuple(x.bfloat16() for x in level) for level in maps]
    flow = exact.merge(pixels(pair), motion, window, refine_shrink=2).flow
    given = [tuple(x.float() for x in level) for level in rounded]
    expected = exact.warp_contexts(given, flow, window, finest_shrink=2)  # type: ignore[arg-type]
    found = quick.warp_contexts(rounded, flow, window, finest_shrink=2)  # type: ignore[arg-type]
    assert all(torch.equal(a.bfloat16(), b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_threads_make_the_same_frame(threads: int) -> None:
    spec = SPECS["4.26"]
    one, several = (Passes(spec, dtype=torch.float32, team=ThreadTeam(n)) for n in (1, threads))
    pair, motion = two_frames(one, spec), estimate(spec, 4)
    results = [p.block_input(pixels(pair), pair.encoded, motion, scale=1, timestep=0.3) for p in (one, several)]
    assert torch.equal(*results)
    window = Window(0, 0, HEIGHT, WIDTH)
    merged = [p.merge(pixels(pair), motion, window, others=pixels(pair), refine_shrink=1) for p in (one, several)]
    assert all(torch.equal(a, b) for a, b in zip(*merged, strict=True))


@pytest.mark.parametrize("flow_px", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_flow_that_makes_no_sense_reads_inside_of_the_frame(flow_px: float) -> None:
    spec = SPECS["4.0"]
    passes = Passes(spec, dtype=torch.float32)
    pair, motion = two_frames(passes, spec), estimate(spec, 1)
    motion.outputs[0].values[:, :4] = flow_px
    merged, _, flow, _ = passes.merge(pixels(pair), motion, Window(0, 0, HEIGHT, WIDTH), refine_shrink=2)
    assert merged.isfinite().all()
    assert merged.min() >= 0
    assert merged.max() <= 1
    maps = [(torch.rand(1, 16, 32, 48), torch.rand(1, 16, 32, 48))]
    (warped,) = passes.warp_contexts(maps, flow, Window(0, 0, HEIGHT, WIDTH), finest_shrink=2)
    assert warped.isfinite().all()
    seen = passes.block_input(pixels(pair), (), motion, scale=4, timestep=0.3)
    assert seen[..., :8].isfinite().all()


@pytest.mark.parametrize("size", [(2, 2), (2, 40), (40, 2), (9, 7)])
def test_the_smallest_frames(size: tuple[int, int]) -> None:
    spec = SPECS["4.6"]
    passes = Passes(spec, dtype=torch.float32)
    height, width = size
    pair = two_frames(passes, spec, height=height, width=width)
    motion, window = estimate(spec, 4, height=height, width=width), Window(0, 0, height, width)
    merged = passes.merge(pixels(pair), motion, window).image
    expected = stage_at(pair, motion, window).merged()
    torch.testing.assert_close(merged[None], expected, atol=2e-5, rtol=1e-5)


def test_the_smallest_context_maps() -> None:
    """The last one of a frame of 16 x 16 is a single pixel."""
    passes, net = Passes(SPECS["4.0"], dtype=torch.float32), Contextnet()
    flow = torch.randn(1, 4, 16, 16) * FLOW_PX
    maps = [torch.rand(1, 16 << level, 8 >> level, 8 >> level) for level in range(4)]
    window = Window(0, 0, 16, 16)
    expected = [torch.cat(both, 1) for both in zip(*(net.warp(maps, f) for f in flow.chunk(2, 1)), strict=True)]
    halved = resize_flow(flow, 0.5)
    cells = lanes_of(halved, 8)[0].permute(1, 2, 0).contiguous()
    found = passes.warp_contexts([(x, x) for x in maps], cells, window, finest_shrink=2)
    for level, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(level.permute(0, 3, 1, 2), wanted, atol=2e-4, rtol=1e-5)


def test_a_frame_of_one_row_is_refused() -> None:
    with pytest.raises(ShapeError, match="got 1 x 40"):
        Passes(SPECS["4.0"], dtype=torch.float32).pack(torch.rand(1, 3, 1, 40))


def test_a_frame_that_is_a_pixel_wide_to_a_block_is_refused() -> None:
    spec = SPECS["4.6"]
    passes = Passes(spec, dtype=torch.float32)
    pair = two_frames(passes, spec, height=16, width=4)
    with pytest.raises(ShapeError, match="frames of 4 px are too narrow"):
        passes.block_input(pixels(pair), (), estimate(spec, 1, height=16, width=4), scale=4, timestep=0.5)


def test_the_weight_of_a_mask_is_right_at_its_ends() -> None:
    """The exponential is our own."""
    spec = SPECS["4.0"]
    passes = Passes(spec, dtype=torch.float32)
    white, black = (passes.pack(torch.full((1, 3, 16, 512), value)) for value in (1.0, 0.0))
    masks = torch.cat((torch.linspace(-30, 30, 509), torch.tensor([-1e4, 0.0, 1e4])))
    cells = torch.zeros(1, 8, 16, 512)
    cells[:, 4] = masks
    low = BlockOutput(cells.contiguous(memory_format=torch.channels_last), 1)
    motion = FlowEstimate(spec, None, None, [low], low)
    merged = passes.merge((white, black), motion, Window(0, 0, 16, 512)).image
    torch.testing.assert_close(merged[0, 0], torch.sigmoid(masks), atol=3e-7, rtol=2e-6)


def test_a_convolution_in_lanes_is_the_same_convolution() -> None:
    own = torch.nn.Conv2d(3, 4, 3, 2, 1)
    order, x = (5, 0, 2), torch.rand(1, 3, 9, 9)
    lanes = torch.rand(1, 6, 9, 9)
    lanes[:, list(order)] = x
    torch.testing.assert_close(permute_inputs(own, ChannelLayout(6, order, InputOffsets()))(lanes), own(x))


def test_a_convolution_in_squares_is_the_same_convolution() -> None:
    own, x = torch.nn.Conv2d(4, 3, 3, 1, 1), torch.rand(1, 4, 10, 14)
    squares = space_to_depth(own)(x)
    whole = torch.nn.functional.pixel_shuffle(squares.reshape(1, 4, 3, 5, 7).transpose(1, 2).reshape(1, 12, 5, 7), 2)
    torch.testing.assert_close(whole, own(x))
    merged, none = torch.rand(3, 10, 14) * 1.2 - 0.1, torch.empty(0)
    expected = (merged + 2 * torch.sigmoid(own(x))[0] - 1).clamp(0, 1)
    passes = Passes(SPECS["4.0"], dtype=torch.float32)
    for correction in (squares, own(x)):
        given = torch.sigmoid(correction).permute(0, 2, 3, 1).contiguous().detach()
        found = passes.apply_residual(MergedWindow(merged, torch.empty(0, 10, 14), none, none), given)
        torch.testing.assert_close(found, expected.detach())


def test_a_number_of_carried_channels_that_kernels_do_not_copy_is_refused() -> None:
    """A ninth channel would be lost without a word."""
    with pytest.raises(ValueError, match="expected 0 or 8 carried channels, got 9"):
        padded_output_channels(replace(SPECS["4.26"], outputs=14, carried=9))
