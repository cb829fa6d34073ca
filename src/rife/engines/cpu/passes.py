"""The passes over a frame between convolutions: kernels, called with tensors, their rows divided among threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rife.engines.cpu.channel_layout import block_layout, padded_output_channels, unet_layout
from rife.engines.cpu.thread_team import Array, ThreadTeam, array
from rife.errors import ShapeError
from rife.kernels import merge, pixels, warp
from rife.kernels.simd import LANES
from rife.network.channels import MASK
from rife.network.estimate import FlowEstimate
from rife.network.regions import Window, sample_positions
from rife.network.specs import SPECS, NetworkSpec

TensorPair = tuple[Tensor, Tensor]

_MOST_BLOCKS = max(len(row.widths) for row in SPECS.values())
"""Kernels are compiled for this number of blocks, and take the actual number as an argument."""

_NO_OUTPUT = np.zeros((1, 16), np.float32)
_NO_FEATURES = np.zeros((1, 1, 0), np.float32)


class MergedWindow(NamedTuple):
    """Two images, warped and blended, in a window.

    image: (C, h, w). others: (3, h, w), two others likewise, or (0, h, w). For the refinement, else empty:
    flow: (h / shrink, w / shrink, 8) flow and mask at the size of the finest context map. unet_input: (h, w, 24).
    """

    image: Tensor
    others: Tensor
    flow: Tensor
    unet_input: Tensor


class Passes:
    """Passes over frames, for one network."""

    def __init__(self, spec: NetworkSpec, *, dtype: torch.dtype, team: ThreadTeam | None = None) -> None:
        """Prepare the passes.

        Args:
            spec: which network.
            dtype: of the convolutions' inputs, float32 or bf16; sums are float32 in any case.
            team: threads that compute; one of as many threads as PyTorch uses if None.
        """
        self.dtype, self._team = dtype, team or ThreadTeam()
        self._layout, self._output_channels = block_layout(spec), padded_output_channels(spec)
        self._unet_channels = unet_layout().channels

    def pack(self, image: Tensor) -> Tensor:
        """Convert (1, 3 or 4, H, W) to channels-last order, padded to four channels: (1, 4, H, W).

        Raises:
            ShapeError: an image of one row or column; those of networks are larger.
        """
        height, width = image.shape[-2:]
        if min(height, width) < 2:
            raise ShapeError(f"expected two rows and columns or more, got {height} x {width}. Pad the frame.")
        out = self._team.empty(height, width, 4)
        self._team.run(pixels.pack, height, array(image[0].contiguous()), array(out))
        return out.permute(2, 0, 1)[None]

    def block_input(
        self, frames: TensorPair, encoded: Sequence[Tensor], estimate: FlowEstimate, *, scale: int, timestep: float
    ) -> Tensor:
        """Compute the input of a block, in the layout of `rife.engines.cpu.channel_layout.block_layout`.

        Args:
            frames: both frames, packed.
            encoded: both frames' encoder features, if the network has an encoder.
            estimate: the estimate so far, of one block at least.
            scale: size of the frame over the size at which the block works: 1 or even.
            timestep: of the new frame.

        Returns:
            (1, h, w, C).

        Raises:
            ShapeError: a frame that is one pixel wide at the block's size.
        """
        height, width = frames[0].shape[-2:]
        rows, columns = (
            np.arange(length) if scale == 1 else array(sample_positions(length, scale, torch.device("cpu")))
            for length in (height, width)
        )
        out = self._team.empty(height // scale, width // scale, self._layout.channels, dtype=self.dtype)
        if out[0].numel() < LANES:
            raise ShapeError(f"frames of {width} px are too narrow for a block that works at 1/{scale}. Pad them.")
        self._team.run(
            merge.block_input,
            out.shape[0],
            _arrays(frames),
            _arrays((encoded[0], encoded[1])) if encoded else (_NO_FEATURES, _NO_FEATURES),
            *self._block_outputs(estimate),
            rows,
            columns,
            self._layout.offsets,
            float(scale),
            np.float32(timestep),
            array(out),
        )
        return out[None]

    def in_layout(self, x: Tensor) -> Tensor:
        """Convert the result of `rife.network.estimate.BlockInput.to_channels`, (1, C, h, w), to the same layout."""
        height, width = x.shape[-2:]
        out = torch.zeros(1, height, width, self._layout.channels, dtype=self.dtype)
        out[..., list(self._layout.order)] = x.permute(0, 2, 3, 1).to(self.dtype)
        return out

    def merge(
        self,
        images: TensorPair,
        estimate: FlowEstimate,
        window: Window,
        *,
        channels: int = 3,
        others: TensorPair | None = None,
        refine_shrink: int | None = None,
    ) -> MergedWindow:
        """Warp two images by the flow, and blend them by the mask.

        Args:
            images: packed.
            estimate: of all blocks.
            window: what to compute.
            channels: of the result: 3 or 4.
            others: two more images that are warped and blended likewise, packed.
            refine_shrink: also compute what the refinement takes; its finest context map is smaller by this, 1 or 2.
        """
        shape, shrink = (window.height, window.width), refine_shrink or 1
        image = torch.empty(channels, *shape)
        other = self._team.empty(3 if others else 0, *shape)
        flow = self._team.empty(window.height // shrink, window.width // shrink, 8 if refine_shrink else 0)
        unet_input = self._team.empty(*shape, self._unet_channels if refine_shrink else 0, dtype=self.dtype)
        self._team.run(
            merge.merge,
            window.height,
            _arrays(images),
            _arrays(others or images),
            *self._block_outputs(estimate),
            np.arange(window.top, window.bottom),
            np.arange(window.left, window.right),
            array(image),
            array(other),
            array(flow),
            array(unet_input),
        )
        return MergedWindow(image, other, flow, unet_input)

    def warp_contexts(
        self, maps: Sequence[TensorPair], flow: Tensor, window: Window, *, finest_shrink: int
    ) -> list[Tensor]:
        """Warp both frames' context maps.

        Args:
            maps: for each level, the map of img0 and that of img1, (1, C, h, w).
            flow: (h, w, 8) of the window, at the size of the finest map.
            window: of the flow; its ends are multiples of the smallest map's shrinking.
            finest_shrink: size of the frame over the size of the first level.

        Returns:
            For each level, both maps concatenated: (1, h, w, 2 * C).
        """
        warped = []
        for level, pair in enumerate(maps):
            shrink = finest_shrink << level
            if level > 0:
                flow = self._halved(flow)
            first, second = (_channels_last(x) for x in pair)
            out = self._team.empty(*flow.shape[:2], 2 * first.shape[2], dtype=self.dtype)
            corner = window.top // shrink, window.left // shrink
            self._team.run(warp.warp_pair, out.shape[0], array(first), array(second), array(flow), *corner, array(out))
            warped.append(out[None])
        return warped

    def apply_residual(self, merged: MergedWindow, residual: Tensor) -> Tensor:
        """Correct a merged window, clamp it to [0, 1], and add `merged.others`: (3, h, w).

        The residual is (1, h, w, 3 or more), or with 2 x 2 pixels in depth (1, h / 2, w / 2, 12 or more); 0.5 means no
        correction.
        """
        out = torch.empty_like(merged.image)
        arrays = array(merged.image), array(residual[0]), array(merged.others), array(out)
        self._team.run(pixels.add_residual, out.shape[1], *arrays)
        return out

    def _halved(self, flow: Tensor) -> Tensor:
        out = self._team.empty(flow.shape[0] // 2, flow.shape[1] // 2, 8)
        self._team.run(warp.halve_flow, out.shape[0], array(flow), array(out))
        return out

    def _block_outputs(self, estimate: FlowEstimate) -> tuple[tuple[Array, ...], Array, int, int]:
        """The blocks' outputs, their factors, their number, and their channels, as the kernels take them."""
        arrays = []
        for output in estimate.outputs:
            cells = _channels_last(output.values)
            if not estimate.spec.mask_accumulates and output is not estimate.latest:
                cells = cells.clone()
                cells[..., MASK.start :] = 0
            arrays.append(array(cells).reshape(cells.shape[0], -1))
        factors = np.array([output.factor for output in estimate.outputs], np.int64)
        missing = _MOST_BLOCKS - len(arrays)
        return (*arrays, *[_NO_OUTPUT] * missing), factors, len(arrays), self._output_channels


def _channels_last(x: Tensor) -> Tensor:
    """(1, C, H, W) as (H, W, C), without a copy if it is channels-last already."""
    return x[0].permute(1, 2, 0).contiguous()


def _arrays(pair: TensorPair) -> tuple[Array, Array]:
    """Two images (1, C, H, W) for a kernel."""
    return array(_channels_last(pair[0])), array(_channels_last(pair[1]))
