"""The reference: the network as it is, run by PyTorch on any of its devices; in float32, unless bf16 is asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from rife.engines.precision import in_bf16
from rife.network.encoder import FrameFeatures
from rife.network.estimate import FlowEstimate, Pair
from rife.network.ifnet import IFNet
from rife.network.regions import Window
from rife.options import Precision


class TorchEngine:
    """Runs a network where it is."""

    def __init__(self, network: IFNet, *, precision: Precision = "float32") -> None:
        """Take a network that is on its device, with its weights.

        Args:
            network: is not changed.
            precision: `float32` or `bf16`; in bf16, what decides whether to start again stays in float32.
        """
        self.label, self.precision, self.preparation = f"torch {precision}", precision, None
        if precision == "bf16":
            network = in_bf16(network, coarse=network.spec.restart_flow_px is None)
        self._network = network

    @property
    def any_size(self) -> TorchEngine:
        """Nothing is compiled."""
        return self

    @torch.no_grad()
    def features(self, img: Tensor, *, refine: bool = True, out_of_range: Tensor | None = None) -> FrameFeatures:
        """Compute what depends on one frame alone."""
        return self._network.features(img, refine=refine)._replace(out_of_range=out_of_range)

    @torch.no_grad()
    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> FlowEstimate:
        """Run the blocks."""
        return self._network.estimate(pair, flow_scale=flow_scale, ensemble=ensemble, tile=tile)

    @torch.no_grad()
    def synthesize(
        self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Make a window of the new frame."""
        made = self._network.synthesize(pair, estimate, window, refine=refine, ensemble=ensemble)
        out_of_range = pair.features0.out_of_range, pair.features1.out_of_range
        if out_of_range == (None, None):
            return made
        # Three channels: another engine may have prepared the frame, and put a fourth beside them.
        first, second = (torch.zeros_like(pair.img0) if x is None else x[:, :3] for x in out_of_range)
        return made + self.blend((first, second), estimate, window)

    @torch.no_grad()
    def blend(self, images: tuple[Tensor, Tensor], estimate: FlowEstimate, window: Window) -> Tensor:
        """Take two other pictures the same way."""
        flow, mask = estimate.at(window)
        first, second = (window.warp(x, flow[:, i : i + 2]) for x, i in zip(images, (0, 2), strict=True))
        return torch.lerp(second, first, torch.sigmoid(mask))
