"""Memory for pictures, lent and taken back.

Every layer of every frame asks for tens of megabytes. Given back to the system, they come again as pages that have to
be cleared one by one: a tenth of the time of a frame.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from rife.engines import forks


class BufferPool:
    """Lends memory. What comes back is lent again; it never keeps more than was once out at a time."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._free: dict[int, list[Tensor]] = {}
        self._free_bytes = self._used_bytes = self._peak_used_bytes = 0
        # Memory may come back in the middle of anything, in the same thread too.
        self._lock = RLock()
        forks.renew(self)

    def after_fork(self) -> None:
        """Forget what another thread may have been about to change, and its lock."""
        self._lock = RLock()
        self._free, self._free_bytes = {}, 0

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Lend a tensor of any content, until nothing refers to its memory any more."""
        size = math.prod(shape) * dtype.itemsize
        if size == 0:
            return torch.empty(shape, dtype=dtype)
        with self._lock:
            free = self._free.get(size)
            block = free.pop() if free else None
            self._free_bytes -= size if block is not None else 0
            self._used_bytes += size
            self._peak_used_bytes = max(self._peak_used_bytes, self._used_bytes)
        block = torch.empty(size, dtype=torch.uint8) if block is None else block
        loan = _buffer_type(size).from_buffer(block.numpy())
        loan.pool, loan.block = self, block
        return torch.frombuffer(loan, dtype=dtype).view(shape)

    def release(self, block: Tensor) -> None:
        """Keep a block for the next one who asks for as much, unless there is enough."""
        size = block.numel()
        with self._lock:
            self._used_bytes -= size
            if self._free_bytes + size > self._peak_used_bytes:  # of other sizes than are asked for now
                self._free.clear()
                self._free_bytes = 0
            self._free.setdefault(size, []).append(block)
            self._free_bytes += size


@cache
def _buffer_type(size: int) -> Any:  # noqa: ANN401 (a type of ctypes, one for each size)
    """The type of what stands for lent memory: PyTorch refers to it for as long as a tensor uses the memory."""

    def end(loan: Any) -> None:  # noqa: ANN401
        loan.pool.release(loan.block)

    return type("Loan", (ctypes.c_char * size,), {"__del__": end})
