"""Guard against engines that err: a self-test, a check of every frame, and PyTorch in their place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from rife.engines.protocol import Engine
from rife.engines.self_test import prove
from rife.engines.torch_engine import TorchEngine
from rife.errors import EngineFaultError, JobError
from rife.interpolation.plausibility import agree, doubt, is_finite
from rife.interpolation.tiling import Tiling, is_out_of_memory
from rife.network.ifnet import IFNet

_MOST_EXCUSED = 1024
"""Frames after a doubt that was unfounded, in which no doubt is looked into; their number doubles each time."""

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class GuardedEngines:
    """The engines of one network: one for whole frames, one for tiles, and PyTorch in float32 in their place."""

    def __init__(self, network: IFNet, whole: Engine, tiled: Engine, tiling: Tiling) -> None:
        """Watch over engines.

        Args:
            network: which they run.
            whole: makes frames as a whole.
            tiled: makes frames that are made in tiles.
            tiling: tells which frames these are.
        """
        self.whole, self._tiled, self._tiling, self._network = whole, tiled, tiling, network
        self._proven: set[str] = set()
        self._unfounded = self._excused = 0

    def for_size(self, size: tuple[int, int]) -> Engine:
        """The engine that makes frames of a size (height, width)."""
        return self.whole if self._tiling.side(size) is None else self._tiled

    def run(self, size: tuple[int, int], action: Callable[[Engine], _Result]) -> _Result:
        """Run an action on the engine for frames of a size, in smaller tiles where memory runs out.

        The engine passes its self-test first. Where it errs, PyTorch takes its place, for all frames that follow.

        Raises:
            JobError: memory runs out in the smallest tiles, or PyTorch errs.
        """
        while True:
            engine, fault, shortage = self.for_size(size), None, ""
            try:
                self._prove(engine)
                return action(engine)
            except EngineFaultError as err:
                fault = str(err)
            except (RuntimeError, MemoryError) as err:
                reason = str(err).splitlines()[0] if str(err) else type(err).__name__
                if is_out_of_memory(err):
                    shortage = reason
                elif _is_reference(engine):
                    raise
                else:
                    fault = f"engine {engine.label}: {reason}"
            # Here, not above: an error that is being handled holds on to all that it was raised in.
            if fault is None:
                self._tiling.lower(size, reason=shortage)
            else:
                self._put_aside(engine, fault)

    def make(self, size: tuple[int, int], sources: tuple[Tensor, Tensor], maker: Callable[[Engine], Tensor]) -> Tensor:
        """Make a frame, and check it.

        Args:
            size: height and width.
            sources: the frames before and after it.
            maker: makes it with an engine.

        Raises:
            JobError: as `run`.
        """

        def checked(engine: Engine) -> Tensor:
            made = maker(engine)
            self._check(made, sources, engine, maker)
            return made

        return self.run(size, checked)

    def _prove(self, engine: Engine) -> None:
        if engine.label not in self._proven:
            if not _is_reference(engine):
                prove(engine, self._network)
            self._proven.add(engine.label)

    def _check(
        self, made: Tensor, sources: tuple[Tensor, Tensor], engine: Engine, maker: Callable[[Engine], Tensor]
    ) -> None:
        if not is_finite(made):
            raise EngineFaultError(f"engine {engine.label}: a frame has values that are NaN or infinite.")
        if _is_reference(engine):
            return
        if self._excused > 0:
            self._excused -= 1
            return
        reason = doubt(made, *sources)
        if reason is None:
            return
        if not agree(made, maker(TorchEngine(self._network))):
            raise EngineFaultError(f"engine {engine.label}: a frame is not the one that PyTorch makes: {reason}.")
        self._unfounded += 1
        self._excused = min(1 << self._unfounded, _MOST_EXCUSED)

    def _put_aside(self, engine: Engine, fault: str) -> None:
        """Let PyTorch make the frames from now on.

        Raises:
            JobError: it did, and its frames are not right either.
        """
        if _is_reference(engine):
            raise JobError(
                f"network {self._network.spec.name}: its frames have values that are NaN or infinite, in PyTorch too. "
                "The weights or the source frames are damaged. Take other weights, or check the source."
            )
        self.whole = self._tiled = TorchEngine(self._network)
        _log.warning("%s PyTorch makes the frames from here on. Please report this.", fault, extra={"is_fault": True})


def _is_reference(engine: Engine) -> bool:
    """Whether an engine is PyTorch in float32: what every engine is compared with."""
    return isinstance(engine, TorchEngine) and engine.precision == "float32"
