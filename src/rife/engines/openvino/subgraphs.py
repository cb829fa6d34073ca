"""What of a network is compiled: its convolutions, from one place where kernels fill an input to the next.

Tensors in and out have the channels of a pixel side by side, (1, h, w, lanes). The subgraphs call the network's own
methods: there is no second copy of its arithmetic.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rife.engines.cpu.channel_layout import (
    block_layout,
    padded_output_channels,
    permute_inputs,
    space_to_depth,
    unet_layout,
)
from rife.network.blocks import IFBlock
from rife.network.ifnet import IFNet
from rife.network.layers import dtype_of


class BlockSubgraph(nn.Module):
    """One block."""

    def __init__(self, network: IFNet, index: int, scale: float) -> None:
        """Take block number `index` of `network`, for pictures at 1/`scale` of the frame's size."""
        super().__init__()
        block = network.get_submodule(f"block{index}")
        assert isinstance(block, IFBlock)
        if index > 0:
            layout = block_layout(network.spec)
            block = copy.deepcopy(block)
            first = block.conv0[0]
            assert isinstance(first, nn.Sequential)
            first[0] = permute_inputs(first[0], layout)
        self.block, self.scale, self.lanes = block, scale, padded_output_channels(network.spec)

    def forward(self, x: Tensor) -> Tensor:
        """Map what the block takes, in lanes (the first block: as published), to its output in lanes, float32."""
        out: Tensor = self.block(x.permute(0, 3, 1, 2), self.scale, dtype=torch.float32).values.permute(0, 2, 3, 1)
        missing = self.lanes - out.shape[-1]
        return F.pad(out, (0, missing)) if missing > 0 else out[..., : self.lanes]


class FeaturesSubgraph(nn.Module):
    """What depends on one frame alone."""

    def __init__(self, network: IFNet, *, refine: bool) -> None:
        """Take the parts of `network` that look at one frame."""
        super().__init__()
        self.network, self.refine = network, refine

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Map a frame (1, H, W, 4) to encoder features, if the network has them, and context maps, if refined."""
        img = pixels.permute(0, 3, 1, 2)[:, :3].to(dtype_of(self.network))
        features = self.network.features(img, refine=self.refine)
        maps = [*([] if features.encoded is None else [features.encoded]), *features.context]
        return tuple(x.permute(0, 2, 3, 1) for x in maps)


class ResidualSubgraph(nn.Module):
    """The refinement's encoder and decoder."""

    def __init__(self, network: IFNet) -> None:
        """Take those of `network`."""
        super().__init__()
        self.unet = copy.deepcopy(network.unet)
        first = self.unet.down0.conv1
        first[0] = permute_inputs(first[0], unet_layout())
        if self.unet.conv.stride == (1, 1):
            self.unet.conv = space_to_depth(self.unet.conv)

    def forward(self, seen: Tensor, *contexts: Tensor) -> Tensor:
        """Map what the refinement looks at (1, H, W, 24) and both frames' context maps to a correction in [0, 1].

        It is (1, H, W, 3), or (1, H / 2, W / 2, 12) in squares (`rife.engines.cpu.channel_layout.space_to_depth`).
        """
        given = [x.permute(0, 3, 1, 2).to(dtype_of(self.unet)) for x in (seen, *contexts)]
        return torch.sigmoid(self.unet.corrections(given[0], given[1:]).float()).permute(0, 2, 3, 1)
