"""Progress within a frame that is made in tiles: the blocks of the network first, then the tiles of the new frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rife.interpolation.tiling import Tiling
from rife.network.blocks import BLOCK_STEP_PX
from rife.network.ifnet import IFNet
from rife.network.regions import Window


class FrameSteps:
    """Counts the steps of one frame, and tells `Tiling.on_tile` of them."""

    def __init__(self, network: IFNet, tiling: Tiling, whole: Window, *, tile: int | None, windows: int) -> None:
        """Begin a frame.

        Args:
            network: makes it.
            tiling: whoever listens, listens there.
            whole: the padded frame.
            tile: side of the tiles; None for a frame that is made as a whole, of which nothing is told.
            windows: tiles of the new frame.
        """
        self._network, self._tiling, self._done = network, tiling, 0
        # The last block works in tiles, each of the others in one step.
        blocks = len(network.spec.widths) - 1 + len(whole.tiles(tile, multiple=BLOCK_STEP_PX))
        self._blocks = 0 if tile is None else blocks
        self._total = self._blocks + windows

    @contextmanager
    def estimate(self) -> Iterator[None]:
        """Count each run of a block as a step, while motion is estimated."""
        blocks = [self._network.get_submodule(f"block{index}") for index in range(len(self._network.spec.widths))]
        hooks = [block.register_forward_hook(lambda *_: self._block()) for block in blocks] if self._blocks else []
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        self._done = self._blocks

    def tile(self) -> None:
        """Count a tile of the new frame."""
        self._done += 1
        self._tiling.tile_done(self._done, self._total)

    def _block(self) -> None:
        # Averaged and restarted estimates run more blocks: the rest of them stays at the last step.
        self._done = min(self._done + 1, self._blocks)
        self._tiling.tile_done(self._done, self._total)
