"""Children of a process that has loaded a model: a result or a sentence, and never a wait without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from conftest import blending_network
from rife.network.specs import SPECS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")]

_MOST_SECONDS = 120
"""Far beyond what any of this takes: a child that waits for a thread that it does not have never ends."""

_PARENT = """
import os, sys, threading, time
import numpy as np
import rife
from rife.errors import JobError

model = rife.load(sys.argv[1], engine=sys.argv[2], precision="float32", device="cpu")
frames = np.random.default_rng(0).random((3, 64, 96, 3), dtype=np.float32)

def made():
    return float(model(frames[0], frames[1], 0.25).sum())

def in_child(work):
    "What a child says, and how it ends."
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = repr(work())
        except JobError as err:
            said = str(err)
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    assert os.waitpid(child, 0)[1] == 0, said
    return said
"""

_LOADED_THEN_RUN = """
first = in_child(made)
expected = made()
assert first == repr(expected), (first, expected)
assert in_child(made) == repr(expected)
assert in_child(lambda: in_child(made)) == repr(repr(expected))
assert made() == expected
print("right")
"""

_WHILE_ANOTHER_THREAD_WORKS = """
made()
begun, may_end = threading.Event(), threading.Event()
engine, honest = model.engine, model.engine.synthesize

def slowly(*arguments, **options):
    begun.set()
    may_end.wait()
    return honest(*arguments, **options)

engine.synthesize = slowly
worker = threading.Thread(target=made)
worker.start()
begun.wait()
said = in_child(made)
may_end.set()
worker.join()
engine.synthesize = honest
assert "forked while another thread" in said and "spawn" in said, said
assert in_child(made) == repr(made())
print("right")
"""

_LOCKED = """
from rife.engines.cpu.buffer_pool import BufferPool
pool = BufferPool()
locked, may_end = threading.Event(), threading.Event()

def hold():
    with pool._lock:
        locked.set()
        may_end.wait()

holder = threading.Thread(target=hold)
holder.start()
locked.wait()
from rife.engines import forks
forks.watch()
said = in_child(lambda: tuple(pool.empty(4, 4).shape))
may_end.set()
holder.join()
assert said == "(4, 4)", said
print("right")
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "blend.safetensors"
    save_file(blending_network(SPECS["4.6"]).state_dict(), path)
    return path


def run(script: str, weights: Path, engine: str) -> str:
    command = [sys.executable, "-c", _PARENT + script, str(weights), engine]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_MOST_SECONDS).stdout.strip()


@pytest.mark.parametrize("engine", ["torch", "native", "openvino"])
def test_a_child_makes_what_its_parent_makes(engine: str, weights: Path) -> None:
    """Children of a parent that has only loaded the model, that has run it, and their children waited for ever."""
    assert run(_LOADED_THEN_RUN, weights, engine) == "right"


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_a_fork_in_the_middle_of_a_frame_is_refused_in_the_child(engine: str, weights: Path) -> None:
    assert run(_WHILE_ANOTHER_THREAD_WORKS, weights, engine) == "right"


def test_a_lock_that_another_thread_held_is_made_anew(weights: Path) -> None:
    assert run(_LOCKED, weights, "native") == "right"
