"""Progress of rendering: frames done, time left, and disk space."""

from __future__ import annotations

import time
from collections.abc import Callable

from rife.pipeline.budget import Forecast, check_disk, free_bytes, least_bytes, projected_bytes
from rife.pipeline.plan import Plan
from rife.pipeline.result import Progress
from rife.pipeline.workspace import Workspace

_FRAMES_FOR_AN_ESTIMATE = 4


class JobProgress:
    """Counts output frames as they are rendered."""

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
        """Start counting, and report a first forecast.

        Args:
            plan: the frames of the job.
            work: the folder of its segments.
            before: number of output frames that an earlier run has finished.
            memory_bytes: memory of the whole job.
            on_progress: called after every frame.
            on_forecast: called now, and again when the speed is known.
        """
        self._plan, self._work, self._before = plan, work, before
        self._memory_bytes = memory_bytes
        self._on_progress, self._on_forecast = on_progress, on_forecast
        self._total = plan.output_frames
        self._done = before
        self._started = time.perf_counter()
        self._forecast(None, least_bytes(self._total - before, plan.size))

    def frame_done(self) -> None:
        """Count one more frame."""
        self._done += 1
        seconds = time.perf_counter() - self._started
        made = self._done - self._before
        if made == min(_FRAMES_FOR_AN_ESTIMATE, self._total - self._before):
            left = self._total - self._done
            self._forecast(seconds / made * left, least_bytes(left, self._plan.size))
        if self._on_progress is not None:
            self._on_progress(Progress("make", self._done, self._total, seconds, self._before))

    def tile_done(self, done: int, tiles: int) -> None:
        """Report the finished tiles of the current frame.

        Args:
            done: number of finished tiles.
            tiles: number of all.
        """
        if self._on_progress is not None and 0 < done < tiles:
            seconds = time.perf_counter() - self._started
            self._on_progress(Progress("make", self._done, self._total, seconds, self._before, done / tiles))

    def check_room(self) -> None:
        """Check that the disk has room for the other segments and the result.

        Raises:
            JobError: it has not.
        """
        taken = self._work.segments_bytes()
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
