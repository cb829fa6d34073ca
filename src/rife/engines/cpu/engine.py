"""A network on a processor: its convolutions, by whatever runs them, and kernels for all between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rife.engines.cpu.passes import Merged, Passes
from rife.errors import ShapeError
from rife.kernels.jit import are_kept
from rife.network.blocks import IFBlock, Low
from rife.network.encoder import FrameFeatures
from rife.network.estimate import NO_MOTION, Motion, Pair, farthest_px, first_sight, shrunk_sight
from rife.network.ifnet import IFNet
from rife.network.refine import REFINE_REACH_PX
from rife.network.regions import Window
from rife.options import Precision

_NEAR = 0.15
"""Of `restart_flow_px`: how near to it bf16 is not asked whether to start again. On pairs of the sample clips, what it
says of how far they move was off by 0.02 of that at most."""


class Pieces(Protocol):
    """A network's convolutions, on pictures (1, H, W, C): `rife.engines.openvino.subgraphs` says what each returns."""

    def block(self, index: int, scale: float, x: Tensor) -> Tensor:
        """Run one block."""

    def features(self, pixels: Tensor, *, refine: bool) -> Sequence[Tensor]:
        """Run what looks at one frame."""

    def residual(self, seen: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        """Run the refinement's encoder and decoder; more channels may follow those of the result."""


@dataclass(frozen=True)
class Form:
    """A network in one precision: the passes that fill what its convolutions take, and these."""

    network: IFNet
    passes: Passes
    pieces: Pieces


class ProcessorEngine:
    """Runs a network on the processor."""

    def __init__(self, form: Form, exact: Form, *, name: str, precision: Precision) -> None:
        """Take a network in the precision that is asked for, and in float32: the same, or for what has to be exact."""
        self.label, self.precision = f"{name} {precision}", precision
        self._form, self._exact, self._spec = form, exact, form.network.spec

    @property
    def preparation(self) -> str | None:
        """Kernels are compiled when they are first called."""
        return None if are_kept() else "compiles its kernels for this processor, once, about 15 seconds"

    @property
    def any_size(self) -> ProcessorEngine:
        """Kernels take any size; engines that compile for a size say what to do without."""
        return self

    @torch.no_grad()
    def features(self, img: Tensor, *, refine: bool = True, excess: Tensor | None = None) -> FrameFeatures:
        """Compute what depends on one frame alone."""
        _check_single(img)
        form = self._form
        pixels = form.passes.packed(img)
        beyond = None if excess is None else form.passes.packed(excess)
        refine = refine and form.network.refines
        encodes = self._spec.encoder is not None
        if not encodes and not refine:
            return FrameFeatures(None, [], pixels, beyond)
        maps = form.pieces.features(pixels.permute(0, 2, 3, 1), refine=refine)
        pictures = [x.permute(0, 3, 1, 2) for x in maps]
        return FrameFeatures(pictures[0] if encodes else None, pictures[encodes:], pixels, beyond)

    @torch.no_grad()
    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> Motion:
        """Run the blocks, on the whole frame: `tile` is for engines that divide it."""
        _check_single(pair.img0)
        form, limit_px = self._form, self._spec.restart_flow_px
        scales = form.network.scales(flow_scale)
        average = ensemble or self._spec.ensemble == "always"
        if limit_px is None:
            return self._blocks(form, pair, NO_MOTION, scales, range(len(scales)), average=average)[0]
        motion, moved_px = self._coarse(form, pair, scales, average=average)
        if form is not self._exact and abs(moved_px / limit_px - 1) < _NEAR:
            motion, moved_px = self._coarse(self._exact, pair, scales, average=average)
        if moved_px > limit_px:
            # Motion this large is where bf16 errs most, and these are small pictures.
            doubled = [2 * scale for scale in scales]
            every = range(len(scales))
            return self._blocks(self._exact, pair, NO_MOTION, doubled, every, average=average, restarted=True)[0]
        return self._blocks(form, pair, motion, scales, range(2, len(scales)), average=average)[0]

    @torch.no_grad()
    def finish(
        self, pair: Pair, motion: Motion, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Make a window of the new frame."""
        form, excess = self._form, _excess(pair)
        if not (refine and form.network.refines):
            made = form.passes.merged(_pixels(pair), motion, window, excess=excess)
            return (made.picture + made.carried if excess else made.picture)[None]
        shrink = form.network.contextnet.finest_shrink
        outer = window.grown(REFINE_REACH_PX, within=pair.whole, multiple=form.network.unet.multiple)
        made = form.passes.merged(_pixels(pair), motion, outer, excess=excess, seen_shrink=shrink)
        residual = self._residual(form, pair, made, outer)
        if ensemble or self._spec.ensemble == "always":
            other = form.passes.merged(_pixels(pair.swapped()), motion.swapped(), outer, seen_shrink=shrink)
            residual = (residual + self._residual(form, pair.swapped(), other, outer)) / 2
        return window.seen_from(outer).read(form.passes.corrected(made, residual)[None])

    @torch.no_grad()
    def carried(self, others: tuple[Tensor, Tensor], motion: Motion, window: Window) -> Tensor:
        """Take two other pictures the same way."""
        passes = self._form.passes
        packed = passes.packed(others[0]), passes.packed(others[1])
        return passes.merged(packed, motion, window, channels=others[0].shape[1]).picture[None]

    def _coarse(self, form: Form, pair: Pair, scales: list[float], *, average: bool) -> tuple[Motion, float]:
        """Run the two first blocks; also tell how far they move."""
        motion, second = self._blocks(form, pair, NO_MOTION, scales, range(2), average=average)
        return motion, float(farthest_px(second, pair.whole))

    def _blocks(
        self,
        form: Form,
        pair: Pair,
        motion: Motion,
        scales: Sequence[float],
        blocks: range,
        *,
        average: bool,
        restarted: bool = False,
    ) -> tuple[Motion, Low]:
        """Run some of the blocks, as `IFNet` does; also return what the last said of the frames in their own order."""
        for index in blocks:
            own = change = self._change(form, pair, motion, index, scales[index])
            # As published, the first block of a restart is not averaged.
            if average and not (restarted and index == 0):
                change = own.averaged(self._change(form, pair.swapped(), motion.swapped(), index, scales[index]))
            motion = motion.plus(change)
        return motion, own

    def _change(self, form: Form, pair: Pair, motion: Motion, index: int, scale: float) -> Low:
        """Run one block."""
        block = form.network.get_submodule(f"block{index}")
        assert isinstance(block, IFBlock)
        x = self._seen_by_block(form, pair, motion, index, scale)
        out = form.pieces.block(index, scale, x)
        return Low(out.permute(0, 3, 1, 2), block.low_factor(scale))

    def _seen_by_block(self, form: Form, pair: Pair, motion: Motion, index: int, scale: float) -> Tensor:
        if index > 0 and scale >= 1:
            timestep = 0.5 if pair.timestep is None else float(pair.timestep)
            return form.passes.seen_by_block(_pixels(pair), pair.encoded, motion, scale=int(scale), timestep=timestep)
        if index == 0:
            return first_sight(self._spec, pair, scale).joined(pair.timestep).permute(0, 2, 3, 1).contiguous()
        # Pictures that are larger than the frame are rare: PyTorch's way.
        sight = shrunk_sight(self._spec, pair, motion, scale, tile=None).joined(pair.timestep)
        return form.passes.in_lanes(sight)

    def _residual(self, form: Form, pair: Pair, made: Merged, window: Window) -> Tensor:
        """Tell how to correct a merged window, around 0.5."""
        maps = list(zip(pair.features0.context, pair.features1.context, strict=True))
        shrink = form.network.contextnet.finest_shrink
        contexts = form.passes.contexts(maps, made.flow, window, finest_shrink=shrink)
        return form.pieces.residual(made.seen[None], contexts)


def _pixels(pair: Pair) -> tuple[Tensor, Tensor]:
    first, second = pair.features0.pixels, pair.features1.pixels
    if first is None or second is None:
        raise ValueError("engine: expected features that it has computed itself")
    return first, second


def _excess(pair: Pair) -> tuple[Tensor, Tensor] | None:
    """What lies outside of [0, 1] in both frames; None if there is nothing in either."""
    first, second = pair.features0.excess, pair.features1.excess
    if first is None:
        return None if second is None else (torch.zeros_like(second), second)
    return first, torch.zeros_like(first) if second is None else second


def _check_single(img: Tensor) -> None:
    if img.shape[0] != 1:
        raise ShapeError(f"engine: expected one frame at a time, (1, 3, H, W), got {tuple(img.shape)}.")
