"""The engine that runs a network on the CPU: exchangeable subgraphs for convolutions, kernels for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rife.engines.cpu.passes import MergedWindow, Passes, TensorPair
from rife.errors import ShapeError
from rife.kernels.jit import are_cached
from rife.network import schedule
from rife.network.blocks import BlockOutput, IFBlock
from rife.network.encoder import FrameFeatures
from rife.network.estimate import FlowEstimate, Pair, first_block_input, later_block_input
from rife.network.ifnet import IFNet
from rife.network.regions import Window
from rife.network.specs import NetworkSpec
from rife.options import Precision


class Subgraphs(Protocol):
    """The convolutions of a network, on channels-last tensors (1, H, W, C).

    `rife.engines.openvino.subgraphs` defines the result of each.
    """

    def block(self, index: int, scale: float, x: Tensor) -> Tensor:
        """Run one block."""

    def features(self, pixels: Tensor, *, refine: bool) -> Sequence[Tensor]:
        """Run the networks that take one frame: encoder and context features."""

    def residual(self, unet_input: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        """Run the refinement's encoder and decoder; more channels may follow those of the result."""


@dataclass(frozen=True, eq=False)
class Variant:
    """A network in one precision: the operations of `rife.network.schedule` for it.

    Attributes:
        network: its modules and its row.
        passes: the steps between subgraphs.
        subgraphs: the convolutions.
        float32: the same network in float32; None if this one is.
    """

    network: IFNet
    passes: Passes
    subgraphs: Subgraphs
    float32: Variant | None = None

    @property
    def spec(self) -> NetworkSpec:
        """The network's row."""
        return self.network.spec

    @property
    def restart_px(self) -> float | None:
        """The row's limit."""
        return self.spec.restart_flow_px

    @property
    def refine_multiple(self) -> int | None:
        """The multiple of the Unet."""
        return self.network.unet.multiple if self.network.refines else None

    @property
    def exact(self) -> Variant:
        """The variant in float32."""
        return self.float32 or self

    def accumulate(self, pair: Pair, estimate: FlowEstimate) -> FlowEstimate:  # noqa: ARG002 (of `Operations`)
        """Nothing: kernels sum up the blocks' outputs where they read them."""
        return estimate

    def changes(
        self, pair: Pair, estimate: FlowEstimate, index: int, scale: float, *, both_orders: bool
    ) -> Sequence[BlockOutput]:
        """Run a block."""
        own = self._change(pair, estimate, index, scale)
        return [own, self._change(pair.swapped(), estimate.swapped(), index, scale)] if both_orders else [own]

    def warp_window(self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool) -> MergedWindow:
        """Warp and blend, in one pass."""
        shrink = self.network.contextnet.finest_shrink if refine else None
        images, out_of_range = _pixels(pair), _out_of_range(pair)
        return self.passes.merge(images, estimate, window, others=out_of_range, refine_shrink=shrink)

    def residuals(
        self, pair: Pair, estimate: FlowEstimate, merged: MergedWindow, window: Window, *, both_orders: bool
    ) -> Sequence[Tensor]:
        """Run the refinement; its input for the other order is another pass."""
        own = self._residual(pair, merged, window)
        if not both_orders:
            return [own]
        swapped, shrink = pair.swapped(), self.network.contextnet.finest_shrink
        other = self.passes.merge(_pixels(swapped), estimate.swapped(), window, refine_shrink=shrink)
        return [own, self._residual(swapped, other, window)]

    def frame(self, merged: MergedWindow, residual: Tensor | None) -> Tensor:
        """Correct the merged window, and add the values out of range."""
        if residual is not None:
            return self.passes.apply_residual(merged, residual)[None]
        return (merged.image + merged.others if len(merged.others) else merged.image)[None]

    def _change(self, pair: Pair, estimate: FlowEstimate, index: int, scale: float) -> BlockOutput:
        block = self.network.get_submodule(f"block{index}")
        assert isinstance(block, IFBlock)
        out = self.subgraphs.block(index, scale, self._block_input(pair, estimate, index, scale))
        return BlockOutput(out.permute(0, 3, 1, 2), block.output_factor(scale))

    def _block_input(self, pair: Pair, estimate: FlowEstimate, index: int, scale: float) -> Tensor:
        if index > 0 and scale >= 1:
            timestep = 0.5 if pair.timestep is None else float(pair.timestep)
            return self.passes.block_input(_pixels(pair), pair.encoded, estimate, scale=int(scale), timestep=timestep)
        parts = self.spec.block_input(index)
        if index == 0:
            x = first_block_input(self.spec, pair, scale).to_channels(parts, pair.timestep)
            return x.permute(0, 2, 3, 1).contiguous()
        # Blocks that work at more than the frame's size are rare: PyTorch computes their input.
        x = later_block_input(pair, estimate, scale, tile=None).to_channels(parts, pair.timestep)
        return self.passes.in_layout(x)

    def _residual(self, pair: Pair, merged: MergedWindow, window: Window) -> Tensor:
        maps = list(zip(pair.features0.context, pair.features1.context, strict=True))
        shrink = self.network.contextnet.finest_shrink
        contexts = self.passes.warp_contexts(maps, merged.flow, window, finest_shrink=shrink)
        return self.subgraphs.residual(merged.unet_input[None], contexts)


class CpuEngine:
    """Runs a network on the CPU."""

    def __init__(self, variant: Variant, *, name: str, precision: Precision) -> None:
        """Take a network in the precision that is asked for, with its float32 variant."""
        self.label, self.precision = f"{name} {precision}", precision
        self._variant = variant

    @property
    def preparation(self) -> str | None:
        """Kernels are compiled when they are first called."""
        return None if are_cached() else "compiles its kernels for this processor, once, about 15 seconds"

    @property
    def any_size(self) -> CpuEngine:
        """This engine: kernels take any size. Engines that compile for a size override this."""
        return self

    @torch.no_grad()
    def features(self, img: Tensor, *, refine: bool = True, out_of_range: Tensor | None = None) -> FrameFeatures:
        """Compute the features of one frame."""
        _check_one_frame(img)
        variant = self._variant
        pixels = variant.passes.pack(img)
        packed = None if out_of_range is None else variant.passes.pack(out_of_range)
        refine = refine and variant.network.refines
        encodes = variant.spec.encoder is not None
        if not encodes and not refine:
            return FrameFeatures(None, [], pixels, packed)
        maps = variant.subgraphs.features(pixels.permute(0, 2, 3, 1), refine=refine)
        images = [x.permute(0, 3, 1, 2) for x in maps]
        return FrameFeatures(images[0] if encodes else None, images[encodes:], pixels, packed)

    @torch.no_grad()
    def estimate(
        self,
        pair: Pair,
        *,
        flow_scale: float = 1.0,
        ensemble: bool = False,
        tile: int | None = None,  # noqa: ARG002 (of `Engine`)
    ) -> FlowEstimate:
        """Run the blocks on the whole frame: `tile` is for engines that divide it."""
        _check_one_frame(pair.img0)
        return schedule.estimate_flow(self._variant, pair, flow_scale=flow_scale, ensemble=ensemble)

    @torch.no_grad()
    def synthesize(
        self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Compute a window of the new frame."""
        return schedule.synthesize(self._variant, pair, estimate, window, refine=refine, ensemble=ensemble)

    @torch.no_grad()
    def blend(self, images: TensorPair, estimate: FlowEstimate, window: Window) -> Tensor:
        """Warp two other images by the flow, and blend them by the mask."""
        passes = self._variant.passes
        packed = passes.pack(images[0]), passes.pack(images[1])
        return passes.merge(packed, estimate, window, channels=images[0].shape[1]).image[None]


def _pixels(pair: Pair) -> TensorPair:
    first, second = pair.features0.pixels, pair.features1.pixels
    if first is None or second is None:
        raise ValueError("engine: expected features that it has computed itself")
    return first, second


def _out_of_range(pair: Pair) -> TensorPair | None:
    """Values outside of [0, 1] of both frames; None if neither frame has any."""
    first, second = pair.features0.out_of_range, pair.features1.out_of_range
    if first is None:
        return None if second is None else (torch.zeros_like(second), second)
    return first, torch.zeros_like(first) if second is None else second


def _check_one_frame(img: Tensor) -> None:
    if img.shape[0] != 1:
        raise ShapeError(f"engine: expected one frame at a time, (1, 3, H, W), got {tuple(img.shape)}.")
