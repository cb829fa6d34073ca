"""Regions of a frame: a window, or the samples that downsampling reads.

Blocks return flow at a fraction of the frame's size. Upsampled flow and warped frames are local functions of it: they
are computed only in the region where they are used, with the same result, to rounding, as a crop of the whole frame's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from rife.network.warp import backward_warp, resize


@dataclass(frozen=True)
class Window:
    """A rectangle of a frame: rows `top` to `bottom`, columns `left` to `right`, ends exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def read(self, x: Tensor, *, shrink: int = 1) -> Tensor:
        """Crop (B, C, H, W), at 1/`shrink` of the frame's size, to the window; a view."""
        return x[..., self.top // shrink : self.bottom // shrink, self.left // shrink : self.right // shrink]

    def upsample(self, x: Tensor, factor: int) -> Tensor:
        """Upsample (B, C, h, w) by `factor` (bilinear), and crop to the window."""
        # Bilinear reads reach one more cell on each side; outside of the image its edge is repeated.
        top, left = max(self.top // factor - 1, 0), max(self.left // factor - 1, 0)
        part = x[..., top : -(-self.bottom // factor) + 1, left : -(-self.right // factor) + 1]
        top, left = self.top - top * factor, self.left - left * factor
        rows, columns = top + self.height, left + self.width
        return resize(part, factor)[..., top:rows, left:columns]

    def warp(self, image: Tensor, flow: Tensor, *, shrink: int = 1) -> Tensor:
        """Warp a whole image by the flow of the window; both at 1/`shrink` of the frame's size."""
        rows = torch.arange(self.top // shrink, self.bottom // shrink, device=flow.device)
        columns = torch.arange(self.left // shrink, self.right // shrink, device=flow.device)
        return backward_warp(image, flow, rows=rows, columns=columns)

    def grown(self, reach: int, *, within: Window, multiple: int) -> Window:
        """The window extended to multiples and by `reach` (a multiple) on each side, clipped to another."""
        return Window(
            max(self.top // multiple * multiple - reach, within.top),
            max(self.left // multiple * multiple - reach, within.left),
            min(-(-self.bottom // multiple) * multiple + reach, within.bottom),
            min(-(-self.right // multiple) * multiple + reach, within.right),
        )

    def relative_to(self, outer: Window) -> Window:
        """The window in the coordinates of another window that contains it."""
        return Window(self.top - outer.top, self.left - outer.left, self.bottom - outer.top, self.right - outer.left)

    def tiles(self, side: int | None, *, multiple: int) -> list[Window]:
        """Divide into windows of at most `side` pixels (about, and at least `multiple`), of nearly equal size."""
        if side is None:
            return [self]
        rows, columns = (_cuts(length, side, multiple) for length in (self.height, self.width))
        return [
            Window(self.top + top, self.left + left, self.top + bottom, self.left + right)
            for top, bottom in pairwise(rows)
            for left, right in pairwise(columns)
        ]

    def assembled(self, parts: Sequence[tuple[Window, Tensor]], *, shrink: int = 1) -> Tensor:
        """Assemble the window from smaller windows (B, C, h, w) at 1/`shrink` of the frame's size."""
        if len(parts) == 1:
            return parts[0][1]
        first = parts[0][1]
        out = first.new_empty(*first.shape[:2], self.height // shrink, self.width // shrink)
        for window, part in parts:
            window.read(out, shrink=shrink).copy_(part)
        return out

    def bands(self, pixels: int, *, multiple: int) -> list[Window]:
        """Divide into rows of the full width, of at most `pixels` pixels (about)."""
        cuts = _cuts(self.height, pixels // self.width, multiple)
        return [Window(self.top + top, self.left, self.top + bottom, self.right) for top, bottom in pairwise(cuts)]


@dataclass(frozen=True)
class SampleGrid:
    """The pixels that bilinear downsampling by an even `scale` reads: the middle 2 x 2 of every `scale` x `scale`.

    `rife.network.warp.resize` reads no others. Together they are an image of 2 / `scale` of the frame's size, and
    downsampling that by 2 is the same as downsampling the frame by `scale`.
    """

    scale: int
    height: int
    width: int

    def read(self, x: Tensor) -> Tensor:
        """Select the samples of (B, C, H, W)."""
        rows, columns = self._positions(x.device)
        return x.index_select(-2, rows).index_select(-1, columns)

    def upsample(self, x: Tensor, factor: int) -> Tensor:
        """Upsample (B, C, h, w) by `factor` (bilinear), at the samples only."""
        for dim, positions in zip((-2, -1), self._positions(x.device), strict=True):
            x = upsampled_at(x, factor, positions, dim=dim)
        return x

    def warp(self, image: Tensor, flow: Tensor) -> Tensor:
        """Warp a whole image by the flow at the samples."""
        rows, columns = self._positions(flow.device)
        return backward_warp(image, flow, rows=rows, columns=columns)

    def _positions(self, device: torch.device) -> tuple[Tensor, Tensor]:
        rows, columns = (sample_positions(length, self.scale, device) for length in (self.height, self.width))
        return rows, columns


def upsampled_at(x: Tensor, factor: int, positions: Tensor, *, dim: int) -> Tensor:
    """Upsample one dimension by `factor`, bilinear (align_corners=False), at some positions of the result only."""
    last = x.shape[dim] - 1
    cell = ((positions + 0.5) / factor - 0.5).clamp(0, last)
    first = cell.floor()
    share = (cell - first).to(x.dtype)
    index = first.long()
    a, b = x.index_select(dim, index), x.index_select(dim, (index + 1).clamp_max(last))
    return a + (b - a) * (share if dim == -1 else share[:, None])


def largest_upsampled(x: Tensor, factor: int, *, height: int, width: int) -> Tensor:
    """The largest magnitude of (B, C, h, w) after upsampling to the frame's size: (B, C).

    Between four cells the upsampled values lie on one bilinear surface, whose extrema are at its corners: the pixels
    next to the cells' centres, and the frame's edges.
    """
    for dim, length in ((-2, height), (-1, width)):
        ends = torch.tensor([0, length - 1], device=x.device)
        inner = sample_positions(length, factor, x.device) if factor > 1 else torch.arange(length, device=x.device)
        x = upsampled_at(x, factor, torch.cat((ends, inner)), dim=dim)
    return x.abs().amax(dim=(-2, -1))


def sample_positions(length: int, scale: int, device: torch.device) -> Tensor:
    """The two middle positions of every `scale` (even) positions, up to `length`."""
    starts = torch.arange(0, length, scale, device=device)[:, None]
    positions = (starts + torch.tensor([scale // 2 - 1, scale // 2], device=device)).flatten()
    return positions[: 2 * (length // scale) + max(0, min(2, length % scale - scale // 2 + 1))]


def _cuts(length: int, side: int, multiple: int) -> list[int]:
    parts = math.ceil(length / max(side, multiple))
    cuts = [round(part * length / parts / multiple) * multiple for part in range(parts)]
    return sorted({*cuts, length})


def padded(x: Tensor, multiple: int) -> Tensor:
    """Extend (B, C, H, W) at its right and bottom edge to multiples of `multiple`, repeating the edge.

    Warping reads the padding where the flow leaves the frame: a repeated edge is plausible there, black is not.
    """
    height, width = x.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if right or bottom else x
