"""Backward warping and flow resizing, with the conventions of flow that the whole package keeps.

A flow is `(N, 2, H, W)` in pixels of the picture it belongs to: channel 0 points right, channel 1 down.
Backward means that the output at `(y, x)` reads the image at `(y + flow_y, x + flow_x)`. Pixel centres lie
on whole coordinates, the corners of the sampling grid on the centres of the corner pixels
(align_corners=True), and a read outside the image takes the nearest border pixel. A flow of four channels
is two of these: channels 0-1 read img0, channels 2-3 read img1 (RIFE, section 3.2: F(t->0) and F(t->1)).

Coordinates are computed in float32 at least: half precision holds whole pixels only up to 2048, and
fractions of them far less.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rife.errors import ShapeError


def backward_warp(image: Tensor, flow: Tensor) -> Tensor:
    """Read `image` where `flow` points.

    Args:
        image: (N, C, H, W), any floating dtype.
        flow: (N, 2, H, W) in pixels of `image`, on its device.

    Returns:
        (N, C, H, W) in the dtype of `image`, bilinear, borders repeated.

    Raises:
        ShapeError: the flow does not have two channels, or not the image's batch and size.
    """
    if image.dim() != 4 or flow.dim() != 4:
        raise ShapeError(
            f"warp: expected a 4-dimensional image and flow, got {tuple(image.shape)} and {tuple(flow.shape)}."
        )
    batch, _, height, width = image.shape
    if flow.shape[1] != 2 or flow.shape[0] != batch or flow.shape[2:] != image.shape[2:]:
        raise ShapeError(
            f"warp: an image of {tuple(image.shape)} needs a flow of {(batch, 2, height, width)}, "
            f"got {tuple(flow.shape)}."
        )
    dtype = torch.promote_types(torch.promote_types(image.dtype, flow.dtype), torch.float32)
    x = torch.arange(width, dtype=dtype, device=flow.device)
    y = torch.arange(height, dtype=dtype, device=flow.device)
    x = x + flow[:, 0].to(dtype)
    y = y[:, None] + flow[:, 1].to(dtype)
    # grid_sample wants -1 and 1 at the centres of the corner pixels; a side of one pixel has one place only.
    grid = torch.stack((x * (2.0 / max(width - 1, 1)) - 1.0, y * (2.0 / max(height - 1, 1)) - 1.0), dim=-1)
    out = F.grid_sample(image.to(dtype), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return out.to(image.dtype)


def resize(x: Tensor, factor: float) -> Tensor:
    """Resize the last two dimensions by `factor`, bilinear, pixel areas aligned (align_corners=False).

    Shrinking reads the two nearest rows and columns only, without a low-pass filter: what RIFE's networks
    were trained with.

    Args:
        x: (N, C, H, W).
        factor: output size over input size; 1 returns `x` itself.
    """
    if factor == 1:
        return x
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def resize_flow(flow: Tensor, factor: float) -> Tensor:
    """Resize a flow and rescale its vectors, so that they stay in pixels of the picture they belong to.

    Args:
        flow: (N, 2 or 4, H, W) in pixels.
        factor: output size over input size.

    Returns:
        (N, 2 or 4, factor * H, factor * W) in pixels of the new size.
    """
    return flow if factor == 1 else resize(flow, factor) * float(factor)
