"""The estimate as it grows from coarse to fine, and what a block sees of it.

Only the blocks' outputs at their own size are kept. Whoever needs flow, mask or warped frames asks for them in a region
(`rife.network.regions`): the few pixels that shrinking for the next block reads, a window, or the whole frame.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rife.network.batching import map_tensors
from rife.network.blocks import BlockOutput, swap_flow
from rife.network.encoder import FrameFeatures
from rife.network.regions import SampleGrid, Window, largest_upsampled
from rife.network.specs import NetworkSpec
from rife.network.warp import resize

Region = SampleGrid | Window


class Pair(NamedTuple):
    """The two source frames with what belongs to them: constant during an estimate.

    img0, img1: (B, 3, H, W) in [0, 1]. features0, features1: what was computed from each. timestep: (B, 1, 1, 1), or
    None for networks whose time is fixed.
    """

    img0: Tensor
    img1: Tensor
    features0: FrameFeatures
    features1: FrameFeatures
    timestep: Tensor | None

    @property
    def whole(self) -> Window:
        """The window that is the whole frame."""
        height, width = self.img0.shape[-2:]
        return Window(0, 0, height, width)

    @property
    def encoded(self) -> tuple[Tensor, ...]:
        """Both frames' encoder features (B, C, H, W), where the network has an encoder."""
        return tuple(e for e in (self.features0.encoded, self.features1.encoded) if e is not None)

    @property
    def backwards(self) -> Tensor | None:
        """The timestep as seen from the other end."""
        return None if self.timestep is None else 1 - self.timestep

    def swapped(self) -> Pair:
        """The frames in the other order."""
        return Pair(self.img1, self.img0, self.features1, self.features0, self.backwards)


class FlowEstimate(NamedTuple):
    """Flow and mask so far: the sum of what the blocks returned.

    flow: (B, 4, H, W) and mask: (B, 1, H, W) before its sigmoid, of the blocks that are already added up at full size.
    outputs: the blocks that are not, oldest first. latest: the last block's.
    """

    flow: Tensor | None
    mask: Tensor | None
    outputs: list[BlockOutput]
    latest: BlockOutput | None

    def plus(self, output: BlockOutput) -> FlowEstimate:
        """With one more block's output."""
        return FlowEstimate(self.flow, self.mask, [*self.outputs, output], output)

    def at(self, region: Region, *, mask_accumulates: bool) -> tuple[Tensor, Tensor]:
        """Flow (B, 4, h, w) and mask (B, 1, h, w) at a region."""
        flow = None if self.flow is None else region.read(self.flow)
        mask = None if self.mask is None else region.read(self.mask)
        for output in self.outputs:
            counts = mask_accumulates or output is self.latest
            change = region.enlarge(output.values[:, : 5 if counts else 4], output.factor)
            flow = change[:, :4] if flow is None else flow + change[:, :4]
            if counts:
                mask = change[:, 4:] if mask is None or not mask_accumulates else mask + change[:, 4:]
        if flow is None or mask is None:
            raise ValueError("no block has run yet")
        return flow, mask

    def dense(self, whole: Window, *, mask_accumulates: bool) -> FlowEstimate:
        """The same, added up at full size: for whoever goes on to read it there more than once."""
        if not self.outputs:
            return self
        return FlowEstimate(*self.at(whole, mask_accumulates=mask_accumulates), [], self.latest)

    def swapped(self) -> FlowEstimate:
        """The same seen with the frames in the other order."""
        flow = None if self.flow is None else swap_flow(self.flow)
        mask = None if self.mask is None else -self.mask
        outputs = [output.swapped() for output in self.outputs]
        return FlowEstimate(flow, mask, outputs, outputs[-1] if outputs else None)

    def carried(self, region: Region, channels: int) -> Tensor | None:
        """Features that the latest block hands on, after flow and mask, at a region."""
        if self.latest is None or channels == 0:
            return None
        return region.enlarge(self.latest.values[:, 5 : 5 + channels], self.latest.factor)


NO_ESTIMATE = FlowEstimate(None, None, [], None)
"""Before the first block."""


def farthest_px(output: BlockOutput, whole: Window) -> Tensor:
    """How far both flows of a sample change somewhere in the frame: the lesser of the two, (B,)."""
    largest = largest_upsampled(output.values[:, :4], output.factor, height=whole.height, width=whole.width)
    both: Tensor = largest.reshape(-1, 2, 2).amax(dim=2).amin(dim=1)
    return both


class BlockInput(NamedTuple):
    """What the estimate so far makes of both frames, at one region: what a block takes.

    sources: the unwarped frames, for networks that look at them. warped, encoded: both frames, and their encoder
    features, read through the flow. mask, flow: as in `FlowEstimate`; of no channels before the first block. carried:
    from the block before.
    """

    sources: tuple[Tensor, ...]
    warped: tuple[Tensor, ...]
    encoded: tuple[Tensor, ...]
    mask: Tensor
    flow: Tensor
    carried: Tensor | None

    def shrunk(self, by: float, scale: float) -> BlockInput:
        """Shrink every picture `by`, and rescale the flow to pixels of a picture at 1/`scale` of the frame."""
        if scale == 1:
            return self
        flow = resize(self.flow, 1 / by) * (1 / scale)
        carried = None if self.carried is None else resize(self.carried, 1 / by)
        sources, warped, encoded = (
            tuple(resize(x, 1 / by) for x in part) for part in (self.sources, self.warped, self.encoded)
        )
        return BlockInput(sources, warped, encoded, resize(self.mask, 1 / by), flow, carried)

    def swapped(self) -> BlockInput:
        """The same with the frames in the other order."""
        sources, warped, encoded = self.sources[::-1], self.warped[::-1], self.encoded[::-1]
        return BlockInput(sources, warped, encoded, -self.mask, swap_flow(self.flow), self.carried)

    def to_channels(self, timestep: Tensor | None) -> Tensor:
        """Concatenate in the order that the published weights expect: (B, C, h, w)."""
        first, then = ((), self.warped) if self.sources else (self.warped, ())
        size = (*self.sources, *self.warped)[0]
        time = [] if timestep is None else [timestep.expand(-1, -1, *size.shape[-2:])]
        ends = [x for x in (self.mask, self.carried, self.flow) if x is not None and x.shape[1] > 0]
        return torch.cat((*self.sources, *first, *self.encoded, *time, *then, *ends), 1)

    def merged(self) -> Tensor:
        """Blend the two warped frames by the mask: (B, 3, h, w)."""
        return self.blend(self.warped[0], self.warped[1])

    def blend(self, x0: Tensor, x1: Tensor) -> Tensor:
        """Blend what was read from img0's side and from img1's by the mask."""
        return torch.lerp(x1, x0, torch.sigmoid(self.mask))


def first_block_input(spec: NetworkSpec, pair: Pair, scale: float) -> BlockInput:
    """What the first block takes: both frames at 1/`scale`, and zero flow and mask if the network starts from them."""
    img0, img1, *encoded = (resize(x, 1 / scale) for x in (pair.img0, pair.img1, *pair.encoded))
    if not spec.first_block_sees_flow:
        return BlockInput((img0, img1), (), tuple(encoded), img0[:, :0], img0[:, :0], None)
    zero = torch.zeros_like(img0[:, :1])
    return BlockInput((), (img0, img1), tuple(encoded), zero, zero.expand(-1, 4, -1, -1), None)


def block_input_at(
    spec: NetworkSpec, pair: Pair, estimate: FlowEstimate, region: Region, *, for_block: bool = True
) -> BlockInput:
    """What the estimate makes of both frames at a region.

    Args:
        spec: which network.
        pair: the frames.
        estimate: the estimate so far, of one block at least.
        region: where.
        for_block: with everything that a block takes, not only what merging needs.
    """
    flow, mask = estimate.at(region, mask_accumulates=spec.mask_accumulates)
    flows = flow[:, :2], flow[:, 2:]
    warped = region.warp(pair.img0, flows[0]), region.warp(pair.img1, flows[1])
    if not for_block:
        return BlockInput((), warped, (), mask, flow, None)
    sources = (region.read(pair.img0), region.read(pair.img1)) if spec.later_blocks_see_sources else ()
    encoded = tuple(region.warp(x, f) for x, f in zip(pair.encoded, flows, strict=False))
    return BlockInput(sources, warped, encoded, mask, flow, estimate.carried(region, spec.carried))


def shrunk_block_input(
    spec: NetworkSpec, pair: Pair, estimate: FlowEstimate, scale: float, *, tile: int | None
) -> BlockInput:
    """What a later block takes at 1/`scale`, computed at no more pixels than shrinking reads.

    Args:
        spec: which network.
        pair: the frames.
        estimate: the estimate so far; added up at full size if `scale` is below 4, where all pixels are read.
        scale: how much smaller than the frame the block works.
        tile: compute at about tile x tile pixels at a time, for less memory.
    """
    whole = pair.whole
    if scale >= 4 and scale % 2 == 0:
        return block_input_at(spec, pair, estimate, SampleGrid(int(scale), whole.height, whole.width)).shrunk(2, scale)
    if scale == 2 and tile is not None:
        inputs = [
            block_input_at(spec, pair, estimate, band).shrunk(scale, scale) for band in whole.bands(tile**2, multiple=2)
        ]
        return _stacked(inputs)
    return block_input_at(spec, pair, estimate, whole).shrunk(scale, scale)


def _stacked(inputs: list[BlockInput]) -> BlockInput:
    """Put bands of rows below one another."""
    return map_tensors(lambda *bands: torch.cat(bands, -2), *inputs)
