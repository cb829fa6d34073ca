"""Work that goes on behind the caller's back, in order: encoding one frame while the next is made."""

from __future__ import annotations

from collections.abc import Callable
from queue import Queue
from threading import Thread
from types import TracebackType

_WAITING = 1
"""Calls that wait while one runs. Each holds a frame in float32, which is 100 MB at 3840x2160."""


class Behind:
    """Runs calls one after another in a thread of its own. What one of them raises, the caller gets at its next."""

    def __init__(self) -> None:
        """Start the thread."""
        self._calls: Queue[Callable[[], object] | None] = Queue(_WAITING)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name="rife-behind", daemon=True)
        self._thread.start()

    def do(self, call: Callable[[], object]) -> None:
        """Run a call after all that were given before; waits while too many are waiting.

        Raises:
            BaseException: what an earlier call raised; nothing was run after it.
        """
        self._raise()
        self._calls.put(call)

    def __enter__(self) -> Behind:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all calls; if the caller failed or is interrupted meanwhile, only for the one that runs."""
        self._stopped = error is not None
        told, interrupt = False, None
        # Whoever comes after this closes what the thread writes to: it has to have ended, whatever happens here.
        while self._thread.is_alive():
            try:
                if not told:
                    self._calls.put(None)
                    told = True
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
                except BaseException as err:
                    self._error = err
            del call  # a frame is not held while waiting for the next

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
