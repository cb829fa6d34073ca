from __future__ import annotations

import subprocess
import sys

import pytest

from rife.cli.malloc import keep_freed_memory

# Pages that the system had to hand out while 32 MiB are asked for, written and freed, twenty times.
COUNT = """
import resource, sys
import numpy as np
from rife.cli.malloc import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("not glibc")
np.ones(1 << 22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(1 << 22)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(how: str) -> int:
    run = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=False)
    if "not glibc" in run.stderr:
        pytest.skip("the C library has no such setting")
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_freed_memory_is_used_again() -> None:
    given_back, kept = pages("plain"), pages("keep")
    assert kept < given_back / 5


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False
