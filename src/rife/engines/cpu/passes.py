"""The kernels, called with this package's records: each pass over a frame is shared out among threads."""

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
from rife.network.estimate import FlowEstimate
from rife.network.regions import Window, middles
from rife.network.specs import SPECS, NetworkSpec

TensorPair = tuple[Tensor, Tensor]

_MOST_BLOCKS = max(len(row.widths) for row in SPECS.values())
"""Kernels are compiled for as many, and told how many there are."""

_NO_OUTPUT = np.zeros((1, 16), np.float32)
_NO_FEATURES = np.zeros((1, 1, 0), np.float32)


class MergedWindow(NamedTuple):
    """Two pictures, merged.

    picture: (C, h, w). carried: (3, h, w), two more in the same way, or (0, h, w). For the refinement, or empty:
    flow: (h / shrink, w / shrink, 8) flow and mask, as they were used, of the finest context map. seen: (h, w, 24) what
    it looks at.
    """

    picture: Tensor
    carried: Tensor
    flow: Tensor
    seen: Tensor


class Passes:
    """Passes over frames, for one network."""

    def __init__(self, spec: NetworkSpec, *, dtype: torch.dtype, team: ThreadTeam | None = None) -> None:
        """Prepare to work.

        Args:
            spec: which network.
            dtype: of what convolutions take, float32 or bf16; what is added up is float32 in any case.
            team: does the work; one of as many threads as PyTorch uses if None.
        """
        self._spec, self.dtype = spec, dtype
        self._layout, self._output_channels = block_layout(spec), padded_output_channels(spec)
        self._team = team or ThreadTeam()

    def pack(self, picture: Tensor) -> Tensor:
        """Put the channels of (1, 3 or 4, H, W) side by side: (1, 4, H, W), each pixel in one piece of memory.

        Raises:
            ShapeError: a picture of one row or column; those of networks are larger.
        """
        height, width = picture.shape[-2:]
        if min(height, width) < 2:
            raise ShapeError(f"expected two rows and columns or more, got {height} x {width}. Pad the frame.")
        out = self._team.empty(height, width, 4)
        self._team.run(pixels.pack, height, array(picture[0].contiguous()), array(out))
        return _picture(out)

    def block_input(
        self, pixels: TensorPair, encoded: Sequence[Tensor], estimate: FlowEstimate, *, scale: int, timestep: float
    ) -> Tensor:
        """What a block takes, in the lanes of `rife.engines.cpu.channel_layout.block_layout`.

        Args:
            pixels: both frames, packed.
            encoded: both frames' encoder features, if the network has an encoder.
            estimate: the estimate so far, of one block at least.
            scale: how much smaller than the frame the block works: 1 or even.
            timestep: of the new frame.

        Returns:
            (1, h, w, lanes).

        Raises:
            ShapeError: a frame that is a pixel wide to the block.
        """
        height, width = pixels[0].shape[-2:]
        rows, columns = (
            np.arange(length) if scale == 1 else array(middles(length, scale, torch.device("cpu")))
            for length in (height, width)
        )
        out = self._team.empty(height // scale, width // scale, self._layout.channels, dtype=self.dtype)
        if out[0].numel() < LANES:
            raise ShapeError(f"frames of {width} px are too narrow for a block that works at 1/{scale}. Pad them.")
        features = _arrays((encoded[0], encoded[1])) if encoded else (_NO_FEATURES, _NO_FEATURES)
        places = rows, columns, self._layout.offsets, float(scale), np.float32(timestep)
        self._team.run(
            merge.block_input,
            out.shape[0],
            _arrays(pixels),
            features,
            *self._block_outputs(estimate),
            *places,
            array(out),
        )
        return out[None]

    def in_layout(self, joined: Tensor) -> Tensor:
        """The same from what `rife.network.estimate.BlockInput.to_channels` returned, (1, C, h, w)."""
        height, width = joined.shape[-2:]
        out = torch.zeros(1, height, width, self._layout.channels, dtype=self.dtype)
        out[..., list(self._layout.order)] = joined.permute(0, 2, 3, 1).to(self.dtype)
        return out

    def merge(
        self,
        pictures: TensorPair,
        estimate: FlowEstimate,
        window: Window,
        *,
        channels: int = 3,
        out_of_range: TensorPair | None = None,
        seen_shrink: int | None = None,
    ) -> MergedWindow:
        """Read two pictures where the flow points, and blend them by the mask.

        Args:
            pictures: packed.
            estimate: of all blocks.
            window: what to make.
            channels: of the result: 3 or 4.
            out_of_range: two more that go the same way, packed.
            seen_shrink: also make what the refinement needs, whose finest context map is so much smaller: 1 or 2.
        """
        shape = window.height, window.width
        merged = torch.empty(channels, *shape)
        carried = self._team.empty(3 if out_of_range else 0, *shape)
        shrink = seen_shrink or 1
        flow = self._team.empty(window.height // shrink, window.width // shrink, 8 if seen_shrink else 0)
        looked_at = self._team.empty(*shape, unet_layout().channels if seen_shrink else 0, dtype=self.dtype)
        rows, columns = np.arange(window.top, window.bottom), np.arange(window.left, window.right)
        outputs = array(merged), array(carried), array(flow), array(looked_at)
        inputs = _arrays(pictures), _arrays(out_of_range or pictures), *self._block_outputs(estimate)
        self._team.run(merge.merge, window.height, *inputs, rows, columns, *outputs)
        return MergedWindow(merged, carried, flow, looked_at)

    def warp_contexts(
        self, maps: Sequence[TensorPair], flow: Tensor, window: Window, *, finest_shrink: int
    ) -> list[Tensor]:
        """Read both frames' context maps where the flow points.

        Args:
            maps: for each level, the map of img0 and that of img1, (1, C, h, w).
            flow: (h, w, 8) of the window, at the size of the finest map.
            window: where the flow stands; its ends are multiples of the smallest map's shrinking.
            finest_shrink: how much smaller than the frame the first level is.

        Returns:
            For each level, both maps side by side: (1, h, w, 2 * C).
        """
        warped = []
        for level, pair in enumerate(maps):
            shrink = finest_shrink << level
            if level > 0:
                flow = self._halved(flow)
            first, second = (_side_by_side(x) for x in pair)
            out = self._team.empty(*flow.shape[:2], 2 * first.shape[2], dtype=self.dtype)
            corner = window.top // shrink, window.left // shrink
            self._team.run(warp.warp_pair, out.shape[0], array(first), array(second), array(flow), *corner, array(out))
            warped.append(out[None])
        return warped

    def apply_residual(self, merged: MergedWindow, residual: Tensor) -> Tensor:
        """Add a correction, 0.5 for none, keep it in [0, 1], and add what lies outside: (3, h, w).

        The correction is (1, h, w, 3 or more), or in squares of 2 x 2 pixels (1, h / 2, w / 2, 12 or more).
        """
        out = torch.empty_like(merged.picture)
        pictures = array(merged.picture), array(residual[0]), array(merged.carried), array(out)
        self._team.run(pixels.add_residual, out.shape[1], *pictures)
        return out

    def _halved(self, flow: Tensor) -> Tensor:
        out = self._team.empty(flow.shape[0] // 2, flow.shape[1] // 2, 8)
        self._team.run(warp.halve_flow, out.shape[0], array(flow), array(out))
        return out

    def _block_outputs(self, estimate: FlowEstimate) -> tuple[tuple[Array, ...], Array, int, int]:
        """The blocks' outputs as the kernels take them."""
        arrays = []
        for output in estimate.outputs:
            cells = _side_by_side(output.values)
            if not self._spec.mask_accumulates and output is not estimate.latest:
                cells = cells.clone()
                cells[..., 4:] = 0
            arrays.append(array(cells).reshape(cells.shape[0], -1))
        factors = np.array([output.factor for output in estimate.outputs], np.int64)
        return (*arrays, *[_NO_OUTPUT] * (_MOST_BLOCKS - len(arrays))), factors, len(arrays), self._output_channels


def _picture(x: Tensor) -> Tensor:
    """(H, W, C) as (1, C, H, W); a view."""
    return x.permute(2, 0, 1)[None]


def _side_by_side(x: Tensor) -> Tensor:
    """(1, C, H, W) as (H, W, C), without a copy where it lies so already."""
    return x[0].permute(1, 2, 0).contiguous()


def _arrays(pair: TensorPair) -> tuple[Array, Array]:
    """Two pictures (1, C, H, W) for a kernel."""
    return array(_side_by_side(pair[0])), array(_side_by_side(pair[1]))
