"""Reused memory for tensors.

Every layer of every frame allocates tens of megabytes. Memory that is freed to the system comes back as pages that have
to be cleared one by one, which costs a tenth of the time of a frame.
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
    """A pool of buffers. It holds at most as much free memory as was once in use at a time."""

    def __init__(self) -> None:
        """Start empty."""
        self._free: dict[int, list[Tensor]] = {}
        self._free_bytes = self._used_bytes = self._peak_used_bytes = 0
        # Buffers are released by destructors, at any time, in any thread, also in one that holds the lock.
        self._lock = RLock()
        forks.renew(self)

    def after_fork(self) -> None:
        """Discard free buffers and the lock, which another thread may have held."""
        self._lock = RLock()
        self._free, self._free_bytes = {}, 0

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return an uninitialized tensor; its buffer is reused once nothing refers to it."""
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
        buffer = _buffer_type(size).from_buffer(block.numpy())
        buffer.pool, buffer.block = self, block
        return torch.frombuffer(buffer, dtype=dtype).view(shape)

    def release(self, block: Tensor) -> None:
        """Hold a buffer for the next request of its size; drop buffers of unused sizes if there are too many."""
        size = block.numel()
        with self._lock:
            self._used_bytes -= size
            if self._free_bytes + size > self._peak_used_bytes:  # free buffers of sizes that are no longer requested
                self._free.clear()
                self._free_bytes = 0
            self._free.setdefault(size, []).append(block)
            self._free_bytes += size


@cache
def _buffer_type(size: int) -> Any:  # noqa: ANN401 (a type of ctypes, one for each size)
    """The type that exports a buffer of a size: PyTorch holds a reference to it while a tensor uses the memory."""

    def end(buffer: Any) -> None:  # noqa: ANN401
        buffer.pool.release(buffer.block)

    return type("Buffer", (ctypes.c_char * size,), {"__del__": end})
