"""The flow network of RIFE: one implementation of all releases, described by a `NetworkSpec`.

Basics:
    Input are two frames and a timestep between 0 and 1; output is the frame at that time. `IFNet.forward` is the
    network of the paper on whole frames, for training and study. `IFNet.pair`, `estimate` and `synthesize` compute the
    same frame in less time and memory: each part of the estimate where it is needed, and in tiles if asked to.

Architecture:
    1. Features of each source frame alone: an encoder (4.7 and later), context maps (networks with refinement).
    2. Blocks, coarse to fine. Each takes both frames warped by the flow so far, at 1/scale of their size, and changes
       flow and mask (section 3.2).
    3. Both frames are warped by the flow and blended by the mask.
    4. Networks with refinement add a residual, from the warped context maps (section 3.5).
    In training, a teacher block that takes the true frame guides the flow of every block (section 3.3).

Conventions:
    Frames are (B, 3, H, W), RGB in [0, 1]; height and width are multiples of `NetworkSpec.pad_multiple_at`.
    Flow is (B, 4, H, W) in pixels, from the new frame to img0 (channels 0-1) and to img1 (2-3): x right, y down, as in
    `rife.network.warp`.
    The mask is (B, 1, H, W), before its sigmoid unless stated; after it, it is the weight of warped_img0.
    Scales count from coarse to fine: block number i works at 1/scales[i] of the frame's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rife.errors import ShapeError
from rife.network import schedule
from rife.network.batching import join_rows, select_rows
from rife.network.blocks import BLOCK_REACH_PX, BLOCK_STEP_PX, BlockOutput, IFBlock
from rife.network.channels import FLOW0, FLOW1
from rife.network.distillation import Teaching, distilled
from rife.network.encoder import FrameFeatures, build_encoder
from rife.network.estimate import (
    BlockInput,
    FlowEstimate,
    Pair,
    Stage,
    block_input_at,
    first_block_input,
    later_block_input,
    stage_at,
)
from rife.network.layers import dtype_of
from rife.network.refine import Contextnet, Unet
from rife.network.regions import Window
from rife.network.specs import NetworkSpec


class Prediction(NamedTuple):
    """A new frame and how it came about.

    merged: (B, 3, H, W), refined if that was asked for. flow: (B, 4, H, W). mask: (B, 1, H, W) after its sigmoid.
    stages: one for each block, coarse to fine. teaching: with a ground truth only.
    """

    merged: Tensor
    flow: Tensor
    mask: Tensor
    stages: list[Stage]
    teaching: Teaching | None


class IFNet(nn.Module):
    """Any RIFE network: synthesizes the frame between two frames."""

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
            self.block_tea = IFBlock(spec, sum(part.channels for part in spec.teacher_input), spec.teacher_width)

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
    ) -> Prediction:
        """Synthesize the frame at `timestep`, with every stage at full size: for training and study.

        If you only need the frame, call `pair`, `estimate` and `synthesize`.

        Args:
            img0: (B, 3, H, W) in [0, 1].
            img1: (B, 3, H, W) in [0, 1].
            timestep: in (0, 1), a number or one for each sample (B,); 0.5 for networks with a fixed time.
            features0: `features(img0)`, if already computed; with context maps if `refine`.
            features1: `features(img1)`, likewise.
            refine: correct the merge, where the network has refinement.
            flow_scale: below 1 estimates flow on smaller frames (faster, larger motion), above 1 on larger.
            ensemble: average both frame orders, so that swapping the frames and t -> 1 - t gives the same frame.
                Where a network restarts on large motion, that holds up to the published restart, which is not averaged.
            ground_truth: (B, 3, H, W) true frame: runs the teacher, in training.

        Raises:
            ShapeError: frames differ, or their size does not suit the network.
            ValueError: a timestep, ensemble or teacher that this network does not have.
        """
        if ground_truth is not None and not hasattr(self, "block_tea"):
            raise ValueError("a ground truth needs the teacher: build the network with teacher=True")
        refine = refine and self.refines
        pair = self.pair(
            img0, img1, timestep, features0=features0, features1=features1, refine=refine, flow_scale=flow_scale
        )
        average = schedule.averages(self.spec, ensemble=ensemble)
        scales = schedule.block_scales(self.spec, flow_scale)
        far = self._moves_far(pair, scales, average=average)
        if far is not None and bool(far.any() and not far.all()):
            # Only the samples that move far restart: a batch equals a loop.
            options = {"refine": refine, "flow_scale": flow_scale, "ensemble": ensemble}
            restarted, others = (self._forward_rows(pair, rows, **options) for rows in (far, ~far))
            return join_rows(restarted, others, far)
        restarts = far is not None and bool(far.all())
        if restarts:
            scales = [2 * scale for scale in scales]

        estimate, stages = FlowEstimate.before_first_block(self.spec), list[Stage]()
        for index, scale in enumerate(scales):
            if index == 0:
                x = first_block_input(self.spec, pair, scale)
            else:
                x = block_input_at(pair, estimate, pair.whole, stage=stages[-1]).downsampled(scale, scale=scale)
            both_orders = schedule.averages_block(index, average=average, restarted=restarts)
            changes = self.run_block(pair, index, x, scale, both_orders=both_orders)
            estimate = estimate.plus(schedule.mean_change(changes)).dense(pair.whole)
            stages.append(stage_at(pair, estimate, pair.whole))

        last = stages[-1]
        merged = last.merged()
        if refine:
            residual = self.residual(pair, last, pair.whole)
            if average:
                residual = (residual + self.residual(pair.swapped(), last.swapped(), pair.whole)) / 2
            merged = corrected(merged, residual)
        teaching = None if ground_truth is None else self._teach(pair, estimate, stages, ground_truth)
        return Prediction(merged, last.flow, torch.sigmoid(last.mask), stages, teaching)

    def features(self, img: Tensor, *, refine: bool = True) -> FrameFeatures:
        """Compute the features of one frame; compute them once for all pairs and times of a frame.

        Args:
            img: (B, 3, H, W) in [0, 1].
            refine: include the context maps, if the network has them.
        """
        encoded = None
        if self.spec.encoder is not None:
            encoded = self.encode(img.to(dtype_of(self.encode))).to(img.dtype)
        return FrameFeatures(encoded, self.contextnet.features(img) if refine and self.refines else [])

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
        """Check two frames, and put together what `estimate` and `synthesize` take.

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
            tile: compute at full size in tiles of about tile x tile pixels. The result is the same to rounding.
        """
        return schedule.estimate_flow(self.operations(tile=tile), pair, flow_scale=flow_scale, ensemble=ensemble)

    def synthesize(
        self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Compute a window of the new frame: (B, 3, h, w) in [0, 1].

        Args:
            pair: from `pair`, with context maps if `refine`.
            estimate: from `estimate`.
            window: of the frame.
            refine: correct the merge, where the network has refinement.
            ensemble: as for `forward`.
        """
        return schedule.synthesize(self.operations(), pair, estimate, window, refine=refine, ensemble=ensemble)

    def operations(self, *, tile: int | None = None) -> TorchOperations:
        """The operations of the schedule, computed by PyTorch; with `tile`, at full size in tiles."""
        return TorchOperations(self, tile)

    def run_block(
        self, pair: Pair, index: int, x: BlockInput, scale: float, *, both_orders: bool
    ) -> Sequence[BlockOutput]:
        """Run one block on its input at 1/`scale`; with `both_orders`, also with img0 and img1 exchanged."""
        block, parts = self.get_submodule(f"block{index}"), self.spec.block_input(index)
        outputs = [block(x.to_channels(parts, pair.timestep), scale)]
        if both_orders:
            outputs.append(block(x.swapped().to_channels(parts, pair.swapped().timestep), scale))
        return outputs

    def residual(self, pair: Pair, stage: Stage, window: Window) -> Tensor:
        """Run the refinement on a window: (B, 3, h, w) in [0, 1], 0.5 for no correction."""
        c0 = self.contextnet.warp(pair.features0.context, stage.flow[:, FLOW0], window=window)
        c1 = self.contextnet.warp(pair.features1.context, stage.flow[:, FLOW1], window=window)
        img0, img1 = window.read(pair.img0), window.read(pair.img1)
        out: Tensor = self.unet(img0, img1, stage.warped_img0, stage.warped_img1, stage.mask, stage.flow, c0, c1)
        return out

    def _forward_rows(self, pair: Pair, rows: Tensor, **options: Any) -> Prediction:  # noqa: ANN401 (of `forward`)
        """`forward` for the samples of a batch that `rows` (B,) marks."""
        part = select_rows(pair, rows)
        options |= {"features0": part.features0, "features1": part.features1}
        timestep = 0.5 if part.timestep is None else part.timestep.flatten()
        prediction: Prediction = self(part.img0, part.img1, timestep, **options)
        return prediction

    def _moves_far(self, pair: Pair, scales: Sequence[float], *, average: bool) -> Tensor | None:
        """Whether the estimate of each sample restarts at doubled scales, (B,); None if it never does."""
        operations = self.operations()
        if operations.restart_px is None:
            return None
        return schedule.coarse_flow(operations, pair, scales, average=average)[1] > operations.restart_px

    def _teach(self, pair: Pair, estimate: FlowEstimate, stages: Sequence[Stage], ground_truth: Tensor) -> Teaching:
        """Run the teacher on the input that a further block would take, and the true frame."""
        x = block_input_at(pair, estimate, pair.whole, stage=stages[-1])
        change = self.block_tea(x.to_channels(self.spec.teacher_input, pair.timestep, truth=ground_truth), 1)
        return distilled(stage_at(pair, estimate.plus(change), pair.whole), stages, ground_truth)

    def _time(self, img: Tensor, timestep: float | Tensor) -> Tensor | None:
        """The timestep as (B, 1, 1, 1); None for networks with a fixed time."""
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


@dataclass(frozen=True, eq=False)
class TorchOperations:
    """The operations of `rife.network.schedule`, computed by PyTorch.

    Attributes:
        network: with its weights, in any precision.
        tile: side of the tiles in which full-size work is done; None for whole frames.
    """

    network: IFNet
    tile: int | None

    @property
    def spec(self) -> NetworkSpec:
        """The network's row."""
        return self.network.spec

    @property
    def restart_px(self) -> float | None:
        """The row's limit; none in training, as published."""
        return None if self.network.training else self.spec.restart_flow_px

    @property
    def refine_multiple(self) -> int | None:
        """The multiple of the Unet."""
        return self.network.unet.multiple if self.network.refines else None

    @property
    def exact(self) -> TorchOperations:
        """These: in bf16, the blocks that decide on a restart stay in float32 (`rife.engines.precision`)."""
        return self

    def accumulate(self, pair: Pair, estimate: FlowEstimate) -> FlowEstimate:
        """Sum up: the blocks that follow read every pixel."""
        return estimate.dense(pair.whole)

    def changes(
        self, pair: Pair, estimate: FlowEstimate, index: int, scale: float, *, both_orders: bool
    ) -> Sequence[BlockOutput]:
        """Run a block, at full size in tiles."""
        if index > 0 and scale <= 1 and self.tile is not None:
            return self._changes_in_tiles(pair, estimate, index, scale, self.tile, both_orders=both_orders)
        if index == 0:
            x = first_block_input(self.spec, pair, scale)
        else:
            x = later_block_input(pair, estimate, scale, tile=self.tile)
        return self.network.run_block(pair, index, x, scale, both_orders=both_orders)

    def warp_window(self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool) -> Stage:  # noqa: ARG002 (of `Operations`)
        """Warp both frames; `Stage.merged` blends them."""
        return stage_at(pair, estimate, window)

    def residuals(
        self,
        pair: Pair,
        estimate: FlowEstimate,  # noqa: ARG002 (of `Operations`)
        merged: Stage,
        window: Window,
        *,
        both_orders: bool,
    ) -> Sequence[Tensor]:
        """Run the refinement."""
        own = self.network.residual(pair, merged, window)
        return [own, self.network.residual(pair.swapped(), merged.swapped(), window)] if both_orders else [own]

    def frame(self, merged: Stage, residual: Tensor | None) -> Tensor:
        """Blend, and correct."""
        return merged.merged() if residual is None else corrected(merged.merged(), residual)

    def _changes_in_tiles(
        self, pair: Pair, estimate: FlowEstimate, index: int, scale: float, tile: int, *, both_orders: bool
    ) -> Sequence[BlockOutput]:
        """Run a block in tiles that overlap by the block's receptive field."""
        parts = []
        for window in pair.whole.tiles(tile, multiple=BLOCK_STEP_PX):
            outer = window.grown(BLOCK_REACH_PX, within=pair.whole, multiple=BLOCK_STEP_PX)
            x = block_input_at(pair, estimate, outer).downsampled(scale, scale=scale)
            outputs, inner = (
                self.network.run_block(pair, index, x, scale, both_orders=both_orders),
                window.relative_to(outer),
            )
            parts.append([(window, inner.read(x.values, shrink=x.factor)) for x in outputs])
        factor = outputs[0].factor
        return [BlockOutput(pair.whole.assembled(order, shrink=factor), factor) for order in zip(*parts, strict=True)]


def corrected(merged: Tensor, residual: Tensor) -> Tensor:
    """Correct a merged frame by a residual in [0, 1] (section 3.5)."""
    return torch.clamp(merged + residual * 2 - 1, 0, 1)
