"""OpenVINO on a processor: the same network as compiled graphs, in float32, or with its convolutions in bf16.

In bf16, OpenVINO keeps coordinates and what reads images through them in float32, and so do sums of flow that feed
them; a test on a wide frame holds that, because bf16 has no place for pixel positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rife.encoder import FrameFeatures
from rife.engines.graphs import GraphStore
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
from rife.errors import ShapeError
from rife.ifnet import IFNet
from rife.motion import Motion, Pair
from rife.places import Window

_FORM_SIDE_PX = 1 << 9
"""More than any padding needs."""


class OpenVinoEngine:
    """Runs a network on the processor. Each size that it meets is compiled once, and kept on disk."""

    def __init__(self, network: IFNet, *, precision: str, threads: int | None = None) -> None:
        """Take a network with its weights.

        Args:
            network: on the CPU.
            precision: `float32` or `bf16`.
            threads: how many it may use; all cores if None.

        Raises:
            MissingExtraError: OpenVINO is not installed.
        """
        self.label = f"openvino {precision}"
        self.graphs = GraphStore(network, precision=precision, threads=threads)
        self._network = network
        self._forms: dict[str, MotionForm] = {}

    @torch.no_grad()
    def features(self, img: Tensor, *, refine: bool = True) -> FrameFeatures:
        """Compute what depends on one frame alone."""
        encodes = self._network.spec.encoder is not None
        refine = refine and self._network.refines
        if not encodes and not refine:
            return FrameFeatures(None, [])
        _check_single(img)
        graph = self.graphs.graph(f"features {refine}", lambda: Features(self._network, refine=refine), [img])
        out = graph(img)
        return FrameFeatures(out[0], out[1:]) if encodes else FrameFeatures(None, out)

    @torch.no_grad()
    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> Motion:
        """Run the blocks. `tile` is not needed: graphs reuse their memory."""
        _check_single(pair.img0)
        network, scales = self._network, self._network.scales(flow_scale)
        average = ensemble or network.spec.ensemble == "always"
        time = torch.zeros(1, 1, 1, 1) if pair.timestep is None else pair.timestep
        inputs = [pair.img0, pair.img1, time, *pair.encoded]
        if network.spec.restart_flow_px is None:
            return self._blocks(inputs, scales, average=average, restarted=False)
        key = f"coarse {scales} {average}"
        out, form = self._run(key, lambda: Coarse(network, scales, average=average), inputs)
        *motion, far = out
        if bool(far.any()):
            return self._blocks(inputs, [2 * s for s in scales], average=average, restarted=True)
        key = f"fine {scales} {average} {form.key}"
        out, form = self._run(key, lambda: Fine(network, scales, form, average=average), [*inputs, *motion])
        return form.motion(out)

    @torch.no_grad()
    def finish(
        self, pair: Pair, motion: Motion, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Make a window of the new frame."""
        refine = refine and self._network.refines
        form = MotionForm(motion)
        maps = [*pair.features0.context, *pair.features1.context] if refine else []
        inputs = [pair.img0, pair.img1, *maps, *flat_motion(motion)]
        graph = self.graphs.graph(
            f"finish {window} {refine} {ensemble} {form.key}",
            lambda: Finish(self._network, form, window, refine=refine, ensemble=ensemble),
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
        return self.graphs.graph(key, lambda: Carried(spec, form, window), inputs)(*inputs)[0]

    def _blocks(self, inputs: Sequence[Tensor], scales: list[float], *, average: bool, restarted: bool) -> Motion:
        def piece() -> Blocks:
            return Blocks(self._network, scales, average=average, restarted=restarted)

        out, form = self._run(f"blocks {scales} {average} {restarted}", piece, inputs)
        return form.motion(out)

    def _run(
        self, key: str, piece: Callable[[], Coarse | Fine | Blocks], inputs: Sequence[Tensor]
    ) -> tuple[list[Tensor], MotionForm]:
        """Run a piece of the estimate; also tell the form of the motion that it returns."""
        if key not in self._forms:
            self._forms[key] = _form(piece(), inputs)
        return self.graphs.graph(key, piece, inputs)(*inputs), self._forms[key]


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
