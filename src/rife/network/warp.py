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


def backward_warp(image: Tensor, flow: Tensor, *, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
    """Warp an image by a flow.

    Args:
        image: (N, C, H, W), any floating dtype.
        flow: (N, 2, h, w) in pixels of `image`, on its device.
        rows: (h,) the rows of `image` that the flow's rows belong to, if the flow does not cover the image.
        columns: (w,) the same for columns.

    Returns:
        (N, C, h, w) in the dtype and memory format of `image`, bilinear, borders repeated.

    Raises:
        ShapeError: the flow does not have two channels, or not the image's batch and size.
    """
    if image.dim() != 4 or flow.dim() != 4:
        raise ShapeError(
            f"warp: expected a 4-dimensional image and flow, got {tuple(image.shape)} and {tuple(flow.shape)}."
        )
    batch, _, height, width = image.shape
    size = (height if rows is None else rows.shape[0], width if columns is None else columns.shape[0])
    if flow.shape[1] != 2 or flow.shape[0] != batch or flow.shape[2:] != size:
        raise ShapeError(
            f"warp: an image of {tuple(image.shape)} needs a flow of {(batch, 2, *size)}, got {tuple(flow.shape)}."
        )
    dtype = torch.promote_types(torch.promote_types(image.dtype, flow.dtype), torch.float32)
    x = torch.arange(width, device=flow.device) if columns is None else columns
    y = torch.arange(height, device=flow.device) if rows is None else rows
    # grid_sample expects -1 and 1 at the centres of the corner pixels; a side of one pixel has only one position.
    across, down = 2.0 / max(width - 1, 1), 2.0 / max(height - 1, 1)
    x, y = x.to(dtype) * across - 1.0, y.to(dtype)[:, None] * down - 1.0
    flow = flow.to(dtype)
    grid = torch.stack((torch.add(x, flow[:, 0], alpha=across), torch.add(y, flow[:, 1], alpha=down)), dim=1)
    grid = grid.permute(0, 2, 3, 1)  # a view: interleaving the planes would cost as much as reading the image
    out = F.grid_sample(image.to(dtype), grid, mode="bilinear", padding_mode="border", align_corners=True)
    if image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous():
        # Convolutions on mixed formats cost several times their arithmetic.
        out = out.contiguous(memory_format=torch.channels_last)
    return out.to(image.dtype)


def resize(x: Tensor, factor: float) -> Tensor:
    """Resize the last two dimensions by `factor`, bilinear, pixel areas aligned (align_corners=False).

    Downsampling reads the two nearest rows and columns only, without a low-pass filter, as in the training of RIFE's
    networks.

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
