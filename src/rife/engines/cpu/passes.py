"""The kernels, called with this package's records: each pass over a frame is shared out among threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rife.engines.cpu.channel_layout import SEEN_LANES, block_layout, motion_lanes
from rife.engines.cpu.thread_team import Array, Crew, array
from rife.errors import ShapeError
from rife.kernels import merge as merging
from rife.kernels import pixels as packing
from rife.kernels import warp as warping
from rife.kernels.simd import LANES
from rife.network.estimate import Motion
from rife.network.regions import Window, middles
from rife.network.specs import SPECS, NetworkSpec

Two = tuple[Tensor, Tensor]

_MOST_BLOCKS = max(len(row.widths) for row in SPECS.values())
"""Kernels are compiled for as many, and told how many there are."""

_NO_LOW = np.zeros((1, 16), np.float32)
_NO_FEATURES = np.zeros((1, 1, 0), np.float32)


class Merged(NamedTuple):
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

    def __init__(self, spec: NetworkSpec, *, dtype: torch.dtype, crew: Crew | None = None) -> None:
        """Prepare to work.

        Args:
            spec: which network.
            dtype: of what convolutions take, float32 or bf16; what is added up is float32 in any case.
            crew: does the work; one of as many threads as PyTorch uses if None.
        """
        self._spec, self.dtype = spec, dtype
        self._layout, self._lanes = block_layout(spec), motion_lanes(spec)
        self._crew = crew or Crew()

    def packed(self, picture: Tensor) -> Tensor:
        """Put the channels of (1, 3 or 4, H, W) side by side: (1, 4, H, W), each pixel in one piece of memory.

        Raises:
            ShapeError: a picture of one row or column; those of networks are larger.
        """
        height, width = picture.shape[-2:]
        if min(height, width) < 2:
            raise ShapeError(f"expected two rows and columns or more, got {height} x {width}. Pad the frame.")
        out = self._crew.empty(height, width, 4)
        self._crew.run(packing.pack, height, array(picture[0].contiguous()), array(out))
        return _picture(out)

    def seen_by_block(
        self, pixels: Two, encoded: Sequence[Tensor], motion: Motion, *, scale: int, timestep: float
    ) -> Tensor:
        """What a block takes, in the lanes of `rife.engines.cpu.channel_layout.block_layout`.

        Args:
            pixels: both frames, packed.
            encoded: both frames' encoder features, if the network has an encoder.
            motion: the estimate so far, of one block at least.
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
        out = self._crew.empty(height // scale, width // scale, self._layout.lanes, dtype=self.dtype)
        if out[0].numel() < LANES:
            raise ShapeError(f"frames of {width} px are too narrow for a block that works at 1/{scale}. Pad them.")
        features = _arrays((encoded[0], encoded[1])) if encoded else (_NO_FEATURES, _NO_FEATURES)
        places = rows, columns, tuple(self._layout.starts), float(scale), np.float32(timestep)
        self._crew.run(
            merging.see_block, out.shape[0], _arrays(pixels), features, *self._lows(motion), *places, array(out)
        )
        return out[None]

    def in_lanes(self, joined: Tensor) -> Tensor:
        """The same from what `rife.network.estimate.Sight.joined` returned, (1, C, h, w)."""
        height, width = joined.shape[-2:]
        out = torch.zeros(1, height, width, self._layout.lanes, dtype=self.dtype)
        out[..., list(self._layout.order)] = joined.permute(0, 2, 3, 1).to(self.dtype)
        return out

    def merged(
        self,
        pictures: Two,
        motion: Motion,
        window: Window,
        *,
        channels: int = 3,
        excess: Two | None = None,
        seen_shrink: int | None = None,
    ) -> Merged:
        """Read two pictures where the flow points, and blend them by the mask.

        Args:
            pictures: packed.
            motion: of all blocks.
            window: what to make.
            channels: of the result: 3 or 4.
            excess: two more that go the same way, packed.
            seen_shrink: also make what the refinement needs, whose finest context map is so much smaller: 1 or 2.
        """
        shape = window.height, window.width
        merged = torch.empty(channels, *shape)
        carried = self._crew.empty(3 if excess else 0, *shape)
        shrink = seen_shrink or 1
        flow = self._crew.empty(window.height // shrink, window.width // shrink, 8 if seen_shrink else 0)
        looked_at = self._crew.empty(*shape, SEEN_LANES if seen_shrink else 0, dtype=self.dtype)
        rows, columns = np.arange(window.top, window.bottom), np.arange(window.left, window.right)
        outputs = array(merged), array(carried), array(flow), array(looked_at)
        inputs = _arrays(pictures), _arrays(excess or pictures), *self._lows(motion)
        self._crew.run(merging.merge, window.height, *inputs, rows, columns, *outputs)
        return Merged(merged, carried, flow, looked_at)

    def contexts(self, maps: Sequence[Two], flow: Tensor, window: Window, *, finest_shrink: int) -> list[Tensor]:
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
            out = self._crew.empty(*flow.shape[:2], 2 * first.shape[2], dtype=self.dtype)
            corner = window.top // shrink, window.left // shrink
            self._crew.run(
                warping.warp_pair, out.shape[0], array(first), array(second), array(flow), *corner, array(out)
            )
            warped.append(out[None])
        return warped

    def corrected(self, merged: Merged, residual: Tensor) -> Tensor:
        """Add a correction, 0.5 for none, keep it in [0, 1], and add what lies outside: (3, h, w).

        The correction is (1, h, w, 3 or more), or in squares of 2 x 2 pixels (1, h / 2, w / 2, 12 or more).
        """
        out = torch.empty_like(merged.picture)
        pictures = array(merged.picture), array(residual[0]), array(merged.carried), array(out)
        self._crew.run(packing.correct, out.shape[1], *pictures)
        return out

    def _halved(self, flow: Tensor) -> Tensor:
        out = self._crew.empty(flow.shape[0] // 2, flow.shape[1] // 2, 8)
        self._crew.run(warping.halve_flow, out.shape[0], array(flow), array(out))
        return out

    def _lows(self, motion: Motion) -> tuple[tuple[Array, ...], Array, int, int]:
        """The blocks' outputs as the kernels take them."""
        arrays = []
        for low in motion.lows:
            cells = _side_by_side(low.output)
            if not self._spec.mask_accumulates and low is not motion.newest:
                cells = cells.clone()
                cells[..., 4:] = 0
            arrays.append(array(cells).reshape(cells.shape[0], -1))
        factors = np.array([low.factor for low in motion.lows], np.int64)
        return (*arrays, *[_NO_LOW] * (_MOST_BLOCKS - len(arrays))), factors, len(arrays), self._lanes


def _picture(x: Tensor) -> Tensor:
    """(H, W, C) as (1, C, H, W); a view."""
    return x.permute(2, 0, 1)[None]


def _side_by_side(x: Tensor) -> Tensor:
    """(1, C, H, W) as (H, W, C), without a copy where it lies so already."""
    return x[0].permute(1, 2, 0).contiguous()


def _arrays(pair: Two) -> tuple[Array, Array]:
    """Two pictures (1, C, H, W) for a kernel."""
    return array(_side_by_side(pair[0])), array(_side_by_side(pair[1]))
