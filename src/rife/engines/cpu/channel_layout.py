"""Where things lie in what the convolutions of a block or of the refinement take.

The channels of a pixel stand side by side, those of a frame in four lanes, so that vectors read and write a pixel
whole. The first convolution is told of the order, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from rife.network.specs import NetworkSpec

_FRAME = 4
"""Lanes of a frame: red, green, blue, and one of zeros."""


class Starts(NamedTuple):
    """The lane at which something begins; -1 where it is left out. Two of a kind follow on each other."""

    sources: int
    warped: int
    features: int
    flow: int
    mask: int
    timestep: int
    carried: int


@dataclass(frozen=True)
class Layout:
    """The lanes of an input.

    Attributes:
        lanes: how many there are.
        order: the lane of each channel that the published weights expect.
        starts: for the kernel that fills them.
    """

    lanes: int
    order: tuple[int, ...]
    starts: Starts


def block_layout(spec: NetworkSpec) -> Layout:
    """Lay out what every block of a network but its first takes (`rife.network.estimate.Sight.joined`)."""
    features = spec.encoder.out if spec.encoder else 0
    lane = 0

    def begun(lanes: int) -> int:
        nonlocal lane
        lane += lanes
        return lane - lanes if lanes else -1

    starts = Starts(
        sources=begun(2 * _FRAME if spec.later_blocks_see_sources else 0),
        warped=begun(2 * _FRAME),
        features=begun(2 * features),
        flow=begun(4),
        mask=begun(1),
        timestep=begun(1 if spec.any_time else 0),
        carried=begun(spec.carried),
    )
    warped = _frames(starts.warped)
    first, then = (_frames(starts.sources), warped) if spec.later_blocks_see_sources else (warped, [])
    encoded = range(starts.features, starts.features + 2 * features)
    time = [starts.timestep] if spec.any_time else []
    carried = range(starts.carried, starts.carried + spec.carried)
    order = (*first, *encoded, *time, *then, starts.mask, *carried, *range(starts.flow, starts.flow + 4))
    return Layout(lane, order, starts)


SEEN_LANES = 24
"""Lanes of what the refinement looks at: both frames, both warped, flow and mask, zeros."""

SEEN_ORDER = (*range(3), *range(4, 7), *range(8, 11), *range(12, 15), 20, *range(16, 20))
"""The lane of each channel that the published weights of the refinement expect."""


def motion_lanes(spec: NetworkSpec) -> int:
    """Lanes of what a block returns: flow, mask and what is carried, in whole vectors."""
    return 8 if spec.carried == 0 else 16


def _frames(start: int) -> list[int]:
    return [start + frame * _FRAME + channel for frame in range(2) for channel in range(3)]


@torch.no_grad()
def in_squares(convolution: nn.Conv2d) -> nn.Conv2d:
    """Make a 3x3 convolution that returns squares of 2 x 2 pixels, in channels: the same numbers at half the size.

    Vectors hold 16 channels; three of them waste the rest, twelve do not. Channel (2 * y + x) * C + c of the result is
    channel c of the pixel at (y, x) of the square.
    """
    weight, bias = convolution.weight, convolution.bias
    if weight.shape[2:] != (3, 3) or convolution.stride != (1, 1) or bias is None:
        raise ValueError("expected a 3x3 convolution of stride 1 with bias")
    outputs, inputs = weight.shape[:2]
    squares = nn.Conv2d(inputs, 4 * outputs, 4, 2, 1, dtype=weight.dtype)
    squares.weight.zero_()
    for y in range(2):
        for x in range(2):
            first = (2 * y + x) * outputs
            squares.weight[first : first + outputs, :, y : y + 3, x : x + 3] = weight
    if squares.bias is not None:
        squares.bias.copy_(bias.repeat(4))
    return squares.requires_grad_(requires_grad=False)


@torch.no_grad()
def taking_lanes(convolution: nn.Module, lanes: int, order: Sequence[int]) -> nn.Conv2d:
    """Copy a convolution for an input in other lanes; what lies in the lanes between counts nothing."""
    if not isinstance(convolution, nn.Conv2d):
        raise TypeError(f"expected a convolution, got {type(convolution).__name__}")
    weight, bias = convolution.weight, convolution.bias
    copy = nn.Conv2d(
        lanes,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        bias=bias is not None,
        dtype=weight.dtype,
    )
    copy.weight.zero_()
    copy.weight[:, list(order)] = weight
    if bias is not None and copy.bias is not None:
        copy.bias.copy_(bias)
    return copy.requires_grad_(requires_grad=False)
