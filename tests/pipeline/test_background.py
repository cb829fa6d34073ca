"""Calls that run in a background thread."""

from __future__ import annotations

import signal
import threading
import time

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


def test_an_interrupt_while_waiting_lets_the_running_call_end() -> None:
    """Whoever closes the encoder next must find it idle."""
    done: list[str] = []

    def slow(name: str) -> None:
        time.sleep(0.3)
        done.append(name)

    def caller() -> None:
        with BackgroundWorker() as background:
            background.do(lambda: slow("first"))
            background.do(lambda: slow("second"))
            signal.setitimer(signal.ITIMER_REAL, 0.1)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            caller()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert done == ["first"]
    assert not [thread for thread in threading.enumerate() if thread.name == "rife-background"]


def test_a_caller_that_is_faster_is_held_back() -> None:
    with BackgroundWorker() as background:
        started = time.monotonic()
        for _ in range(6):
            background.do(lambda: time.sleep(0.05))
        assert time.monotonic() - started > 0.1
