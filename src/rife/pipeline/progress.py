"""How far the making of frames is, how long it will take, and whether the result will fit on the disk."""

from __future__ import annotations

import time
from collections.abc import Callable

from rife.pipeline.budget import Forecast, check_disk, free_bytes, least_bytes, projected_bytes
from rife.pipeline.plan import Plan
from rife.pipeline.settings import Progress
from rife.pipeline.workspace import Workspace

_FRAMES_FOR_AN_ESTIMATE = 4


class Meter:
    """Counts output frames as they are made."""

    def __init__(
        self,
        plan: Plan,
        work: Workspace,
        *,
        before: int,
        memory_bytes: int,
        on_progress: Callable[[Progress], None] | None,
        on_forecast: Callable[[Forecast], None] | None,
    ) -> None:
        """Begin to count, and tell what is ahead.

        Args:
            plan: the job.
            work: where its parts go.
            before: output frames that an earlier run has finished.
            memory_bytes: what the network needs.
            on_progress: called after every frame.
            on_forecast: called now, and when the speed is known.
        """
        self._plan, self._work, self._before = plan, work, before
        self._memory_bytes = memory_bytes
        self._on_progress, self._on_forecast = on_progress, on_forecast
        self._total = plan.output_frames
        self._done = before
        self._started = time.perf_counter()
        self._forecast(None, least_bytes(self._total - before, plan.size))

    def frame(self) -> None:
        """Count one more frame."""
        self._done += 1
        seconds = time.perf_counter() - self._started
        made = self._done - self._before
        if made == min(_FRAMES_FOR_AN_ESTIMATE, self._total - self._before):
            left = self._total - self._done
            self._forecast(seconds / made * left, least_bytes(left, self._plan.size))
        if self._on_progress is not None:
            self._on_progress(Progress("make", self._done, self._total, seconds, self._before))

    def tile(self, done: int, tiles: int) -> None:
        """Tell how many tiles of the frame that is being made are done, of how many."""
        if self._on_progress is not None and 0 < done < tiles:
            seconds = time.perf_counter() - self._started
            self._on_progress(Progress("make", self._done, self._total, seconds, self._before, done / tiles))

    def check_room(self) -> None:
        """Compare what the finished parts take with the room that is left.

        Raises:
            JobError: the rest will not fit.
        """
        taken = self._work.parts_bytes()
        check_disk(projected_bytes(taken, self._done, self._total), self._work.folder)

    def _forecast(self, seconds: float | None, disk_bytes: int) -> None:
        if self._on_forecast is not None:
            free = free_bytes(self._work.folder)
            self._on_forecast(
                Forecast(
                    frames=self._total,
                    frames_made_before=self._before,
                    frames_to_make=self._total - self._done,
                    seconds=seconds,
                    memory_bytes=self._memory_bytes,
                    disk_bytes=disk_bytes,
                    disk_free_bytes=free,
                )
            )
