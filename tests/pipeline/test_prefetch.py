"""Items that are made before they are asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from rife.pipeline.prefetch import Prefetcher


def test_all_items_come_in_order_and_then_no_more() -> None:
    prefetcher = Prefetcher(number for number in range(50))
    assert list(prefetcher) == list(range(50))
    assert next(prefetcher, None) is None


def test_an_error_comes_after_what_was_made_before_it_and_stays() -> None:
    def items() -> Generator[int]:
        yield 1
        yield 2
        raise OSError("cable")

    prefetcher = Prefetcher(items())
    assert [next(prefetcher), next(prefetcher)] == [1, 2]
    for _ in range(2):
        with pytest.raises(OSError, match="cable"):
            next(prefetcher)


def test_it_runs_ahead_and_not_further() -> None:
    made: list[int] = []

    def items() -> Generator[int]:
        for number in range(100):
            made.append(number)
            yield number

    prefetcher = Prefetcher(items())
    while len(made) < 2:
        time.sleep(0.001)
    prefetcher.close()
    assert made == [0, 1]  # one waits in the queue, one for room in it, and closing makes no more


@pytest.mark.parametrize("taken", [0, 1, 5, 6])
def test_closing_ends_the_generator_and_the_thread(taken: int) -> None:
    closed: list[str] = []

    def items() -> Generator[int]:
        try:
            yield from range(6)
        finally:
            closed.append(threading.current_thread().name)

    prefetcher = Prefetcher(items())
    assert [next(prefetcher) for _ in range(taken)] == list(range(taken))
    prefetcher.close()
    assert closed == ["rife-prefetch"]
    assert not any(thread.name == "rife-prefetch" for thread in threading.enumerate())
    assert next(prefetcher, None) is None
    prefetcher.close()


def test_closing_at_any_moment() -> None:
    for pause in range(30):
        prefetcher = Prefetcher(number for number in range(1000))
        next(prefetcher)
        time.sleep(pause / 10_000)
        prefetcher.close()
    assert not any(thread.name == "rife-prefetch" for thread in threading.enumerate())


def test_an_interrupt_while_it_closes_comes_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted, running, may_end, ended = (threading.Event() for _ in range(4))

    def items() -> Generator[int]:
        yield 1
        running.set()
        may_end.wait()
        ended.set()
        yield 2

    prefetcher = Prefetcher(items())
    join = prefetcher._thread.join

    def interrupted_once() -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt
        may_end.set()
        join()

    monkeypatch.setattr(prefetcher._thread, "join", interrupted_once)
    next(prefetcher)
    running.wait()
    with pytest.raises(KeyboardInterrupt):
        prefetcher.close()
    assert ended.is_set()
    assert not any(thread.name == "rife-prefetch" for thread in threading.enumerate())
