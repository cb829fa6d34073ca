"""Threads that share the rows of a frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rife.engines.lending import Lender
from rife.kernels import kept

Array = np.ndarray[Any, Any]

_LEAST_ROWS = 8
"""A turn is not worth fewer."""

PIECES = 6
"""Of the work, for each thread: none waits long for another that was held up."""


class Crew:
    """Runs kernels, each on all threads at once, and lends the memory for what they make (`empty`)."""

    def __init__(self, threads: int | None = None) -> None:
        """Take a number of threads; as many as PyTorch uses if None."""
        self.threads = threads or torch.get_num_threads()
        self._own = threading.local()
        self.empty = Lender().empty

    def run(
        self, kernel: Callable[..., None], rows: int, *arguments: object, least: int = _LEAST_ROWS, pieces: int = PIECES
    ) -> None:
        """Let threads make all rows, in pieces of a multiple of `least`: `kernel(*arguments, start, stop)`."""
        kept.run(self._share_out, kernel, rows, arguments, least, pieces)

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
        self, kernel: Callable[..., None], rows: int, arguments: tuple[object, ...], least: int, pieces: int
    ) -> None:
        """Let each thread take the next piece when it is done with one."""
        most = self.threads * pieces if self.threads > 1 else 1
        step = max(-(-rows // most // least), 1) * least
        turns = iter([(start, min(start + step, rows)) for start in range(0, rows, step)])

        def work() -> None:
            try:
                for start, stop in turns:
                    kernel(*arguments, start, stop)
            finally:
                for _ in turns:  # after an error, nobody begins another piece
                    pass

        helpers = min(self.threads, -(-rows // step)) - 1
        waiting = [self._pool.submit(work) for _ in range(helpers)]
        try:
            work()
        finally:
            wait(waiting)
        for helper in waiting:
            helper.result()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max(1, self.threads - 1), thread_name_prefix="rife-pass")


def array(x: Tensor) -> Array:
    """The same memory for a kernel; bf16 as uint16."""
    shared: Array = (x.view(torch.int16) if x.dtype == torch.bfloat16 else x).numpy()
    return shared.view(np.uint16) if x.dtype == torch.bfloat16 else shared
