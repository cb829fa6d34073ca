"""OpenVINO on a processor: the same network as compiled graphs, in float32, or with its convolutions in bf16."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from rife.encoder import FrameFeatures
from rife.engines.graphs import Graph, GraphStore
from rife.engines.pieces import (
    Blocks,
    Carried,
    Coarse,
    Features,
    Fine,
    Finish,
    MotionForm,
    flat_motion,
)
from rife.engines.precision import in_bf16
from rife.errors import ShapeError
from rife.ifnet import IFNet
from rife.motion import Motion, Pair
from rife.options import Precision
from rife.places import Window

_FORM_SIDE_PX = 1 << 9
"""More than any padding needs."""


_NEAR = 0.15
"""Of `restart_flow_px`: how near to it bf16 is not asked whether to start again. On pairs of the sample clips, what it
says of how far they move was off by 0.02 of that at most."""


class OpenVinoEngine:
    """Runs a network on the processor. Each size that it meets is compiled once, and kept on disk."""

    def __init__(self, network: IFNet, *, precision: Precision, threads: int | None = None) -> None:
        """Take a network with its weights.

        Args:
            network: on the CPU.
            precision: `float32` or `bf16`.
            threads: how many it may use; all cores if None.

        Raises:
            MissingExtraError: OpenVINO is not installed.
        """
        self.label, self.precision = f"openvino {precision}", precision
        self.graphs = GraphStore(network, threads=threads)
        self._exact = self._network = network
        if precision == "bf16":
            # Contiguous: OpenVINO takes bf16 weights in the order in which they lie in memory.
            self._network = in_bf16(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._forms: dict[str, MotionForm] = {}

    @torch.no_grad()
    def features(self, img: Tensor, *, refine: bool = True) -> FrameFeatures:
        """Compute what depends on one frame alone."""
        encodes = self._network.spec.encoder is not None
        refine = refine and self._network.refines
        if not encodes and not refine:
            return FrameFeatures(None, [])
        _check_single(img)
        graph = self._graph(f"features {refine}", lambda: Features(self._network, refine=refine), [img])
        out = graph(img)
        return FrameFeatures(out[0], out[1:]) if encodes else FrameFeatures(None, out)

    @torch.no_grad()
    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> Motion:
        """Run the blocks. `tile` is not needed: graphs reuse their memory."""
        _check_single(pair.img0)
        scales = self._network.scales(flow_scale)
        average = ensemble or self._network.spec.ensemble == "always"
        time = torch.zeros(1, 1, 1, 1) if pair.timestep is None else pair.timestep
        inputs = [pair.img0, pair.img1, time, *pair.encoded]
        limit_px = self._network.spec.restart_flow_px
        if limit_px is None:
            return self._blocks(self._network, inputs, scales, average=average, restarted=False)
        network = self._network
        motion, moved_px = self._coarse(network, inputs, scales, average=average)
        if network is not self._exact and abs(moved_px / limit_px - 1) < _NEAR:
            motion, moved_px = self._coarse(self._exact, inputs, scales, average=average)
        if moved_px > limit_px:
            # Motion this large is where bf16 errs most, and these are small pictures.
            return self._blocks(self._exact, inputs, [2 * s for s in scales], average=average, restarted=True)
        form = MotionForm(motion)
        key = f"fine {scales} {average} {form.key}"
        out, form = self._run(
            key, network, lambda n: Fine(n, scales, form, average=average), [*inputs, *flat_motion(motion)]
        )
        return form.motion(out)

    @torch.no_grad()
    def finish(
        self, pair: Pair, motion: Motion, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Make a window of the new frame."""
        network = self._network
        refine = refine and network.refines
        form = MotionForm(motion)
        maps = [*pair.features0.context, *pair.features1.context] if refine else []
        inputs = [pair.img0, pair.img1, *maps, *flat_motion(motion)]
        graph = self._graph(
            f"finish {window} {refine} {ensemble} {form.key}",
            lambda: Finish(network, form, window, refine=refine, ensemble=ensemble),
            inputs,
        )
        return graph(*inputs)[0]

    @torch.no_grad()
    def carried(self, others: tuple[Tensor, Tensor], motion: Motion, window: Window) -> Tensor:
        """Take two other pictures the same way."""
        form = MotionForm(motion)
        inputs = [*others, *flat_motion(motion)]
        spec = self._network.spec
        key = f"carried {window} {spec.mask_accumulates} {form.key}"
        return self._graph(key, lambda: Carried(spec, form, window), inputs)(*inputs)[0]

    def _coarse(
        self, network: IFNet, inputs: Sequence[Tensor], scales: list[float], *, average: bool
    ) -> tuple[Motion, float]:
        """Run the two first blocks; also tell how far they move."""
        key = f"coarse {scales} {average}"
        out, form = self._run(key, network, lambda n: Coarse(n, scales, average=average), inputs)
        return form.motion(out[:-1]), float(out[-1])

    def _blocks(
        self, network: IFNet, inputs: Sequence[Tensor], scales: list[float], *, average: bool, restarted: bool
    ) -> Motion:
        """Run all blocks."""
        key = f"blocks {scales} {average} {restarted}"
        piece = partial(Blocks, scales=scales, average=average, restarted=restarted)
        out, form = self._run(key, network, piece, inputs)
        return form.motion(out)

    def _run(
        self,
        key: str,
        network: IFNet,
        piece: Callable[[IFNet], Coarse | Fine | Blocks],
        inputs: Sequence[Tensor],
    ) -> tuple[list[Tensor], MotionForm]:
        """Run a piece of the estimate; also tell the form of the motion that it returns."""
        if key not in self._forms:
            self._forms[key] = _form(piece(network), inputs)
        return self._graph(key, lambda: piece(network), inputs, network=network)(*inputs), self._forms[key]

    def _graph(
        self, key: str, piece: Callable[[], nn.Module], inputs: Sequence[Tensor], *, network: IFNet | None = None
    ) -> Graph:
        precision = "float32" if (network or self._network) is self._exact else "bf16"
        return self.graphs.graph(f"{precision} {key}", piece, inputs)


def _form(piece: Coarse | Fine | Blocks, inputs: Sequence[Tensor]) -> MotionForm:
    """Learn the form of a piece's motion from a run on next to nothing: a graph read from disk does not tell it."""
    height, width = inputs[0].shape[-2:]
    rows, columns = (math.gcd(length, _FORM_SIDE_PX) for length in (height, width))
    # Each input at its own fraction of the frame's size; the time stays what it is.
    small = [x[..., : -(-x.shape[-2] * rows // height), : -(-x.shape[-1] * columns // width)] for x in inputs]
    piece.eval()(*small)
    return piece.form


def _check_single(img: Tensor) -> None:
    if img.shape[0] != 1:
        raise ShapeError(f"engine openvino: expected one frame at a time, (1, 3, H, W), got {tuple(img.shape)}.")
