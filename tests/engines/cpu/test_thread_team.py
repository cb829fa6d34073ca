"""Threads that share out rows: every row once, errors told, nobody waited for without need."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import pytest

from rife.engines.cpu import thread_team


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_every_row_is_made_once(threads: int, rows: int) -> None:
    made: list[int] = []
    thread_team.ThreadTeam(threads).run(lambda start, stop: made.extend(range(start, stop)), rows)
    assert sorted(made) == list(range(rows))


def test_all_threads_work() -> None:
    together = threading.Barrier(3, timeout=10)

    def wait(*_: int) -> None:
        together.wait()

    thread_team.ThreadTeam(3).run(wait, 3, min_rows=1, chunks_per_thread=1)


def test_an_error_of_a_helper_reaches_the_caller() -> None:
    caller = threading.get_ident()
    helped = threading.Event()

    def kernel(*_: int) -> None:
        if threading.get_ident() != caller:
            helped.set()
            raise MemoryError("helper")
        helped.wait(10)

    workers = thread_team.ThreadTeam(2)
    for _ in range(3):  # and the helper is there again afterwards
        helped.clear()
        with pytest.raises(MemoryError, match="helper"):
            workers.run(kernel, 1000)


def test_who_comes_late_is_not_waited_for_and_does_nothing() -> None:
    workers, entered, held = thread_team.ThreadTeam(2), threading.Semaphore(0), threading.Event()
    made: list[int] = []

    def wait(*_: int) -> None:
        entered.release()
        held.wait(10)

    busy = threading.Thread(target=workers.run, args=(wait, 16))
    busy.start()
    assert all(entered.acquire(timeout=10) for _ in range(2))  # its own thread and the one helper are in there
    workers.run(lambda start, stop: made.extend(range(start, stop)), 100)
    assert sorted(made) == list(range(100))
    held.set()
    busy.join(10)
    time.sleep(0.05)
    assert len(made) == 100


def test_helpers_end_with_their_crew() -> None:
    before = set(threading.enumerate())
    workers = thread_team.ThreadTeam(4)
    workers.run(lambda *_: None, 100)
    helpers = set(threading.enumerate()) - before
    assert len(helpers) == 3
    del workers
    gc.collect()
    for helper in helpers:
        helper.join(10)
        assert not helper.is_alive()


def test_nobody_works_on_after_an_error() -> None:
    """Another attempt on the same memory would count twice what is added up."""
    made: list[int] = []

    def kernel(start: int, _: int) -> None:
        if start == 0:
            raise MemoryError("no more")
        time.sleep(0.02)
        made.append(start)

    with pytest.raises(MemoryError):
        thread_team.ThreadTeam(3).run(kernel, 1000)
    finished = len(made)
    time.sleep(0.1)
    assert len(made) == finished < 17


def test_no_rows_are_no_work() -> None:
    thread_team.ThreadTeam(2).run(lambda *_: pytest.fail("called"), 0)


def test_no_helper_is_left_when_the_process_ends() -> None:
    """Threads that wait for an interpreter that has ended are killed, and some libraries abort the process then."""
    code = """
import atexit, threading
atexit.register(lambda: print([thread.name for thread in threading.enumerate()]))  # first in, last out
from rife.engines.cpu.thread_team import ThreadTeam
team = ThreadTeam(4)
team.run(lambda *_: None, 100)
print(threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["4", "['MainThread']"]
