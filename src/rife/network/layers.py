"""Layers that several of the networks are built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv(  # noqa: PLR0917 (the published order of arguments)
    in_planes: int, out_planes: int, kernel_size: int = 3, stride: int = 1, padding: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Build a convolution with bias, followed by a PReLU with one slope for each channel."""
    return nn.Sequential(
        nn.Conv2d(in_planes, out_planes, kernel_size, stride=stride, padding=padding, dilation=dilation),
        nn.PReLU(out_planes),
    )


def deconv(in_planes: int, out_planes: int, kernel_size: int = 4, stride: int = 2, padding: int = 1) -> nn.Sequential:
    """Build a transposed convolution with bias, followed by a PReLU with one slope for each channel."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_planes, out_planes, kernel_size, stride=stride, padding=padding),
        nn.PReLU(out_planes),
    )


class Conv2(nn.Module):
    """TensorPair 3x3 convolutions with PReLU, the first of them strided."""

    def __init__(self, in_planes: int, out_planes: int, stride: int = 2) -> None:
        """Take `in_planes` channels to `out_planes` at 1/`stride` of the size."""
        super().__init__()
        self.conv1 = conv(in_planes, out_planes, 3, stride, 1)
        self.conv2 = conv(out_planes, out_planes, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_planes, H, W) to (B, out_planes, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.conv2(self.conv1(x))
        return out


def dtype_of(module: nn.Module) -> torch.dtype:
    """The dtype in which a module multiplies: that of its weights."""
    return next(module.parameters()).dtype
