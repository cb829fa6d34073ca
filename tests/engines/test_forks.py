"""A model that was loaded before `fork`: a result in the child, or a sentence; it once waited for ever."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from rife.engines import forks
from rife.engines.crew import Crew
from rife.engines.lending import Lender
from rife.errors import JobError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

JOB = """
import sys
from multiprocessing import get_context
import numpy as np, torch
from conftest import blending_network
from rife.interpolator import Interpolator
from rife.specs import SPECS

model = Interpolator(blending_network(SPECS["4.6"]), device="cpu", engine=sys.argv[1])
frames = [np.full((200, 300, 3), value, np.uint8) for value in (40, 80)]
torch.set_num_threads(2)
torch.rand(1 << 20).sin().sum()  # as loading real weights does: from here on there is a team of threads

def child(results):
    results.put(int(model(*frames).mean()))

def forked():
    context = get_context("fork")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    process.join(120)
    print("waits for ever" if process.is_alive() else results.get(timeout=10))
    process.kill()

forked()
print(int(model(*frames).mean()))
forked()
"""


@pytest.mark.parametrize("engine", ["torch", "native", "openvino"])
def test_a_child_makes_frames_whether_its_parent_has_or_not(engine: str) -> None:
    for library in {"native": ("numba",), "openvino": ("openvino", "numba")}.get(engine, ()):
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", JOB, engine],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.split("\n") == ["60", "60", "60", ""], done.stderr


def in_child(work: object) -> str:
    """What work says in a child process, within a time limit."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def run() -> None:
        try:
            results.put(str(work()))  # type: ignore[operator]
        except JobError as err:
            results.put(str(err))

    forks.watch()
    process = context.Process(target=run)
    process.start()
    process.join(60)
    if process.is_alive():
        process.kill()
        return "waits for ever"
    return str(results.get())


def test_a_lock_that_another_thread_held_is_free_in_the_child() -> None:
    lender, workers = Lender(), Crew(3)
    workers.run(lambda *_: None, 100)
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with lender._lock:
            held.set()
            enough.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        assert in_child(lambda: tuple(lender.empty(3, 4).shape)) == "(3, 4)"
        together = threading.Barrier(3, timeout=30)
        assert in_child(lambda: workers.run(lambda *_: together.wait(), 3, least=1, pieces=1)) == "None", "a new team"
    finally:
        enough.set()
        holder.join()


def test_a_fork_in_the_middle_of_a_frame_is_told() -> None:
    begun, enough = threading.Event(), threading.Event()

    @forks.guarded
    def make(*, wait: bool) -> str:
        if wait:
            begun.set()
            enough.wait(60)
        return "made"

    worker = threading.Thread(target=make, kwargs={"wait": True})
    worker.start()
    begun.wait(10)
    try:
        assert 'start processes with "spawn"' in in_child(lambda: make(wait=False))
        assert make(wait=False) == "made", "the parent goes on"
    finally:
        enough.set()
        worker.join()
    assert in_child(lambda: make(wait=False)) == "made"
