"""A network on a processor: its convolutions, by whatever runs them, and kernels for all between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rife.engines.cpu.passes import MergedWindow, Passes
from rife.errors import ShapeError
from rife.kernels.jit import are_cached
from rife.network.blocks import BlockOutput, IFBlock
from rife.network.encoder import FrameFeatures
from rife.network.estimate import NO_ESTIMATE, FlowEstimate, Pair, farthest_px, first_block_input, shrunk_block_input
from rife.network.ifnet import IFNet
from rife.network.refine import REFINE_REACH_PX
from rife.network.regions import Window
from rife.options import Precision

_NEAR = 0.15
"""Of `restart_flow_px`: how near to it bf16 is not asked whether to start again. On pairs of the sample clips, what it
says of how far they move was off by 0.02 of that at most."""


class Subgraphs(Protocol):
    """A network's convolutions, on pictures (1, H, W, C): `rife.engines.openvino.subgraphs` says what each returns."""

    def block(self, index: int, scale: float, x: Tensor) -> Tensor:
        """Run one block."""

    def features(self, pixels: Tensor, *, refine: bool) -> Sequence[Tensor]:
        """Run what looks at one frame."""

    def residual(self, seen: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        """Run the refinement's encoder and decoder; more channels may follow those of the result."""


@dataclass(frozen=True)
class Variant:
    """A network in one precision: the passes that fill what its convolutions take, and these."""

    network: IFNet
    passes: Passes
    subgraphs: Subgraphs


class CpuEngine:
    """Runs a network on the processor."""

    def __init__(self, variant: Variant, exact: Variant, *, name: str, precision: Precision) -> None:
        """Take a network in the precision that is asked for, and in float32: the same, or for what has to be exact."""
        self.label, self.precision = f"{name} {precision}", precision
        self._variant, self._exact, self._spec = variant, exact, variant.network.spec

    @property
    def preparation(self) -> str | None:
        """Kernels are compiled when they are first called."""
        return None if are_cached() else "compiles its kernels for this processor, once, about 15 seconds"

    @property
    def any_size(self) -> CpuEngine:
        """Kernels take any size; engines that compile for a size say what to do without."""
        return self

    @torch.no_grad()
    def features(self, img: Tensor, *, refine: bool = True, out_of_range: Tensor | None = None) -> FrameFeatures:
        """Compute what depends on one frame alone."""
        _check_one_frame(img)
        variant = self._variant
        pixels = variant.passes.pack(img)
        beyond = None if out_of_range is None else variant.passes.pack(out_of_range)
        refine = refine and variant.network.refines
        encodes = self._spec.encoder is not None
        if not encodes and not refine:
            return FrameFeatures(None, [], pixels, beyond)
        maps = variant.subgraphs.features(pixels.permute(0, 2, 3, 1), refine=refine)
        pictures = [x.permute(0, 3, 1, 2) for x in maps]
        return FrameFeatures(pictures[0] if encodes else None, pictures[encodes:], pixels, beyond)

    @torch.no_grad()
    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> FlowEstimate:
        """Run the blocks, on the whole frame: `tile` is for engines that divide it."""
        _check_one_frame(pair.img0)
        variant, limit_px = self._variant, self._spec.restart_flow_px
        scales = variant.network.scales(flow_scale)
        average = ensemble or self._spec.ensemble == "always"
        if limit_px is None:
            return self._blocks(variant, pair, NO_ESTIMATE, scales, range(len(scales)), average=average)[0]
        estimate, moved_px = self._coarse(variant, pair, scales, average=average)
        if variant is not self._exact and abs(moved_px / limit_px - 1) < _NEAR:
            estimate, moved_px = self._coarse(self._exact, pair, scales, average=average)
        if moved_px > limit_px:
            # Motion this large is where bf16 errs most, and these are small pictures.
            doubled = [2 * scale for scale in scales]
            every = range(len(scales))
            return self._blocks(self._exact, pair, NO_ESTIMATE, doubled, every, average=average, restarted=True)[0]
        return self._blocks(variant, pair, estimate, scales, range(2, len(scales)), average=average)[0]

    @torch.no_grad()
    def synthesize(
        self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Make a window of the new frame."""
        variant, out_of_range = self._variant, _out_of_range(pair)
        if not (refine and variant.network.refines):
            made = variant.passes.merge(_pixels(pair), estimate, window, out_of_range=out_of_range)
            return (made.picture + made.carried if out_of_range else made.picture)[None]
        shrink = variant.network.contextnet.finest_shrink
        outer = window.grown(REFINE_REACH_PX, within=pair.whole, multiple=variant.network.unet.multiple)
        made = variant.passes.merge(_pixels(pair), estimate, outer, out_of_range=out_of_range, seen_shrink=shrink)
        residual = self._residual(variant, pair, made, outer)
        if ensemble or self._spec.ensemble == "always":
            other = variant.passes.merge(_pixels(pair.swapped()), estimate.swapped(), outer, seen_shrink=shrink)
            residual = (residual + self._residual(variant, pair.swapped(), other, outer)) / 2
        return window.seen_from(outer).read(variant.passes.apply_residual(made, residual)[None])

    @torch.no_grad()
    def blend(self, images: tuple[Tensor, Tensor], estimate: FlowEstimate, window: Window) -> Tensor:
        """Take two other pictures the same way."""
        passes = self._variant.passes
        packed = passes.pack(images[0]), passes.pack(images[1])
        return passes.merge(packed, estimate, window, channels=images[0].shape[1]).picture[None]

    def _coarse(
        self, variant: Variant, pair: Pair, scales: list[float], *, average: bool
    ) -> tuple[FlowEstimate, float]:
        """Run the two first blocks; also tell how far they move."""
        estimate, second = self._blocks(variant, pair, NO_ESTIMATE, scales, range(2), average=average)
        return estimate, float(farthest_px(second, pair.whole))

    def _blocks(
        self,
        variant: Variant,
        pair: Pair,
        estimate: FlowEstimate,
        scales: Sequence[float],
        blocks: range,
        *,
        average: bool,
        restarted: bool = False,
    ) -> tuple[FlowEstimate, BlockOutput]:
        """Run some of the blocks, as `IFNet` does; also return what the last said of the frames in their own order."""
        for index in blocks:
            own = change = self._change(variant, pair, estimate, index, scales[index])
            # As published, the first block of a restart is not averaged.
            if average and not (restarted and index == 0):
                change = own.averaged(self._change(variant, pair.swapped(), estimate.swapped(), index, scales[index]))
            estimate = estimate.plus(change)
        return estimate, own

    def _change(self, variant: Variant, pair: Pair, estimate: FlowEstimate, index: int, scale: float) -> BlockOutput:
        """Run one block."""
        block = variant.network.get_submodule(f"block{index}")
        assert isinstance(block, IFBlock)
        x = self._block_input(variant, pair, estimate, index, scale)
        out = variant.subgraphs.block(index, scale, x)
        return BlockOutput(out.permute(0, 3, 1, 2), block.output_factor(scale))

    def _block_input(self, variant: Variant, pair: Pair, estimate: FlowEstimate, index: int, scale: float) -> Tensor:
        if index > 0 and scale >= 1:
            timestep = 0.5 if pair.timestep is None else float(pair.timestep)
            return variant.passes.block_input(
                _pixels(pair), pair.encoded, estimate, scale=int(scale), timestep=timestep
            )
        if index == 0:
            return (
                first_block_input(self._spec, pair, scale).to_channels(pair.timestep).permute(0, 2, 3, 1).contiguous()
            )
        # Pictures that are larger than the frame are rare: PyTorch's way.
        sight = shrunk_block_input(self._spec, pair, estimate, scale, tile=None).to_channels(pair.timestep)
        return variant.passes.in_layout(sight)

    def _residual(self, variant: Variant, pair: Pair, made: MergedWindow, window: Window) -> Tensor:
        """Tell how to correct a merged window, around 0.5."""
        maps = list(zip(pair.features0.context, pair.features1.context, strict=True))
        shrink = variant.network.contextnet.finest_shrink
        contexts = variant.passes.warp_contexts(maps, made.flow, window, finest_shrink=shrink)
        return variant.subgraphs.residual(made.seen[None], contexts)


def _pixels(pair: Pair) -> tuple[Tensor, Tensor]:
    first, second = pair.features0.pixels, pair.features1.pixels
    if first is None or second is None:
        raise ValueError("engine: expected features that it has computed itself")
    return first, second


def _out_of_range(pair: Pair) -> tuple[Tensor, Tensor] | None:
    """What lies outside of [0, 1] in both frames; None if there is nothing in either."""
    first, second = pair.features0.out_of_range, pair.features1.out_of_range
    if first is None:
        return None if second is None else (torch.zeros_like(second), second)
    return first, torch.zeros_like(first) if second is None else second


def _check_one_frame(img: Tensor) -> None:
    if img.shape[0] != 1:
        raise ShapeError(f"engine: expected one frame at a time, (1, 3, H, W), got {tuple(img.shape)}.")
