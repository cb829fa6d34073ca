"""What every engine can do. Whoever makes frames asks for this, and need not know which library does the work."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from rife.network.encoder import FrameFeatures
from rife.network.estimate import Motion, Pair
from rife.network.regions import Window
from rife.options import Precision


class Engine(Protocol):
    """Runs one network. Tensors come and go as PyTorch's, on the network's device; no gradients are kept."""

    @property
    def label(self) -> str:
        """Library and precision, as in `openvino bf16`."""

    @property
    def precision(self) -> Precision:
        """`float32` or `bf16`."""

    @property
    def preparation(self) -> str | None:
        """What the first use on an installation waits for, if it seems to be the first."""

    @property
    def any_size(self) -> Engine:
        """The engine, or the same kernels without what is compiled for a size: for a self-test on a small frame."""

    def features(self, img: Tensor, *, refine: bool = True, excess: Tensor | None = None) -> FrameFeatures:
        """Compute what depends on one frame alone, for every pair that the frame takes part in.

        Args:
            img: (1, 3, H, W) in [0, 1], padded as the network needs.
            refine: include what refinement needs.
            excess: (1, 3, H, W) what of the frame's colours lies outside of [0, 1]; it goes the same way as the
                picture, past the network, so that made frames are not clipped where source frames are not.
        """

    def estimate(
        self, pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False, tile: int | None = None
    ) -> Motion:
        """Run the blocks; arguments as of `rife.network.ifnet.IFNet.estimate`."""

    def finish(
        self, pair: Pair, motion: Motion, window: Window, *, refine: bool = True, ensemble: bool = False
    ) -> Tensor:
        """Make a window of the new frame, (1, 3, h, w), in [0, 1] and beyond where the frames' features have an excess.

        Arguments are those of `rife.network.ifnet.IFNet.finish`.
        """

    def carried(self, others: tuple[Tensor, Tensor], motion: Motion, window: Window) -> Tensor:
        """Take two other pictures of the frames' size the same way: warp both, and blend them by the mask.

        Args:
            others: (1, C, H, W) each, of any values.
            motion: from `estimate`.
            window: what to make.
        """
