"""The refinement networks of RIFE (section 3.5): context features and the residual that corrects a merge.

Warping leaves holes, doubled edges and blur where the flow is wrong. `Contextnet` extracts a pyramid of features from
each source frame and warps it to the new frame. `Unet` takes the frames, the warped frames, flow, mask and both
pyramids, and returns a residual. A merged frame is corrected by `clamp(merged + 2 * residual - 1, 0, 1)`.

Flow conventions are those of `rife.network.warp`. The networks accept inputs of any device and dtype.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rife.errors import ShapeError
from rife.network.channels import InputPart
from rife.network.layers import Conv2, deconv, dtype_of
from rife.network.regions import Window
from rife.network.warp import resize_flow

BASE_CHANNELS = 16
"""Channels of the finest context map; each deeper one has twice as many."""

CONTEXT_CHANNELS = tuple(BASE_CHANNELS * 2**level for level in range(4))
"""Channels of the four context maps, at 1/2, 1/4, 1/8 and 1/16 of the frame."""

FINEST_SHRINK = 2
"""The finest context map has 1/2 of the frame's size; each coarser one halves again."""

UNET_INPUT = (InputPart("sources", 6), InputPart("warped", 6), InputPart("mask", 1), InputPart("flow", 4))
"""The parts that `Unet` takes beside the context maps, in the order of the published weights."""

REFINE_REACH_PX = 64
"""Corrected pixels of a window whose ends are multiples of 16 depend on nothing further away than this (61 px)."""


class Contextnet(nn.Module):
    """Context features of one source frame, warped by its flow.

    With `finest_shrink=1` the first stage does not halve, and all four maps are twice as large: the form of the
    "Large" network of the paper.

    `features` does not depend on the flow: compute it once for a source frame, and pass it to `warp` for every new
    frame. `forward` is `warp` of `features`.
    """

    def __init__(self, *, finest_shrink: int = FINEST_SHRINK) -> None:
        """Build four stages of 16, 32, 64 and 128 channels, each halving; the first by `finest_shrink`."""
        super().__init__()
        c = BASE_CHANNELS
        self.finest_shrink = finest_shrink
        self.conv1 = Conv2(3, c, stride=finest_shrink)
        self.conv2 = Conv2(c, 2 * c)
        self.conv3 = Conv2(2 * c, 4 * c)
        self.conv4 = Conv2(4 * c, 8 * c)

    def features(self, x: Tensor) -> list[Tensor]:
        """Compute the unwarped pyramid of a frame.

        Args:
            x: (B, 3, H, W) frame in [0, 1], H and W multiples of 16.

        Returns:
            Four maps at 1/2, 1/4, 1/8, 1/16 of the size with 16, 32, 64, 128 channels.

        Raises:
            ShapeError: wrong channel count, or a size that is not a multiple of 16.
        """
        _check_frame("Contextnet: x", x, self.finest_shrink, channels=3)
        maps, given = [], x.dtype
        x = x.to(dtype_of(self))
        for stage in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = stage(x)
            maps.append(x.to(given))
        return maps

    def warp(self, features: Sequence[Tensor], flow: Tensor, *, window: Window | None = None) -> list[Tensor]:
        """Warp a pyramid by a flow.

        Args:
            features: the four maps of `features`.
            flow: (B, 2, H, W) in pixels of the frame.
            window: of the frame that the flow covers, if not the whole; its ends are multiples of 16.

        Returns:
            The four maps, each warped by the flow at its own scale.

        Raises:
            ShapeError: the maps are not a pyramid of a frame of the flow's size.
        """
        _check_frame("Contextnet: flow", flow, self.finest_shrink, channels=2)
        if window is None:
            _check_pyramid("Contextnet: features", features, flow, self.finest_shrink)
            window = Window(0, 0, *flow.shape[2:])
        warped = []
        for index, level in enumerate(features):
            flow = resize_flow(flow, 0.5 if index else 1 / self.finest_shrink)
            warped.append(window.warp(level, flow, shrink=self.finest_shrink << index))
        return warped

    def forward(self, x: Tensor, flow: Tensor) -> list[Tensor]:
        """Compute the context maps of a frame, warped by its flow.

        Args:
            x: (B, 3, H, W) frame in [0, 1], H and W multiples of 16.
            flow: (B, 2, H, W) in pixels of `x`.

        Returns:
            Four warped maps at 1/2, 1/4, 1/8, 1/16 of the size with 16, 32, 64, 128 channels.

        Raises:
            ShapeError: wrong channel counts, sizes that differ or are not multiples of 16.
        """
        _check_frame("Contextnet: x", x, self.finest_shrink, channels=3)
        _check_same_size("Contextnet: flow", flow, x, channels=2)
        return self.warp(self.features(x), flow)


class Unet(nn.Module):
    """The encoder-decoder that predicts the residual of a merged frame.

    With `finest_shrink=1` its inner stages work at twice the size, as `Contextnet` does.
    """

    def __init__(self, *, finest_shrink: int = FINEST_SHRINK) -> None:
        """Build four halving and four doubling stages around both frames' context maps."""
        super().__init__()
        c = BASE_CHANNELS
        self.finest_shrink = finest_shrink
        self.down0 = Conv2(sum(part.channels for part in UNET_INPUT), 2 * c, stride=finest_shrink)
        self.down1 = Conv2(4 * c, 4 * c)
        self.down2 = Conv2(8 * c, 8 * c)
        self.down3 = Conv2(16 * c, 16 * c)
        self.up0 = deconv(32 * c, 8 * c)
        self.up1 = deconv(16 * c, 4 * c)
        self.up2 = deconv(8 * c, 2 * c)
        self.up3 = deconv(4 * c, c)
        self.conv = nn.Conv2d(c, 3, 3, FINEST_SHRINK // finest_shrink, 1)

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this."""
        return 8 * self.finest_shrink

    def forward(  # noqa: PLR0917 (the published order of arguments)
        self,
        img0: Tensor,
        img1: Tensor,
        warped_img0: Tensor,
        warped_img1: Tensor,
        mask: Tensor,
        flow: Tensor,
        c0: Sequence[Tensor],
        c1: Sequence[Tensor],
    ) -> Tensor:
        """Predict the residual of the merged frame.

        Args:
            img0: (B, 3, H, W) first source frame in [0, 1], H and W multiples of 16.
            img1: (B, 3, H, W) second source frame.
            warped_img0: (B, 3, H, W) `img0` warped to the new frame.
            warped_img1: (B, 3, H, W) `img1` warped to the new frame.
            mask: (B, 1, H, W) weight of `warped_img0`, before its sigmoid.
            flow: (B, 4, H, W) in pixels: new frame to `img0`, new frame to `img1`.
            c0: the four warped context maps of `img0`.
            c1: the four warped context maps of `img1`.

        Returns:
            (B, 3, H, W) in [0, 1]; 0.5 means no correction.

        Raises:
            ShapeError: wrong channel counts, differing sizes, sizes not a multiple of 16, or lists that
                are not pyramids of four maps.
        """
        _check_frame("Unet: img0", img0, self.finest_shrink, channels=3)
        for name, x, channels in (
            ("img1", img1, 3),
            ("warped_img0", warped_img0, 3),
            ("warped_img1", warped_img1, 3),
            ("mask", mask, 1),
            ("flow", flow, 4),
        ):
            _check_same_size(f"Unet: {name}", x, img0, channels=channels)
        _check_pyramid("Unet: c0", c0, img0, self.finest_shrink)
        _check_pyramid("Unet: c1", c1, img0, self.finest_shrink)
        dtype = dtype_of(self)
        x = torch.cat((img0, img1, warped_img0, warped_img1, mask, flow), 1).to(dtype)
        # Both maps of a level are converted at once.
        contexts = [torch.cat(maps, 1).to(dtype) for maps in zip(c0, c1, strict=True)]
        return torch.sigmoid(self.residual_logits(x, contexts).to(img0.dtype))

    def residual_logits(self, x: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        """Predict the residual, before its sigmoid, from concatenated inputs in the dtype of the weights.

        Args:
            x: (B, 17, H, W) frames, warped frames, mask and flow, in the order of `forward`.
            contexts: the four levels, each with the map of img0 and that of img1.

        Returns:
            (B, 3, H, W).
        """
        s0 = self.down0(x)
        s1 = self.down1(torch.cat((s0, contexts[0]), 1))
        s2 = self.down2(torch.cat((s1, contexts[1]), 1))
        s3 = self.down3(torch.cat((s2, contexts[2]), 1))
        x = self.up0(torch.cat((s3, contexts[3]), 1))
        x = self.up1(torch.cat((x, s2), 1))
        x = self.up2(torch.cat((x, s1), 1))
        x = self.up3(torch.cat((x, s0), 1))
        out: Tensor = self.conv(x)
        return out


def _check_frame(name: str, x: Tensor, finest_shrink: int, *, channels: int) -> None:
    if x.dim() != 4 or x.shape[1] != channels:
        raise ShapeError(f"{name}: expected (B, {channels}, H, W), got {tuple(x.shape)}.")
    height, width = x.shape[2:]
    multiple = 8 * finest_shrink
    if height % multiple != 0 or width % multiple != 0:
        raise ShapeError(
            f"{name}: height and width must be multiples of {multiple}, got {height} x {width}. "
            "Pad the frame at its right and bottom edge and crop the result."
        )


def _check_same_size(name: str, x: Tensor, reference: Tensor, *, channels: int) -> None:
    expected = (reference.shape[0], channels, *reference.shape[2:])
    if tuple(x.shape) != tuple(expected):
        raise ShapeError(f"{name}: expected {tuple(expected)}, got {tuple(x.shape)}.")


def _check_pyramid(name: str, maps: Sequence[Tensor], reference: Tensor, finest_shrink: int) -> None:
    if len(maps) != len(CONTEXT_CHANNELS):
        raise ShapeError(f"{name}: expected {len(CONTEXT_CHANNELS)} context maps, got {len(maps)}.")
    batch, _, height, width = reference.shape
    for level, (x, channels) in enumerate(zip(maps, CONTEXT_CHANNELS, strict=True)):
        shrink = finest_shrink * 2**level
        expected = (batch, channels, height // shrink, width // shrink)
        if tuple(x.shape) != expected:
            raise ShapeError(f"{name}[{level}]: expected {expected}, got {tuple(x.shape)}.")
