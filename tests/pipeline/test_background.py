"""Calls that run in a background thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from rife.pipeline.background import BackgroundWorker


def test_calls_run_in_order_and_all_of_them() -> None:
    done: list[int] = []
    with BackgroundWorker() as background:
        for number in range(50):
            background.do(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == list(range(50))


def test_an_error_reaches_the_caller_and_nothing_runs_after_it() -> None:
    done: list[str] = []

    def fail() -> None:
        raise OSError("disk full")

    def caller() -> None:
        with BackgroundWorker() as background:
            background.do(lambda: done.append("before"))
            background.do(fail)
            for _ in range(5):
                background.do(lambda: done.append("after"))

    with pytest.raises(OSError, match="disk full"):
        caller()
    assert done == ["before"]


def test_the_last_call_may_fail_too() -> None:
    def fail() -> None:
        raise ValueError("last")

    with pytest.raises(ValueError, match="last"), BackgroundWorker() as background:
        background.do(fail)


def test_a_caller_that_fails_waits_only_for_what_runs() -> None:
    done: list[str] = []

    def slow() -> None:
        time.sleep(0.2)
        done.append("ran")

    def caller() -> None:
        with BackgroundWorker() as background:
            background.do(slow)
            background.do(lambda: done.append("was waiting"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caller()
    assert done in (["ran"], [])


def test_an_interrupt_while_waiting_lets_the_running_call_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller closes the encoder next, which has to be idle then."""
    done: list[str] = []
    interrupted, running, may_end = (threading.Event() for _ in range(3))

    def call(name: str) -> None:
        running.set()
        may_end.wait()
        done.append(name)

    def caller() -> None:
        with BackgroundWorker() as background:
            put = background._calls.put

            def interrupted_once(item: Callable[[], object] | None) -> None:
                if item is None and not interrupted.is_set():
                    interrupted.set()
                    raise KeyboardInterrupt
                if interrupted.is_set():
                    may_end.set()
                put(item)

            monkeypatch.setattr(background._calls, "put", interrupted_once)
            background.do(lambda: call("first"))
            background.do(lambda: call("second"))
            running.wait()

    with pytest.raises(KeyboardInterrupt):
        caller()
    assert done == ["first"]
    assert not [thread for thread in threading.enumerate() if thread.name == "rife-background"]


def test_a_caller_that_is_faster_is_held_back() -> None:
    running, may_end = threading.Event(), threading.Event()

    def call() -> None:
        running.set()
        may_end.wait()

    with BackgroundWorker() as background:
        background.do(call)
        running.wait()
        background.do(call)
        assert background._calls.full()  # one more call waits until this one has ended
        may_end.set()
