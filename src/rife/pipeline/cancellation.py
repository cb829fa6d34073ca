"""Cancellation of a job by a signal, which is checked at every frame."""

from __future__ import annotations

from collections.abc import Callable

from rife.errors import CancelledError, Hint
from rife.media.paths import Output
from rife.pipeline.result import CancelSignal, Progress
from rife.pipeline.settings import JobSettings
from rife.pipeline.workspace import finished_segments, work_folder


def cancelled_error(target: Output, settings: JobSettings) -> CancelledError:
    """The error of a cancelled job, which tells what is stored."""
    outputs = [target, target.partial] if settings.keep_partial else [target]
    folders = [] if target.is_stream else [work_folder(output) for output in outputs]
    for folder in folders:
        segments = finished_segments(folder)
        if segments:
            plural = "s are" if segments > 1 else " is"
            return CancelledError(
                f"{target}: cancelled. {segments} finished segment{plural} in {folder}.",
                hint=Hint("Repeat the job to continue after the last one, or delete that folder."),
                folder=folder,
                segments=segments,
            )
    return CancelledError(f"{target}: cancelled. No segment was finished, and nothing is stored.")


class Cancellable:
    """Reports progress, and ends a job whose signal is set."""

    def __init__(self, cancel: CancelSignal | None, on_progress: Callable[[Progress], None] | None) -> None:
        """Keep the signal, and the function that progress is reported to."""
        self._cancel, self._on_progress = cancel, on_progress

    def report(self, progress: Progress) -> None:
        """Report progress.

        Raises:
            CancelledError: the signal is set.
        """
        if self._on_progress is not None:
            self._on_progress(progress)
        self.check()

    def check(self) -> None:
        """Raise `CancelledError` if the signal is set."""
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError("cancelled.")
