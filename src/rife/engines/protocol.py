"""The interface of engines: it hides the library that computes frames."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from rife.network.encoder import FrameFeatures
from rife.network.estimate import FlowEstimate, Pair
from rife.network.regions import Window
from rife.options import Precision


class Engine(Protocol):
    """Runs one network, on PyTorch tensors on the network's device, without gradients."""

    @property
    def label(self) -> str:
        """Library and precision, as in `openvino bf16`."""

    @property
    def precision(self) -> Precision:
        """`float32` or `bf16`."""

    @property
    def preparation(self) -> str | None:
        """The preparation that the first use on an installation waits for; None if it is done."""

    @property
    def any_size(self) -> Engine:
        """An engine of the same kernels that compiles nothing for a frame size: for a self-test on a small frame."""

    def features(self, img: Tensor, *, refine: bool = True, out_of_range: Tensor | None = None) -> FrameFeatures:
        """Compute the features of one frame, for every pair that the frame takes part in.

        Args:
            img: (1, 3, H, W) in [0, 1], padded as the network needs.
            refine: include the context maps of the refinement.
            out_of_range: (1, 3, H, W) the frame's colours minus the same clamped to [0, 1]. It bypasses the network and
                is warped and blended like the frame, so that new frames are not clipped where source frames are not.
        """

    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> FlowEstimate:
        """Run the blocks; arguments as of `rife.network.ifnet.IFNet.estimate`."""

    def synthesize(
        self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Synthesize a window of the new frame: (1, 3, h, w).

        Values lie in [0, 1], and outside of it where the frames' features have an `out_of_range`. Arguments are those
        of `rife.network.ifnet.IFNet.synthesize`.
        """

    def blend(self, images: tuple[Tensor, Tensor], estimate: FlowEstimate, window: Window) -> Tensor:
        """Warp two other images of the frames' size by the flow, and blend them by the mask.

        Args:
            images: (1, C, H, W) each, of any values.
            estimate: from `estimate`.
            window: of the frame, to compute.
        """
