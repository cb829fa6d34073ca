"""A team of threads that divide the rows of a frame among themselves."""

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
"""Rows of the smallest chunk: for fewer, the hand-over costs more than it saves."""

_JOIN_SECONDS = 10.0

CHUNKS_PER_THREAD = 6
"""Chunks of the work for each thread: small enough that no thread waits long for a delayed one."""


class ThreadTeam:
    """Runs kernels, each on all threads at once; `empty` allocates their results from a pool."""

    def __init__(self, threads: int | None = None) -> None:
        """Use a number of threads; as many as PyTorch uses if None."""
        self.threads = threads or torch.get_num_threads()
        self._own = threading.local()
        self.empty = BufferPool().empty
        forks.renew(self)

    def after_fork(self) -> None:
        """Start new helpers at the next call: the parent's threads do not exist in this process."""
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
        jit.run(self._divide, kernel, rows, arguments, min_rows, chunks_per_thread)

    def run_with_scratch(
        self, kernel: Callable[..., None], rows: int, *arguments: object, numbers: int, **options: int
    ) -> None:
        """`run` for a kernel that takes scratch memory: `kernel(*arguments, scratch, start, stop)`."""

        def with_scratch(*actual: object) -> None:
            kernel(*actual[:-2], self._scratch(numbers), *actual[-2:])

        self.run(with_scratch, rows, *arguments, **options)

    def _scratch(self, numbers: int) -> Array:
        """Scratch memory of this thread, reused: new memory comes in pages that have to be cleared."""
        mine: Tensor | None = getattr(self._own, "scratch", None)
        if mine is None or mine.numel() < numbers:
            # Zeros, because kernels may read padding without using it, and denormal numbers are slow.
            mine = self._own.scratch = torch.zeros(numbers)
        return array(mine)

    def _divide(
        self,
        kernel: Callable[..., None],
        rows: int,
        arguments: tuple[object, ...],
        min_rows: int,
        chunks_per_thread: int,
    ) -> None:
        """Let each thread take the next chunk when it has finished one."""
        most = self.threads * chunks_per_thread if self.threads > 1 else 1
        step = max(-(-rows // most // min_rows), 1) * min_rows
        ranges = [(start, min(start + step, rows)) for start in range(0, rows, step)]
        call = _SharedCall(kernel, arguments, ranges)
        for _ in range(min(self.threads, len(ranges)) - 1):
            self._calls.put(call)
        try:
            call.work()
        finally:
            errors = call.finish()
        try:
            for error in errors:
                raise error
        finally:
            # An error refers to its frames, and these to the error: only the garbage collector would free them.
            del errors

    @cached_property
    def _calls(self) -> SimpleQueue[_SharedCall | None]:
        """The queue of the helpers, which are started with it: one for each thread but the caller's."""
        calls: SimpleQueue[_SharedCall | None] = SimpleQueue()
        helpers = [Thread(target=_help, args=(calls,), name="rife-team", daemon=True) for _ in range(self.threads - 1)]
        for helper in helpers:
            helper.start()
        # Helpers refer to the queue, not to the team: its finalizer stops them, at the latest when the process ends.
        weakref.finalize(self, _stop, calls, helpers)
        return calls


class _SharedCall:
    """One call of a kernel, divided into ranges of rows. A helper that finds no range left is not joined."""

    def __init__(
        self, kernel: Callable[..., None], arguments: tuple[object, ...], ranges: Sequence[tuple[int, int]]
    ) -> None:
        self._kernel, self._arguments, self._ranges = kernel, arguments, iter(ranges)
        self._lock, self._helpers, self._is_over = Lock(), 0, False
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Compute ranges until none is left."""
        try:
            for start, stop in self._ranges:
                self._kernel(*self._arguments, start, stop)
        finally:
            for _ in self._ranges:  # after an error, no thread starts another range
                pass

    def help(self) -> None:
        """`work`, in a helper thread."""
        with self._lock:
            if self._is_over:
                return
            self._helpers += 1
        error = None
        try:
            self.work()
        except BaseException as err:  # noqa: BLE001 (raised by the caller's thread)
            error = err
        self._done.put(error)

    def finish(self) -> list[BaseException]:
        """Wait for the helpers at work; return their errors."""
        with self._lock:
            self._is_over = True
        ends = [self._done.get() for _ in range(self._helpers)]
        self._arguments = ()  # a helper that comes late does not hold the memory
        return [end for end in ends if end is not None]


def _help(calls: SimpleQueue[_SharedCall | None]) -> None:
    while (call := calls.get()) is not None:
        call.help()
        del call  # a waiting helper does not hold the memory


def _stop(calls: SimpleQueue[_SharedCall | None], helpers: Sequence[Thread]) -> None:
    for _ in helpers:
        calls.put(None)
    for helper in helpers:
        # A thread that still waits for the interpreter when it ends is killed, and may abort the process.
        if helper is not threading.current_thread():
            helper.join(_JOIN_SECONDS)


def array(x: Tensor) -> Array:
    """The memory of a tensor as an array for kernels; bf16 as uint16."""
    shared: Array = (x.view(torch.int16) if x.dtype == torch.bfloat16 else x).numpy()
    return shared.view(np.uint16) if x.dtype == torch.bfloat16 else shared
