"""Channel order in memory of what the first convolution of a block, and of the refinement, takes.

Tensors are channels-last, and every frame occupies four channels, the fourth of zeros, so that vector instructions read
and write whole pixels. The weights of the first convolution are permuted to this order, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from rife.network.channels import InputOffsets, InputPart
from rife.network.refine import UNET_INPUT
from rife.network.specs import NetworkSpec

_FRAMES = ("sources", "warped")
"""Parts that are two frames of three channels."""

_VECTOR = 8
"""Channels of a block's output are padded to a multiple of this."""

_CARRIED = (0, 8)
"""Numbers of carried channels that the kernels copy."""


@dataclass(frozen=True)
class ChannelLayout:
    """Channels of an input in memory.

    Attributes:
        channels: their number, padding included.
        order: the channel in memory of each channel that the published weights expect.
        offsets: the first channel in memory of each part.
    """

    channels: int
    order: tuple[int, ...]
    offsets: InputOffsets


def block_layout(spec: NetworkSpec) -> ChannelLayout:
    """Lay out the input of all blocks but the first."""
    return _layout(spec.block_input(1))


def unet_layout() -> ChannelLayout:
    """Lay out the input of the refinement, padded to 24 channels."""
    layout = _layout(UNET_INPUT)
    return ChannelLayout(-(-layout.channels // _VECTOR) * _VECTOR, layout.order, layout.offsets)


def _layout(parts: Sequence[InputPart]) -> ChannelLayout:
    """Lay out parts in memory in the order of `InputOffsets`."""
    sizes = {part.name: 8 if part.name in _FRAMES else part.channels for part in parts}
    offsets, end = {}, 0
    for name in InputOffsets._fields:
        if name in sizes:
            offsets[name] = end
            end += sizes[name]
    order = [offsets[part.name] + channel for part in parts for channel in _channels_of(part)]
    return ChannelLayout(end, tuple(order), InputOffsets(**offsets))


def _channels_of(part: InputPart) -> Sequence[int]:
    """Channels in memory of a part, counted from its first."""
    return (0, 1, 2, 4, 5, 6) if part.name in _FRAMES else range(part.channels)


def padded_output_channels(spec: NetworkSpec) -> int:
    """Channels in memory of a block's output: flow, mask and carried features, padded.

    Raises:
        ValueError: the network carries another number of channels than the kernels copy.
    """
    if spec.carried not in _CARRIED:
        raise ValueError(
            f"network {spec.name}: expected {' or '.join(map(str, _CARRIED))} carried channels, got {spec.carried}. "
            "Extend block_input in kernels/merge.py first."
        )
    return _VECTOR if spec.carried == 0 else 2 * _VECTOR


@torch.no_grad()
def space_to_depth(convolution: nn.Conv2d) -> nn.Conv2d:
    """Convert a 3x3 convolution into one whose result has 2 x 2 pixels in depth, at half the size.

    Vectors hold 16 channels: three output channels use 3 of them, twelve use 12. Channel (2 * y + x) * C + c of the
    result is channel c of the pixel at (y, x) of the 2 x 2.
    """
    weight, bias = convolution.weight, convolution.bias
    if weight.shape[2:] != (3, 3) or convolution.stride != (1, 1) or bias is None:
        raise ValueError("expected a 3x3 convolution of stride 1 with bias")
    outputs, inputs = weight.shape[:2]
    deep = nn.Conv2d(inputs, 4 * outputs, 4, 2, 1, dtype=weight.dtype)
    deep.weight.zero_()
    for y in range(2):
        for x in range(2):
            first = (2 * y + x) * outputs
            deep.weight[first : first + outputs, :, y : y + 3, x : x + 3] = weight
    if deep.bias is not None:
        deep.bias.copy_(bias.repeat(4))
    return deep.requires_grad_(requires_grad=False)


@torch.no_grad()
def permute_inputs(convolution: nn.Module, layout: ChannelLayout) -> nn.Conv2d:
    """Copy a convolution for an input in another channel order; the weights of padding are zero."""
    if not isinstance(convolution, nn.Conv2d):
        raise TypeError(f"expected a convolution, got {type(convolution).__name__}")
    weight, bias = convolution.weight, convolution.bias
    copy = nn.Conv2d(
        layout.channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        bias=bias is not None,
        dtype=weight.dtype,
    )
    copy.weight.zero_()
    copy.weight[:, list(layout.order)] = weight
    if bias is not None and copy.bias is not None:
        copy.bias.copy_(bias)
    return copy.requires_grad_(requires_grad=False)
