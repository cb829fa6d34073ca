"""How large the tiles of a frame may be, for the memory that there is.

What is local (enlarged flow, warped frames, the block at full size, refinement) is computed in tiles that overlap by
as much as it sees around a pixel, so that tiles leave no seams (`rife.network.ifnet.IFNet.synthesize`). What is left
whole is small: the frames themselves, what was computed from each of them, and the flow.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from pathlib import Path

import torch

from rife.errors import Hint, JobError
from rife.options import MIN_TILE_PX, Number, Tile, parse_memory, parse_tile

TILE_STEP_PX = 16
"""Tiles begin at multiples of this: what refinement halves must halve alike in a tile and in the whole frame."""

_log = logging.getLogger(__name__)

DEFAULT_MEMORY_BYTES = 3 << 29
"""What the network may take unless more is allowed. With it a whole job at 4K, decoding and a full queue of the encoder
included, took 3.9 GB at its peak; in tiles of 800 pixels, that is about a tenth more time than whole frames take."""

_SPARE_SHARE = 0.8
"""Of the memory that is free, leave some to what else runs."""

_WHOLE_BYTES_PER_PX = {True: 150, False: 95}
"""Measured at 4K: what is held for a whole frame, with refinement and without; features of an encoder come on top."""

_TILE_BYTES_PER_PX = {True: 420, False: 140}
"""Measured at 4K: what a tile takes while it is made, overlap included."""

_LESS_MEMORY = Hint("Free some memory, or take {tile}, {refine} or a smaller model.", {"tile": "auto", "refine": "off"})

_OVERLAP_PX = 128
"""A tile is larger by this than what it makes, at most."""


class Tiling:
    """The side of the tiles for frames of each size: decided once, and lowered where memory runs out."""

    def __init__(
        self, tile: Tile | Number, memory_bytes: Number | None, *, device: torch.device, refine: bool, features: int = 0
    ) -> None:
        """Check what is asked for.

        Args:
            tile: a number of pixels, `auto` or `off`.
            memory_bytes: what the network may take; None for a default.
            device: where it runs.
            refine: whether frames are refined, which takes more memory.
            features: channels at full size that the network's encoder gives each frame.

        Raises:
            OptionError: a tile or an amount of memory that cannot be.
        """
        self.tile: Tile = parse_tile(tile)
        self.memory_bytes = None if memory_bytes is None else parse_memory(memory_bytes)
        self.on_tile: Callable[[int, int], None] | None = None
        self._device, self._refine, self._features = device, refine, features
        self._sides: dict[tuple[int, int], int | None] = {}

    def side(self, size: tuple[int, int]) -> int | None:
        """The side in pixels of the tiles for frames of a size (height, width); None for the frame as a whole."""
        if size not in self._sides:
            side = None if self.tile == "off" else self.tile
            if side == "auto":
                allowed = allowed_bytes(self.memory_bytes, self._device)
                side = fitting_tile(size[0] * size[1], allowed, refine=self._refine, features=self._features)
            self._sides[size] = side
        return self._sides[size]

    def tile_done(self, done: int, tiles: int) -> None:
        """Tell whoever listens through `on_tile` how many tiles of a frame are done, of how many."""
        if self.on_tile is not None:
            self.on_tile(done, tiles)

    def needed_bytes(self, size: tuple[int, int]) -> int:
        """About what the network takes for frames of a size, in the tiles that were chosen for it."""
        pixels, side = size[0] * size[1], self.side(size)
        tile = pixels if side is None else min(pixels, (side + _OVERLAP_PX) ** 2)
        two_frames_bytes = 2 * 4 * self._features
        whole_bytes = _WHOLE_BYTES_PER_PX[self._refine] + two_frames_bytes
        return pixels * whole_bytes + tile * (_TILE_BYTES_PER_PX[self._refine] + 2 * two_frames_bytes)

    def check(self, size: tuple[int, int], *, beside_bytes: int = 0) -> None:
        """Refuse frames that cannot be made in the memory that is free, before any is begun.

        Args:
            size: height and width.
            beside_bytes: what the job takes beside the network, where both share a memory.

        Raises:
            JobError: not even in the smallest tiles.
        """
        needed, free = self.needed_bytes(size), _free_bytes(self._device)
        needed += beside_bytes if self._device.type == "cpu" else 0
        if free is not None and needed > free:
            raise JobError(
                f"frames of {size[1]}x{size[0]}: need about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB "
                "are free.",
                hint=_LESS_MEMORY,
            )

    def lower(self, size: tuple[int, int], *, reason: str) -> None:
        """Take smaller tiles from now on, because memory ran out.

        Raises:
            JobError: tiles are off, or as small as they can be.
        """
        side, longest = self.side(size), max(size)
        current = longest if side is None else min(side, longest)
        if self.tile == "off" or current <= MIN_TILE_PX:
            state = "and tiles are off" if self.tile == "off" else f"even in tiles of {MIN_TILE_PX} pixels"
            raise JobError(
                f"frames of {size[1]}x{size[0]}: memory ran out {state} ({reason}).",
                hint=_LESS_MEMORY,
            )
        self._sides[size] = lower = max(current // 2 // TILE_STEP_PX * TILE_STEP_PX, MIN_TILE_PX)
        _log.warning("Memory ran out (%s): frames are now made in tiles of %s pixels.", reason, lower)


def fitting_tile(pixels: int, memory_bytes: int, *, refine: bool, features: int = 0) -> int | None:
    """The side of the largest tiles with which a frame can be made in the memory given; None for the frame as a whole.

    Args:
        pixels: of a frame.
        memory_bytes: for the network and all it computes.
        refine: whether frames are refined, which takes more.
        features: channels at full size that the network's encoder gives each frame.
    """
    two_frames_bytes = 2 * 4 * features
    left = max(memory_bytes - pixels * (_WHOLE_BYTES_PER_PX[refine] + two_frames_bytes), 0)
    fitting = left // (_TILE_BYTES_PER_PX[refine] + 2 * two_frames_bytes)
    if fitting >= pixels:
        return None
    return max((math.isqrt(fitting) - _OVERLAP_PX) // TILE_STEP_PX * TILE_STEP_PX, MIN_TILE_PX)


def allowed_bytes(memory_bytes: int | None, device: torch.device) -> int:
    """Memory that the network may take: what is asked for, or a default, and no more than what is free."""
    free = _free_bytes(device)
    limit = DEFAULT_MEMORY_BYTES if memory_bytes is None else memory_bytes
    return limit if free is None else min(limit, int(free * _SPARE_SHARE))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: PyTorch has no one type for that on all devices."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "out of memory" in text)


def _free_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
