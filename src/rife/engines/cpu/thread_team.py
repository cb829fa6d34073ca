"""Threads that share the rows of a frame."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rife.engines import forks
from rife.engines.cpu.buffer_pool import BufferPool
from rife.kernels import jit

Array = np.ndarray[Any, Any]

_MIN_ROWS = 8
"""A turn is not worth fewer."""

_PATIENCE_SECONDS = 10.0

CHUNKS_PER_THREAD = 6
"""Of the work, for each thread: none waits long for another that was held up."""


class ThreadTeam:
    """Runs kernels, each on all threads at once, and lends the memory for what they make (`empty`)."""

    def __init__(self, threads: int | None = None) -> None:
        """Take a number of threads; as many as PyTorch uses if None."""
        self.threads = threads or torch.get_num_threads()
        self._own = threading.local()
        self.empty = BufferPool().empty
        forks.renew(self)

    def after_fork(self) -> None:
        """Call other helpers, when there is work: those of the parent are not in this process."""
        self.__dict__.pop("_calls", None)

    def run(
        self,
        kernel: Callable[..., None],
        rows: int,
        *arguments: object,
        min_rows: int = _MIN_ROWS,
        chunks_per_thread: int = CHUNKS_PER_THREAD,
    ) -> None:
        """Call `kernel(*arguments, start, stop)` for all rows, in chunks of a multiple of `min_rows` rows."""
        jit.run(self._share_out, kernel, rows, arguments, min_rows, chunks_per_thread)

    def run_with_scratch(
        self, kernel: Callable[..., None], rows: int, *arguments: object, numbers: int, **how: int
    ) -> None:
        """The same for a kernel that takes memory to work in: `kernel(*arguments, scratch, start, stop)`."""

        def with_scratch(*given: object) -> None:
            kernel(*given[:-2], self._scratch(numbers), *given[-2:])

        self.run(with_scratch, rows, *arguments, **how)

    def _scratch(self, numbers: int) -> Array:
        """Memory of this thread alone. It is kept: new memory comes in pages that have to be cleared."""
        mine: Tensor | None = getattr(self._own, "scratch", None)
        if mine is None or mine.numel() < numbers:
            # What was never written may be read, and not used: a number that is not too small to be fast.
            mine = self._own.scratch = torch.zeros(numbers)
        return array(mine)

    def _share_out(
        self,
        kernel: Callable[..., None],
        rows: int,
        arguments: tuple[object, ...],
        min_rows: int,
        chunks_per_thread: int,
    ) -> None:
        """Let each thread take the next piece when it is done with one."""
        most = self.threads * chunks_per_thread if self.threads > 1 else 1
        step = max(-(-rows // most // min_rows), 1) * min_rows
        ranges = [(start, min(start + step, rows)) for start in range(0, rows, step)]
        turns = _Turns(kernel, arguments, ranges)
        for _ in range(min(self.threads, len(ranges)) - 1):
            self._calls.put(turns)
        try:
            turns.work()
        finally:
            errors = turns.finish()
        try:
            for error in errors:
                raise error
        finally:
            del errors  # or it, and all that it was raised in, would wait for the garbage collector

    @cached_property
    def _calls(self) -> SimpleQueue[_Turns | None]:
        """What helpers are called by, one for each thread beside the caller's."""
        calls: SimpleQueue[_Turns | None] = SimpleQueue()
        helpers = [Thread(target=_help, args=(calls,), name="rife-crew", daemon=True) for _ in range(self.threads - 1)]
        for helper in helpers:
            helper.start()
        # They know the queue, not the team: it can end, and sends them home; at the latest when the process ends.
        weakref.finalize(self, _dismiss, calls, helpers)
        return calls


class _Turns:
    """A piece of work for several threads. Who comes when all is shared out is not waited for."""

    def __init__(
        self, kernel: Callable[..., None], arguments: tuple[object, ...], ranges: Sequence[tuple[int, int]]
    ) -> None:
        self._kernel, self._arguments, self._ranges = kernel, arguments, iter(ranges)
        self._lock, self._helpers, self._is_over = Lock(), 0, False
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Take turns until there are none."""
        try:
            for start, stop in self._ranges:
                self._kernel(*self._arguments, start, stop)
        finally:
            for _ in self._ranges:  # after an error, nobody begins another piece
                pass

    def help(self) -> None:
        """The same, for another thread than the caller's."""
        with self._lock:
            if self._is_over:
                return
            self._helpers += 1
        error = None
        try:
            self.work()
        except BaseException as err:
            error = err
        self._done.put(error)

    def finish(self) -> list[BaseException]:
        """Wait for whoever is at work; return what went wrong."""
        with self._lock:
            self._is_over = True
        ends = [self._done.get() for _ in range(self._helpers)]
        self._arguments = ()  # who comes late does not hold the memory
        return [end for end in ends if end is not None]


def _help(calls: SimpleQueue[_Turns | None]) -> None:
    while (turns := calls.get()) is not None:
        turns.help()
        del turns  # nor does who waits


def _dismiss(calls: SimpleQueue[_Turns | None], helpers: Sequence[Thread]) -> None:
    for _ in helpers:
        calls.put(None)
    for helper in helpers:
        # Whoever still waits for the interpreter when that ends is killed, and takes the process with it.
        if helper is not threading.current_thread():
            helper.join(_PATIENCE_SECONDS)


def array(x: Tensor) -> Array:
    """The same memory for a kernel; bf16 as uint16."""
    shared: Array = (x.view(torch.int16) if x.dtype == torch.bfloat16 else x).numpy()
    return shared.view(np.uint16) if x.dtype == torch.bfloat16 else shared
