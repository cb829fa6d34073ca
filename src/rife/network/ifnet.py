"""The flow network of RIFE: one implementation, driven by a `NetworkSpec`.

A coarse-to-fine stack of blocks estimates the flow from the new frame to both source frames, and a mask
that weighs the two warped frames (RIFE, section 3.2). Where the network has them, context features and a
residual network correct the merge (section 3.5), and a privileged teacher block, which sees the true
frame, distils its flow into the student (section 3.3).

Conventions: frames are (B, 3, H, W) in [0, 1]; flow is that of `rife.network.warp`, channels 0-1 reading img0 and
2-3 reading img1; the mask is the weight of warped_img0. Height and width are multiples of
`NetworkSpec.pad_multiple`, times 1 / flow_scale where that is below 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rife.errors import ShapeError
from rife.network.batching import join_rows, map_tensors, select_rows
from rife.network.blocks import BLOCK_REACH_PX, BLOCK_STEP_PX, BlockOutput, IFBlock
from rife.network.distillation import Teaching, distilled
from rife.network.encoder import FrameFeatures, build_encoder
from rife.network.estimate import (
    NO_ESTIMATE,
    BlockInput,
    FlowEstimate,
    Pair,
    block_input_at,
    farthest_px,
    first_block_input,
    shrunk_block_input,
)
from rife.network.layers import dtype_of
from rife.network.refine import REFINE_REACH_PX, Contextnet, Unet
from rife.network.regions import Window
from rife.network.specs import NetworkSpec


class Stage(NamedTuple):
    """State of the estimate after one block.

    flow: (B, 4, H, W) in pixels. mask: (B, 1, H, W) before its sigmoid. warped_img0, warped_img1: the frames
    read through the flow.
    """

    flow: Tensor
    mask: Tensor
    warped_img0: Tensor
    warped_img1: Tensor

    def merged(self) -> Tensor:
        """Blend the two warped frames by the mask: (B, 3, H, W)."""
        return torch.lerp(self.warped_img1, self.warped_img0, torch.sigmoid(self.mask))


class Estimate(NamedTuple):
    """A new frame and how it came about.

    merged: (B, 3, H, W), refined if that was asked for. flow: (B, 4, H, W). mask: (B, 1, H, W) after its
    sigmoid. stages: one for each block, coarse to fine. teaching: with a ground truth only.
    """

    merged: Tensor
    flow: Tensor
    mask: Tensor
    stages: list[Stage]
    teaching: Teaching | None


class IFNet(nn.Module):
    """Any RIFE network: estimates the frame between two frames."""

    def __init__(self, spec: NetworkSpec, *, refine: bool = True, teacher: bool = False) -> None:
        """Build the network with fresh weights.

        Args:
            spec: which network.
            refine: build contextnet and unet, if the network has them.
            teacher: build the teacher block too, for training.

        Raises:
            ValueError: a teacher is asked for and `spec` defines none.
        """
        super().__init__()
        self.spec = spec
        for index, width in enumerate(spec.widths):
            self.add_module(f"block{index}", IFBlock(spec, spec.input_channels(index), width))
        if spec.encoder is not None:
            self.encode = build_encoder(spec.encoder)
        self.refines = refine and spec.refines
        if self.refines:
            finest_shrink = 1 if spec.half_downsampling else 2
            self.contextnet = Contextnet(finest_shrink=finest_shrink)
            self.unet = Unet(finest_shrink=finest_shrink)
        if teacher:
            if spec.teacher_width is None:
                raise ValueError(f"network {spec.name} has no teacher: train IFNet or IFNet_m, which do")
            # The teacher takes what the last block takes, and the true frame.
            self.block_tea = IFBlock(spec, spec.input_channels(len(spec.widths) - 1) + 3, spec.teacher_width)

    def features(self, img: Tensor, *, refine: bool = True) -> FrameFeatures:
        """Compute what depends on one frame alone; compute it once for all pairs and times of a frame.

        Args:
            img: (B, 3, H, W) in [0, 1].
            refine: include the context maps, if the network has them.
        """
        encoded = None
        if self.spec.encoder is not None:
            encoded = self.encode(img.to(dtype_of(self.encode))).to(img.dtype)
        return FrameFeatures(encoded, self.contextnet.features(img) if refine and self.refines else [])

    def forward(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Tensor = 0.5,
        *,
        features0: FrameFeatures | None = None,
        features1: FrameFeatures | None = None,
        refine: bool = True,
        flow_scale: float = 1.0,
        ensemble: bool = False,
        ground_truth: Tensor | None = None,
    ) -> Estimate:
        """Estimate the frame at `timestep` between two frames, and keep every stage: for training and study.

        Who only wants the frame takes `pair`, `estimate` and `synthesize`, the same in less time and memory.

        Args:
            img0: (B, 3, H, W) in [0, 1].
            img1: (B, 3, H, W) in [0, 1].
            timestep: in (0, 1), a number or one for each sample (B,); 0.5 for networks with a fixed time.
            features0: `features(img0)`, if at hand; with context maps if `refine`.
            features1: `features(img1)`, likewise.
            refine: correct the merge, where the network has refinement.
            flow_scale: below 1 estimates flow on smaller pictures (faster, larger motion), above 1 on larger.
            ensemble: average both frame orders, so that swapping the frames and t -> 1 - t gives the same picture.
                Where a network restarts on large motion, that is so up to the published restart, which is not averaged.
            ground_truth: (B, 3, H, W) true frame: asks for the teacher, in training.

        Raises:
            ShapeError: frames differ, or their size does not suit the network.
            ValueError: a timestep, ensemble or teacher that this network does not have.
        """
        refine = refine and self.refines
        pair = self.pair(
            img0, img1, timestep, features0=features0, features1=features1, refine=refine, flow_scale=flow_scale
        )
        average = self._averages(ensemble)
        estimate, inputs = self._estimate(pair, self.scales(flow_scale), average, keep=True, tile=None)
        last = inputs[-1]
        merged = last.merged()
        teaching = None if ground_truth is None else self._teach(pair, estimate, inputs, ground_truth)
        if refine:
            merged = self._refined(merged, pair, last, pair.whole, average)
        stages = [Stage(s.flow, s.mask, *s.warped) for s in inputs]
        return Estimate(merged, last.flow, torch.sigmoid(last.mask), stages, teaching)

    def pair(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Tensor = 0.5,
        *,
        features0: FrameFeatures | None = None,
        features1: FrameFeatures | None = None,
        refine: bool = True,
        flow_scale: float = 1.0,
    ) -> Pair:
        """Check two frames and put together what `estimate` and `synthesize` take.

        Args and errors are those of `forward`.
        """
        self._check(img0, img1, flow_scale)
        return Pair(
            img0,
            img1,
            features0 or self.features(img0, refine=refine),
            features1 or self.features(img1, refine=refine),
            self._time(img0, timestep),
        )

    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> FlowEstimate:
        """Run the blocks, coarse to fine.

        Args:
            pair: from `pair`.
            flow_scale: as for `forward`.
            ensemble: as for `forward`.
            tile: do the full-size work on about tile x tile pixels at a time. The result is the same to rounding.
        """
        return self._estimate(pair, self.scales(flow_scale), self._averages(ensemble), keep=False, tile=tile)[0]

    def synthesize(
        self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> tuple[Tensor, BlockInput]:
        """Make the new frame, or a window of it.

        Args:
            pair: from `pair`, with context maps if `refine`.
            estimate: from `estimate`.
            window: what to make; with refinement, a little around it is computed too and cut off.
            refine: correct the merge, where the network has refinement.
            ensemble: as for `forward`.

        Returns:
            The window of the new frame, (B, 3, h, w) in [0, 1], and what it was merged from.
        """
        refine = refine and self.refines
        outer = window
        if refine:
            outer = window.grown(REFINE_REACH_PX, within=pair.whole, multiple=self.unet.multiple)
        block_input = block_input_at(self.spec, pair, estimate, outer, for_block=False)
        merged = block_input.merged()
        if refine:
            merged = self._refined(merged, pair, block_input, outer, self._averages(ensemble))
        inner = window.seen_from(outer)
        return inner.read(merged), map_tensors(inner.read, block_input)

    def coarse(
        self,
        pair: Pair,
        scales: Sequence[float],
        *,
        average: bool = False,
        restarted: bool = False,
        inputs: list[BlockInput] | None = None,
        tile: int | None = None,
    ) -> tuple[FlowEstimate, Tensor | None]:
        """Run the two first blocks: `estimate` up to the point where it may have to start again.

        Args:
            pair: from `pair`.
            scales: of all blocks, from `scales`; doubled in a restart.
            average: average both frame orders.
            restarted: the scales are doubled already.
            inputs: takes what every block leaves, at full size, if that is wanted.
            tile: as for `estimate`.

        Returns:
            The estimate so far, and (B,) how far each sample moves: beyond `restart_flow_px`, it has to start again at
            doubled scales. None for networks that do not, and in training.
        """
        estimate, second = self._advanced(pair, NO_ESTIMATE, scales, range(2), average, restarted, inputs, tile)
        decides = self.spec.restart_flow_px is not None and not restarted and not self.training
        return estimate, farthest_px(second, pair.whole) if decides else None

    def fine(
        self,
        pair: Pair,
        estimate: FlowEstimate,
        scales: Sequence[float],
        *,
        average: bool = False,
        inputs: list[BlockInput] | None = None,
        tile: int | None = None,
    ) -> FlowEstimate:
        """Run the blocks that follow on `coarse`, with the same arguments."""
        return self._advanced(pair, estimate, scales, range(2, len(scales)), average, False, inputs, tile)[0]

    def scales(self, flow_scale: float = 1.0) -> list[float]:
        """How much smaller than the frame each block works."""
        return [scale / flow_scale for scale in self.spec.scales]

    def _estimate(
        self, pair: Pair, scales: list[float], average: bool, *, keep: bool, tile: int | None, restarted: bool = False
    ) -> tuple[FlowEstimate, list[BlockInput]]:
        """Estimate the motion; with `keep`, also what every block left, at full size."""
        inputs: list[BlockInput] = []
        kept = inputs if keep else None
        estimate, moved_px = self.coarse(pair, scales, average=average, restarted=restarted, inputs=kept, tile=tile)
        limit_px = self.spec.restart_flow_px
        far = None if moved_px is None or limit_px is None else moved_px > limit_px
        if far is None or not bool(far.any()):
            return self.fine(pair, estimate, scales, average=average, inputs=kept, tile=tile), inputs
        # Only the samples that moved far start again: a batch equals a loop.
        doubled = [2 * s for s in scales]
        if bool(far.all()):
            return self._estimate(pair, doubled, average, keep=keep, tile=tile, restarted=True)
        moved = self._estimate(select_rows(pair, far), doubled, average, keep=keep, tile=tile, restarted=True)
        stayed = self._estimate(select_rows(pair, ~far), scales, average, keep=keep, tile=tile)
        a, b = (
            self._settled(part, x[0])._replace(latest=None)
            for part, x in ((select_rows(pair, far), moved), (select_rows(pair, ~far), stayed))
        )
        return join_rows(a, b, far), join_rows(moved[1], stayed[1], far)

    def _advanced(
        self,
        pair: Pair,
        estimate: FlowEstimate,
        scales: Sequence[float],
        blocks: range,
        average: bool,
        restarted: bool,
        inputs: list[BlockInput] | None,
        tile: int | None,
    ) -> tuple[FlowEstimate, BlockOutput]:
        """Run some of the blocks; also returns what the last of them said of the frames in their own order."""
        for index in blocks:
            # As published, the first block of a restart is not averaged.
            both = average and not (restarted and index == 0)
            scale = scales[index]
            if index > 0 and scale < 4:
                estimate = self._settled(pair, estimate)
            if index > 0 and scale <= 1 and inputs is None and tile is not None:
                estimate = estimate.plus(own := self._change_in_tiles(pair, estimate, index, scale, both, tile))
                continue
            if index == 0:
                block_input = first_block_input(self.spec, pair, scale)
            elif inputs is not None:
                block_input = inputs[-1].shrunk(scale, scale)
            else:
                block_input = shrunk_block_input(self.spec, pair, estimate, scale, tile=tile)
            own, change = self._change(pair, index, block_input, scale, both)
            estimate = estimate.plus(change)
            if inputs is not None:
                estimate = self._settled(pair, estimate)
                inputs.append(block_input_at(self.spec, pair, estimate, pair.whole))
        return estimate, own

    def _change(
        self, pair: Pair, index: int, block_input: BlockInput, scale: float, both: bool
    ) -> tuple[BlockOutput, BlockOutput]:
        """What a block makes of the frames in their own order, and the mean of that and of the other order."""
        block = self.get_submodule(f"block{index}")
        own: BlockOutput = block(block_input.to_channels(pair.timestep), scale)
        if not both:
            return own, own
        return own, own.averaged(block(block_input.swapped().to_channels(pair.backwards), scale))

    def _change_in_tiles(
        self, pair: Pair, estimate: FlowEstimate, index: int, scale: float, both: bool, tile: int
    ) -> BlockOutput:
        """The same at full size, in tiles that overlap by all that a block sees around a pixel."""
        parts = []
        for window in pair.whole.tiles(tile, multiple=BLOCK_STEP_PX):
            outer = window.grown(BLOCK_REACH_PX, within=pair.whole, multiple=BLOCK_STEP_PX)
            block_input = block_input_at(self.spec, pair, estimate, outer).shrunk(scale, scale)
            output = self._change(pair, index, block_input, scale, both)[1]
            parts.append((window, window.seen_from(outer).read(output.values, shrink=output.factor)))
        return BlockOutput(pair.whole.assembled(parts, shrink=output.factor), output.factor)

    def _settled(self, pair: Pair, estimate: FlowEstimate) -> FlowEstimate:
        return estimate.dense(pair.whole, mask_accumulates=self.spec.mask_accumulates)

    def _refined(self, merged: Tensor, pair: Pair, block_input: BlockInput, window: Window, average: bool) -> Tensor:
        """Correct a merge (section 3.5)."""
        residual = self._residual(pair, block_input, window)
        if average:
            residual = (residual + self._residual(pair.swapped(), block_input.swapped(), window)) / 2
        return torch.clamp(merged + residual * 2 - 1, 0, 1)

    def _residual(self, pair: Pair, block_input: BlockInput, window: Window) -> Tensor:
        """The refinement's correction, in [0, 1] around 0.5."""
        c0 = self.contextnet.warp(pair.features0.context, block_input.flow[:, :2], window=window)
        c1 = self.contextnet.warp(pair.features1.context, block_input.flow[:, 2:], window=window)
        img0, img1 = window.read(pair.img0), window.read(pair.img1)
        out: Tensor = self.unet(img0, img1, *block_input.warped, block_input.mask, block_input.flow, c0, c1)
        return out

    def _teach(self, pair: Pair, estimate: FlowEstimate, inputs: list[BlockInput], ground_truth: Tensor) -> Teaching:
        """Run the teacher on what the last stage left."""
        if not hasattr(self, "block_tea"):
            raise ValueError("a ground truth needs the teacher: build the network with teacher=True")
        # The teacher takes what the last block takes, and the true frame before the flow.
        x = inputs[-1]._replace(carried=ground_truth).to_channels(pair.timestep)
        teacher = block_input_at(self.spec, pair, estimate.plus(self.block_tea(x, 1)), pair.whole, for_block=False)
        return distilled(teacher, inputs, ground_truth)

    def _averages(self, ensemble: bool) -> bool:
        if ensemble and self.spec.ensemble == "never":
            raise ValueError(f"network {self.spec.name} does not support averaging both frame orders")
        return ensemble or self.spec.ensemble == "always"

    def _time(self, img: Tensor, timestep: float | Tensor) -> Tensor | None:
        """The timestep as (B, 1, 1, 1); None for networks whose time is fixed."""
        if not self.spec.any_time:
            if isinstance(timestep, Tensor) or timestep != 0.5:
                raise ValueError(f"network {self.spec.name} makes only the middle frame, t = 0.5; got {timestep}")
            return None
        if isinstance(timestep, Tensor):
            return timestep.to(img).reshape(-1, 1, 1, 1).expand(img.shape[0], 1, 1, 1)
        return img.new_full((img.shape[0], 1, 1, 1), timestep)

    def _check(self, img0: Tensor, img1: Tensor, flow_scale: float) -> None:
        if img0.dim() != 4 or img0.shape[1] != 3 or img0.shape != img1.shape:
            raise ShapeError(
                f"network {self.spec.name}: expected two frames of the same (B, 3, H, W), "
                f"got {tuple(img0.shape)} and {tuple(img1.shape)}."
            )
        multiple = self.spec.pad_multiple_at(flow_scale)
        height, width = img0.shape[2:]
        if height % multiple or width % multiple:
            raise ShapeError(
                f"network {self.spec.name}: height and width must be multiples of {multiple}, "
                f"got {height} x {width}. rife.Interpolator pads frames of any size."
            )
