"""A background thread that runs calls in order: one frame is encoded while the next one is rendered."""

from __future__ import annotations

from collections.abc import Callable
from queue import Queue
from threading import Thread
from types import TracebackType

_WAITING = 1
"""Length of the queue, beside the call that runs. Each call holds a frame in float32: 100 MB at 3840x2160."""


class BackgroundWorker:
    """Runs calls one after another in its own thread. The next `do` raises the exception of a call."""

    def __init__(self) -> None:
        """Start the thread."""
        self._calls: Queue[Callable[[], object] | None] = Queue(_WAITING)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name="rife-background", daemon=True)
        self._thread.start()

    def do(self, call: Callable[[], object]) -> None:
        """Queue a call; waits while the queue is full.

        Raises:
            BaseException: the exception of an earlier call; no call ran after it.
        """
        self._raise()
        self._calls.put(call)

    def __enter__(self) -> BackgroundWorker:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all calls; after an exception or an interruption, only for the call that runs."""
        self._stopped = error is not None
        end_queued, interrupt = False, None
        # The caller closes the file that the thread writes: the thread has to end first, in every case.
        while self._thread.is_alive():
            try:
                if not end_queued:
                    self._calls.put(None)
                    end_queued = True
                self._thread.join()
            except KeyboardInterrupt as err:
                self._stopped, interrupt = True, err
        if interrupt is not None:
            raise interrupt
        if error is None:
            self._raise()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._error is None and not self._stopped:
                try:
                    call()
                except BaseException as err:  # noqa: BLE001 (raised by the caller's thread)
                    self._error = err
            del call  # release the frame while waiting for the next one

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
