"""A prefetching iterator: the next frame is decoded while the current one is used."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

_WAITING = 1
"""Length of the queue, beside the item that is being produced."""


@dataclass(frozen=True)
class _End:
    """The end of the queue."""

    error: BaseException | None


class Prefetcher(Generic[_Item]):
    """Iterates over a generator that runs in its own thread. An exception of it is raised after the items before it."""

    def __init__(self, items: Generator[_Item]) -> None:
        """Start the thread."""
        self._items = items
        self._queue: Queue[_Item | _End] = Queue(_WAITING)
        self._end: _End | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name="rife-prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Prefetcher[_Item]:
        return self

    def __next__(self) -> _Item:
        """Return the next item; waits until there is one."""
        item = self._queue.get() if self._end is None else self._end
        if not isinstance(item, _End):
            return item
        self._end = item
        if item.error is not None:
            raise item.error
        raise StopIteration

    def close(self) -> None:
        """Stop the generator and wait for its thread, also after an interruption."""
        self._stopped = True
        interrupt = None
        while self._thread.is_alive():
            try:
                with suppress(Empty):  # the thread may wait for room in the queue
                    self._queue.get_nowait()
                self._thread.join()
            except KeyboardInterrupt as err:
                interrupt = err
        with suppress(Empty):
            self._queue.get_nowait()
        self._end = self._end or _End(None)
        if interrupt is not None:
            raise interrupt

    def _run(self) -> None:
        error = None
        try:
            for item in self._items:
                if not self._stopped:
                    self._queue.put(item)
                del item  # release the frame while the next one is decoded
                if self._stopped:
                    break
        except BaseException as err:  # noqa: BLE001 (raised by the caller's thread)
            error = err
        finally:
            self._items.close()
        if not self._stopped:
            self._queue.put(_End(error))
