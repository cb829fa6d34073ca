"""The subgraphs of a network that are compiled: its convolutions, between the passes over a frame.

Inputs and outputs are channels-last, (1, h, w, C). The subgraphs call the network's own modules: its arithmetic exists
once.
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
        """Take block number `index` of `network`, for inputs at 1/`scale` of the frame's size."""
        super().__init__()
        block = network.get_submodule(f"block{index}")
        assert isinstance(block, IFBlock)
        if index > 0:
            layout = block_layout(network.spec)
            block = copy.deepcopy(block)
            first = block.conv0[0]
            assert isinstance(first, nn.Sequential)
            first[0] = permute_inputs(first[0], layout)
        self.block, self.scale, self.channels = block, scale, padded_output_channels(network.spec)

    def forward(self, x: Tensor) -> Tensor:
        """Map the block's input, in its layout (the first: as published), to its output, padded, in float32."""
        out: Tensor = self.block(x.permute(0, 3, 1, 2), self.scale, dtype=torch.float32).values.permute(0, 2, 3, 1)
        missing = self.channels - out.shape[-1]
        return F.pad(out, (0, missing)) if missing > 0 else out[..., : self.channels]


class FeaturesSubgraph(nn.Module):
    """The networks that take one frame."""

    def __init__(self, network: IFNet, *, refine: bool) -> None:
        """Take the encoder and context network of `network`, where it has these."""
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
        """Take the Unet of `network`."""
        super().__init__()
        self.unet = copy.deepcopy(network.unet)
        first = self.unet.down0.conv1
        first[0] = permute_inputs(first[0], unet_layout())
        if self.unet.conv.stride == (1, 1):
            self.unet.conv = space_to_depth(self.unet.conv)

    def forward(self, unet_input: Tensor, *contexts: Tensor) -> Tensor:
        """Map the refinement's input (1, H, W, 24) and both frames' context maps to a residual in [0, 1].

        It is (1, H, W, 3), or (1, H / 2, W / 2, 12), with 2 x 2 pixels in depth
        (`rife.engines.cpu.channel_layout.space_to_depth`).
        """
        given = [x.permute(0, 3, 1, 2).to(dtype_of(self.unet)) for x in (unet_input, *contexts)]
        return torch.sigmoid(self.unet.residual_logits(given[0], given[1:]).float()).permute(0, 2, 3, 1)
