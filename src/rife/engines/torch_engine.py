"""The reference engine: PyTorch, on any of its devices, in float32 or bf16."""

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
    """Runs a network on its device."""

    def __init__(self, network: IFNet, *, precision: Precision = "float32") -> None:
        """Take a network that is on its device, with its weights.

        Args:
            network: is not changed.
            precision: `float32` or `bf16`; in bf16, the blocks that decide on a restart stay in float32.
        """
        self.label, self.precision, self.preparation = f"torch {precision}", precision, None
        if precision == "bf16":
            network = in_bf16(network, coarse=network.spec.restart_flow_px is None)
        self._network = network

    @property
    def any_size(self) -> TorchEngine:
        """This engine: it compiles nothing."""
        return self

    @torch.no_grad()
    def features(self, img: Tensor, *, refine: bool = True, out_of_range: Tensor | None = None) -> FrameFeatures:
        """Compute the features of one frame."""
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
        """Compute a window of the new frame."""
        frame = self._network.synthesize(pair, estimate, window, refine=refine, ensemble=ensemble)
        out_of_range = pair.features0.out_of_range, pair.features1.out_of_range
        if out_of_range == (None, None):
            return frame
        # Three channels: an engine that prepared the frame may have appended a fourth.
        first, second = (torch.zeros_like(pair.img0) if x is None else x[:, :3] for x in out_of_range)
        return frame + self.blend((first, second), estimate, window)

    @torch.no_grad()
    def blend(self, images: tuple[Tensor, Tensor], estimate: FlowEstimate, window: Window) -> Tensor:
        """Warp two other images by the flow, and blend them by the mask."""
        flow, mask = estimate.at(window)
        first, second = (window.warp(x, flow[:, i : i + 2]) for x, i in zip(images, (0, 2), strict=True))
        return torch.lerp(second, first, torch.sigmoid(mask))
