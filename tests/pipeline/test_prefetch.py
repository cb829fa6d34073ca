"""Items that are made ahead of the caller."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator

import pytest

from rife.pipeline.prefetch import Ahead


def test_all_items_come_in_order_and_then_no_more() -> None:
    ahead = Ahead(number for number in range(50))
    assert list(ahead) == list(range(50))
    assert next(ahead, None) is None


def test_an_error_comes_after_what_was_made_before_it_and_stays() -> None:
    def items() -> Generator[int]:
        yield 1
        yield 2
        raise OSError("cable")

    ahead = Ahead(items())
    assert [next(ahead), next(ahead)] == [1, 2]
    for _ in range(2):
        with pytest.raises(OSError, match="cable"):
            next(ahead)


def test_it_runs_ahead_and_not_further() -> None:
    made: list[int] = []

    def items() -> Generator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = Ahead(items())
    deadline = time.monotonic() + 10
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert made == [0, 1]  # one waits in its place, one for it
    ahead.close()
    assert made == [0, 1]  # and nothing more is made for who has closed it


@pytest.mark.parametrize("taken", [0, 1, 5, 6])
def test_closing_ends_the_generator_and_the_thread(taken: int) -> None:
    closed: list[str] = []

    def items() -> Generator[int]:
        try:
            yield from range(6)
        finally:
            closed.append(threading.current_thread().name)

    ahead = Ahead(items())
    assert [next(ahead) for _ in range(taken)] == list(range(taken))
    ahead.close()
    assert closed == ["rife-ahead"]
    assert not any(thread.name == "rife-ahead" for thread in threading.enumerate())
    assert next(ahead, None) is None
    ahead.close()


def test_closing_at_any_moment() -> None:
    for pause in range(30):
        ahead = Ahead(number for number in range(1000))
        next(ahead)
        time.sleep(pause / 10_000)
        ahead.close()
    assert not any(thread.name == "rife-ahead" for thread in threading.enumerate())


def test_an_interrupt_while_it_closes_comes_when_it_is_closed() -> None:
    started, ended = threading.Event(), threading.Event()

    def items() -> Generator[int]:
        yield 1
        started.set()
        time.sleep(0.5)
        ended.set()
        yield 2

    ahead = Ahead(items())
    started.wait(10)
    threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,)).start()
    with pytest.raises(KeyboardInterrupt):
        ahead.close()
    assert ended.is_set()
    assert not any(thread.name == "rife-ahead" for thread in threading.enumerate())
