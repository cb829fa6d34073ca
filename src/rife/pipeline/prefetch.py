"""Work that goes on ahead of the caller: decoding the next frame while this one is made."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

_WAITING = 1
"""Items that wait to be taken, while one more is made."""


@dataclass(frozen=True)
class _End:
    """What comes after the last item."""

    error: BaseException | None


class Ahead(Generic[_Item]):
    """The items of a generator, which runs in a thread of its own. What it raises comes after what it had yielded."""

    def __init__(self, items: Generator[_Item]) -> None:
        """Start the thread."""
        self._items = items
        self._made: Queue[_Item | _End] = Queue(_WAITING)
        self._end: _End | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name="rife-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Ahead[_Item]:
        return self

    def __next__(self) -> _Item:
        """Take the next item, waiting until it is made."""
        made = self._made.get() if self._end is None else self._end
        if not isinstance(made, _End):
            return made
        self._end = made
        if made.error is not None:
            raise made.error
        raise StopIteration

    def close(self) -> None:
        """Let the generator end where it is, and wait for that, even if interrupted: it may be at work."""
        self._stopped = True
        interrupt = None
        while self._thread.is_alive():
            try:
                with suppress(Empty):  # it may be waiting for a place
                    self._made.get_nowait()
                self._thread.join()
            except KeyboardInterrupt as err:
                interrupt = err
        with suppress(Empty):
            self._made.get_nowait()
        self._end = self._end or _End(None)
        if interrupt is not None:
            raise interrupt

    def _run(self) -> None:
        error = None
        try:
            for item in self._items:
                if not self._stopped:
                    self._made.put(item)
                del item  # a frame is not held while the next is made
                if self._stopped:
                    break
        except BaseException as err:
            error = err
        finally:
            self._items.close()
        if not self._stopped:
            self._made.put(_End(error))
