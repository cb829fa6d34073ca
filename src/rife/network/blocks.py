"""The blocks of the flow network: each takes downsampled frames and returns changes of flow and mask.

The activation, body and head that a row of `rife.network.specs` names are built here. Module names are those of the
published weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rife.network.channels import CARRIED_START, FLOW, FLOW0, FLOW1, MASK
from rife.network.layers import conv, dtype_of
from rife.network.regions import padded
from rife.network.specs import NetworkSpec
from rife.network.warp import resize

BLOCK_STEP_PX = 4
"""A block at full size halves twice: windows of its input start and end at multiples of this."""

BLOCK_REACH_PX = 40
"""The output of a block at full size depends on input pixels up to this far outside of such a window (39 px): 3 px by
the two first convolutions, 32 by the eight that follow at 1/4 of the size, and 4 by the head."""


class BlockOutput(NamedTuple):
    """The output of a block, at the size at which the block works.

    values: (B, spec.outputs, h, w) in the channels of `rife.network.channels`, flow in pixels of the frame.
    factor: upsampled by it (bilinear), the values have the frame's size, or a little more at the right and bottom edge.
    """

    values: Tensor
    factor: int

    @property
    def flow(self) -> Tensor:
        """Change of the flow (B, 4, h, w), in pixels of the frame."""
        return self.values[:, FLOW]

    def averaged(self, other: BlockOutput) -> BlockOutput:
        """The mean of this output and that for the frames in the other order."""
        return BlockOutput((self.values + other.swapped().values) / 2, self.factor)

    def swapped(self) -> BlockOutput:
        """The same output with img0 and img1 exchanged."""
        x = self.values
        return BlockOutput(torch.cat((swap_flow(x[:, FLOW]), -x[:, MASK], x[:, CARRIED_START:]), 1), self.factor)


class ResConv(nn.Module):
    """Convolution scaled by a learned factor for each channel, added to its input, LeakyReLU(0.2)."""

    def __init__(self, width: int, groups: int) -> None:
        """Keep `width` channels."""
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1, groups=groups)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))
        self.relu = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        out: Tensor = self.relu(torch.addcmul(x, self.conv(x), self.beta))
        return out


class IFBlock(nn.Module):
    """One stage of the flow network."""

    def __init__(self, spec: NetworkSpec, in_planes: int, width: int) -> None:
        """Build the block that `spec` describes, for `in_planes` input channels (flow included)."""
        super().__init__()
        self.spec = spec
        first_stride = 1 if spec.half_downsampling else 2
        self.conv0 = nn.Sequential(
            _activated_conv(spec, in_planes, width // 2, first_stride), _activated_conv(spec, width // 2, width, 2)
        )
        if spec.body == "pairs":
            for pair in range(4):
                self.add_module(f"convblock{pair}", nn.Sequential(conv(width, width), conv(width, width)))
        elif spec.body == "resconv":
            self.convblock = nn.Sequential(*(ResConv(width, spec.groups) for _ in range(8)))
        else:
            self.convblock = nn.Sequential(*(_activated_conv(spec, width, width, 1) for _ in range(8)))
        if spec.head in ("deconvs", "double_deconvs"):
            self.conv1, self.conv2 = (_split_head(spec, width, outputs) for outputs in (4, 1))
        elif spec.head == "deconv":
            self.lastconv: nn.Module = nn.ConvTranspose2d(width, spec.outputs, 4, 2, 1)
        else:
            self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * spec.outputs, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor, scale: float, *, dtype: torch.dtype | None = None) -> BlockOutput:
        """Estimate the change of flow and mask.

        Args:
            x: (B, C, h, w) input at 1/`scale` of the frame's size, flow in pixels of that size.
            scale: size of the frame over the size of `x`.
            dtype: of the result; that of `x` unless given.
        """
        dtype = dtype or x.dtype
        x = padded(x, 2 if self.spec.half_downsampling else 4).to(dtype_of(self))
        x = self._head(self._body(self.conv0(x))).to(dtype).contiguous()
        factor = self.factor(scale)
        if factor != 1:
            x = torch.cat((x[:, FLOW] * factor, x[:, MASK.start :]), 1)
        return BlockOutput(x, self.output_factor(scale)) if factor >= 1 else BlockOutput(resize(x, factor), 1)

    def output_factor(self, scale: float) -> int:
        """The factor of the `BlockOutput` when the block works at 1/`scale` of the frame's size."""
        return max(1, round(self.factor(scale)))

    def factor(self, scale: float) -> float:
        """Size of the frame over the size at which the head ends, when the block works at 1/`scale`."""
        # One transposed convolution undoes one of the block's two halvings, where there are two.
        ends_at_half = self.spec.head in ("deconv", "deconvs") and not self.spec.half_downsampling
        return scale * 2 if ends_at_half else scale

    def _body(self, x: Tensor) -> Tensor:
        if self.spec.body == "pairs":
            for pair in range(4):
                x = self.get_submodule(f"convblock{pair}")(x) + x
            return x
        out: Tensor = self.convblock(x)
        return out + x if self.spec.body == "residual_chain" else out

    def _head(self, x: Tensor) -> Tensor:
        if self.spec.head in ("deconvs", "double_deconvs"):
            return torch.cat((self.conv1(x), self.conv2(x)), 1)
        out: Tensor = self.lastconv(x)
        return out


def _activated_conv(spec: NetworkSpec, in_planes: int, out_planes: int, stride: int) -> nn.Sequential:
    if spec.activation == "prelu":
        return conv(in_planes, out_planes, 3, stride, 1)
    return nn.Sequential(nn.Conv2d(in_planes, out_planes, 3, stride, 1), nn.LeakyReLU(0.2))


def _split_head(spec: NetworkSpec, width: int, outputs: int) -> nn.Module:
    if spec.head == "deconvs":
        layer = nn.ConvTranspose2d(width, outputs, 4, 2, 1)
        # In the published weights, the flow's layer is a sequence of one and the mask's stands alone.
        return nn.Sequential(layer) if outputs == 4 else layer
    half = width // 2
    return nn.Sequential(
        nn.ConvTranspose2d(width, half, 4, 2, 1), nn.PReLU(half), nn.ConvTranspose2d(half, outputs, 4, 2, 1)
    )


def swap_flow(flow: Tensor) -> Tensor:
    """Exchange the flow to img0 and the flow to img1."""
    return torch.cat((flow[:, FLOW1], flow[:, FLOW0]), 1)
