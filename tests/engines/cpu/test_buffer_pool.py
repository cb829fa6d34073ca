"""Memory that is lent: used again when nothing refers to it, and never before."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from rife.engines.cpu.buffer_pool import BufferPool


def test_memory_that_came_back_is_lent_again() -> None:
    pool = BufferPool()
    first = pool.empty(1, 8, 8, 16)
    place = first.data_ptr()
    assert place % 64 == 0
    assert (first.shape, first.dtype, first.is_contiguous()) == ((1, 8, 8, 16), torch.float32, True)
    del first
    assert pool.empty(8, 8, 16).data_ptr() == place


@pytest.mark.parametrize("view", [lambda x: x[0, 1:], lambda x: x.numpy(), lambda x: x.permute(2, 0, 1)])
def test_memory_is_not_lent_while_something_refers_to_it(view: object) -> None:
    pool = BufferPool()
    first = pool.empty(8, 8, 16).fill_(1)
    kept = view(first)  # type: ignore[operator]
    del first
    gc.collect()
    pool.empty(8, 8, 16).fill_(2)
    assert float(kept.max()) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_at_all_can_be_lent(dtype: torch.dtype) -> None:
    assert BufferPool().empty(0, 5, dtype=dtype).shape == (0, 5)
    assert BufferPool().empty(3, 5, dtype=dtype).dtype == dtype


def test_no_more_is_kept_than_was_out_at_a_time() -> None:
    pool = BufferPool()
    for size in range(1, 200):
        pool.empty(size, 1000)
    assert pool._free_bytes <= pool._peak_used_bytes == 199 * 4000
    assert pool._used_bytes == 0
    assert pool._free_bytes == sum(block.numel() for blocks in pool._free.values() for block in blocks)


def test_threads_do_not_get_the_same_memory() -> None:
    pool = BufferPool()

    def work(number: int) -> bool:
        right = True
        for _ in range(200):
            mine = pool.empty(64, 16).fill_(number)
            right &= bool((mine == number).all())
        return right

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(work, range(8)))
    assert pool._used_bytes == 0
