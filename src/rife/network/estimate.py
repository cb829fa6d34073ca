"""The flow estimate as it grows from coarse to fine, and the inputs that are computed from it.

An estimate holds the blocks' outputs at their own sizes. Flow, mask and warped frames are computed from it in a region
(`rife.network.regions`), when they are needed: at the pixels that downsampling for the next block reads, in a window,
or for the whole frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rife.network.batching import map_tensors
from rife.network.blocks import BlockOutput, swap_flow
from rife.network.channels import CARRIED_START, FLOW, FLOW0, FLOW1, FLOW_AND_MASK, MASK, InputPart
from rife.network.encoder import FrameFeatures
from rife.network.regions import SampleGrid, Window, largest_upsampled
from rife.network.specs import NetworkSpec
from rife.network.warp import resize

Region = SampleGrid | Window


class Pair(NamedTuple):
    """The two source frames with what belongs to them; constant during an estimate.

    img0, img1: (B, 3, H, W) in [0, 1]. features0, features1: the features of each. timestep: (B, 1, 1, 1), or None for
    networks with a fixed time.
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

    def swapped(self) -> Pair:
        """The frames in the other order, with the time counted from the other end."""
        timestep = None if self.timestep is None else 1 - self.timestep
        return Pair(self.img1, self.img0, self.features1, self.features0, timestep)


class FlowEstimate(NamedTuple):
    """Flow and mask so far: the sum of the blocks' outputs, where a network's mask accumulates; else its latest mask.

    spec: the network. flow: (B, 4, H, W) and mask: (B, 1, H, W) before its sigmoid, of the blocks that are already
    summed up at full size. outputs: those of the other blocks, oldest first. latest: the last block's.
    """

    spec: NetworkSpec
    flow: Tensor | None
    mask: Tensor | None
    outputs: list[BlockOutput]
    latest: BlockOutput | None

    @classmethod
    def before_first_block(cls, spec: NetworkSpec) -> FlowEstimate:
        """The estimate of a network of which no block has run."""
        return cls(spec, None, None, [], None)

    def plus(self, output: BlockOutput) -> FlowEstimate:
        """The estimate with one more block's output."""
        return self._replace(outputs=[*self.outputs, output], latest=output)

    def at(self, region: Region) -> tuple[Tensor, Tensor]:
        """Flow (B, 4, h, w) and mask (B, 1, h, w) in a region."""
        accumulates = self.spec.mask_accumulates
        flow = None if self.flow is None else region.read(self.flow)
        mask = None if self.mask is None else region.read(self.mask)
        for output in self.outputs:
            with_mask = accumulates or output is self.latest
            change = region.upsample(output.values[:, FLOW_AND_MASK if with_mask else FLOW], output.factor)
            flow = change[:, FLOW] if flow is None else flow + change[:, FLOW]
            if with_mask:
                mask = change[:, MASK] if mask is None or not accumulates else mask + change[:, MASK]
        if flow is None or mask is None:
            raise ValueError("no block has run yet")
        return flow, mask

    def dense(self, whole: Window) -> FlowEstimate:
        """The same estimate summed up at full size: for a caller that reads it there more than once."""
        if not self.outputs:
            return self
        return FlowEstimate(self.spec, *self.at(whole), [], self.latest)

    def swapped(self) -> FlowEstimate:
        """The same estimate with img0 and img1 exchanged."""
        flow = None if self.flow is None else swap_flow(self.flow)
        mask = None if self.mask is None else -self.mask
        outputs = [output.swapped() for output in self.outputs]
        return FlowEstimate(self.spec, flow, mask, outputs, outputs[-1] if outputs else None)

    def carried(self, region: Region) -> Tensor | None:
        """Features that the last block hands to the next, in a region; None for networks without."""
        if self.latest is None or self.spec.carried == 0:
            return None
        carried = slice(CARRIED_START, CARRIED_START + self.spec.carried)
        return region.upsample(self.latest.values[:, carried], self.latest.factor)


def farthest_px(output: BlockOutput, whole: Window) -> Tensor:
    """Largest change of flow in the frame, (B,): the smaller of the two flows' maxima, over both axes."""
    largest = largest_upsampled(output.flow, output.factor, height=whole.height, width=whole.width)
    both: Tensor = largest.reshape(-1, 2, 2).amax(dim=2).amin(dim=1)
    return both


class Stage(NamedTuple):
    """Flow, mask and warped frames after some block, in one region.

    flow: (B, 4, H, W) in pixels. mask: (B, 1, H, W) before its sigmoid. warped_img0, warped_img1: (B, 3, H, W).
    """

    flow: Tensor
    mask: Tensor
    warped_img0: Tensor
    warped_img1: Tensor

    def merged(self) -> Tensor:
        """Blend the two warped frames by the mask: (B, 3, H, W)."""
        return torch.lerp(self.warped_img1, self.warped_img0, torch.sigmoid(self.mask))

    def swapped(self) -> Stage:
        """The same stage with img0 and img1 exchanged."""
        return Stage(swap_flow(self.flow), -self.mask, self.warped_img1, self.warped_img0)


def stage_at(pair: Pair, estimate: FlowEstimate, region: Region) -> Stage:
    """Warp both frames by an estimate, in a region."""
    flow, mask = estimate.at(region)
    return Stage(flow, mask, region.warp(pair.img0, flow[:, FLOW0]), region.warp(pair.img1, flow[:, FLOW1]))


class BlockInput(NamedTuple):
    """The input of a block, in one region: its parts (`NetworkSpec.block_input`), frames and features warped.

    sources: both frames, unwarped. warped: both frames, warped. encoded: their encoder features, warped. mask, flow:
    as in `FlowEstimate`. carried: from the block before. Parts that the block does not take are empty or None.
    """

    sources: tuple[Tensor, ...]
    warped: tuple[Tensor, ...]
    encoded: tuple[Tensor, ...]
    mask: Tensor | None
    flow: Tensor | None
    carried: Tensor | None

    def downsampled(self, by: float, *, scale: float) -> BlockInput:
        """Downsample all parts by `by`, and rescale the flow to pixels of 1/`scale` of the frame's size."""
        if scale == 1:
            return self
        small = map_tensors(lambda x: resize(x, 1 / by), self)
        return small._replace(flow=None if small.flow is None else small.flow * (1 / scale))

    def swapped(self) -> BlockInput:
        """The same input with img0 and img1 exchanged."""
        mask = None if self.mask is None else -self.mask
        flow = None if self.flow is None else swap_flow(self.flow)
        return BlockInput(self.sources[::-1], self.warped[::-1], self.encoded[::-1], mask, flow, self.carried)

    def to_channels(
        self, parts: Sequence[InputPart], timestep: Tensor | None, *, truth: Tensor | None = None
    ) -> Tensor:
        """Concatenate parts in the order that the published weights expect: (B, C, h, w).

        Args:
            parts: `NetworkSpec.block_input` of the block.
            timestep: (B, 1, 1, 1).
            truth: (B, 3, h, w) the true frame, for the teacher.
        """
        size = (*self.sources, *self.warped)[0].shape[-2:]
        time = None if timestep is None else timestep.expand(-1, -1, *size)
        given: dict[str, tuple[Tensor | None, ...]] = {
            "sources": self.sources,
            "warped": self.warped,
            "encoded": self.encoded,
            "timestep": (time,),
            "mask": (self.mask,),
            "carried": (self.carried,),
            "truth": (truth,),
            "flow": (self.flow,),
        }
        return torch.cat([x for part in parts for x in given[part.name] if x is not None], 1)


def first_block_input(spec: NetworkSpec, pair: Pair, scale: float) -> BlockInput:
    """The input of the first block: both frames at 1/`scale`, and zero flow and mask if the block takes these."""
    img0, img1, *encoded = (resize(x, 1 / scale) for x in (pair.img0, pair.img1, *pair.encoded))
    if not spec.first_block_sees_flow:
        return BlockInput((img0, img1), (), tuple(encoded), None, None, None)
    zero = torch.zeros_like(img0[:, :1])
    return BlockInput((), (img0, img1), tuple(encoded), zero, zero.expand(-1, 4, -1, -1), None)


def block_input_at(pair: Pair, estimate: FlowEstimate, region: Region, *, stage: Stage | None = None) -> BlockInput:
    """The input of a later block at the frame's own size, in a region.

    Args:
        pair: the frames.
        estimate: the estimate so far, of one block at least.
        region: where.
        stage: `stage_at` of the same, if already computed.
    """
    stage = stage or stage_at(pair, estimate, region)
    sees_sources = estimate.spec.later_blocks_see_sources
    sources = (region.read(pair.img0), region.read(pair.img1)) if sees_sources else ()
    flows = stage.flow[:, FLOW0], stage.flow[:, FLOW1]
    encoded = tuple(region.warp(x, flow) for x, flow in zip(pair.encoded, flows, strict=False))
    warped = stage.warped_img0, stage.warped_img1
    return BlockInput(sources, warped, encoded, stage.mask, stage.flow, estimate.carried(region))


def later_block_input(pair: Pair, estimate: FlowEstimate, scale: float, *, tile: int | None) -> BlockInput:
    """The input of a later block at 1/`scale` of the frame's size, computed at the pixels that downsampling reads.

    Args:
        pair: the frames.
        estimate: the estimate so far; summed up at full size if `scale` is below 4, where all pixels are read.
        scale: size of the frame over the size at which the block works.
        tile: compute about tile x tile pixels at a time, to save memory.
    """
    whole = pair.whole
    if scale >= 4 and scale % 2 == 0:
        samples = SampleGrid(int(scale), whole.height, whole.width)
        return block_input_at(pair, estimate, samples).downsampled(2, scale=scale)
    if scale == 2 and tile is not None:
        bands = whole.bands(tile**2, multiple=2)
        inputs = [block_input_at(pair, estimate, band).downsampled(scale, scale=scale) for band in bands]
        return map_tensors(lambda *parts: torch.cat(parts, -2), *inputs)
    return block_input_at(pair, estimate, whole).downsampled(scale, scale=scale)
