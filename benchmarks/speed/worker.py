"""One contestant in a process of its own: reads commands as JSON lines, answers with JSON lines.

    python -m speed.worker '{"name": ..., "kind": ...}'

Commands: `keep_freed_memory` sets the process up as a job's is; `time` goes on through a stream of frames and tells the
seconds for each new frame; `make` makes the frames that were held out and writes them to a file.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import rife
from rife.cli.malloc import keep_freed_memory
from rife.interpolation.interpolator import Interpolator
from rife.timing import timesteps
from speed.plan import Contestant

_Between = Callable[[Tensor, Tensor, list[Fraction]], list[Tensor]]


def main() -> None:
    # What libraries print shall not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = _Worker(Contestant(**json.loads(sys.argv[1])))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as err:  # noqa: BLE001 (an error of a contestant is its result; the others go on)
            answer = {"error": f"{type(err).__name__}: {err}"}
        print(json.dumps(answer), file=answers, flush=True)


class _Worker:
    """What the commands do."""

    def __init__(self, contestant: Contestant) -> None:
        self._between = _maker(contestant)
        self._stream: Iterator[Tensor] | None = None
        self._last: Tensor | None = None

    def time(self, *, frames: str, factor: int, intervals: int) -> dict[str, Any]:
        """Make the new frames of the next source intervals, as a video would: each source frame is new once."""
        if self._stream is None:
            self._stream = _there_and_back(Path(frames))
            self._last = next(self._stream)
        times = timesteps(factor)
        seconds = 0.0
        for _ in range(intervals):
            following = next(self._stream)
            assert self._last is not None
            started = time.perf_counter()
            self._between(self._last, following, times)
            seconds += time.perf_counter() - started
            self._last = following
        return {"seconds": seconds / (intervals * len(times)), "peak_mib": _peak_mib()}

    def keep_freed_memory(self) -> dict[str, Any]:
        """Do as `rife interpolate` does."""
        return {"kept": keep_freed_memory()}

    def make(self, *, triples: str, out: str) -> dict[str, Any]:
        """Make the middle frames of triples (N, 3, H, W, 3), and write them as (N, H, W, 3) float32."""
        made = []
        for before, _, after in np.load(triples):
            (frame,) = self._between(_tensor(before), _tensor(after), [Fraction(1, 2)])
            made.append(frame[0].permute(1, 2, 0).numpy().astype(np.float32))
        np.save(out, np.stack(made))
        return {"frames": len(made)}


def _maker(contestant: Contestant) -> _Between:
    if contestant.kind == "blend":
        return lambda a, b, times: [torch.lerp(a, b, float(t)) for t in times]
    if contestant.kind == "published":
        from speed.published import PublishedNetwork

        network = PublishedNetwork(refine=contestant.refine == "full")
        return lambda a, b, times: [network(a, b, float(t)) for t in times]
    return _Stream(_interpolator(contestant))


def _interpolator(contestant: Contestant) -> Interpolator:
    return rife.load(
        contestant.model,
        refine=contestant.refine,
        device="cpu",
        engine=contestant.engine,
        precision=contestant.precision,
    )


class _Stream:
    """Keeps what was computed for the frame that two intervals share."""

    def __init__(self, worker: Interpolator) -> None:
        self._worker = worker
        self._known: tuple[Tensor, Any] | None = None

    def __call__(self, img0: Tensor, img1: Tensor, times: list[Fraction]) -> list[Tensor]:
        known = self._known is not None and self._known[0] is img0
        frame0 = self._known[1] if known and self._known else self._worker.prepare(img0)
        frame1 = self._worker.prepare(img1)
        self._known = img1, frame1
        return list(self._worker.between(frame0, frame1, times))


def _there_and_back(path: Path) -> Iterator[Tensor]:
    """Frames without an end, and without a jump: forwards, backwards, forwards, ..."""
    frames = np.load(path, mmap_mode="r")
    count = len(frames)
    return (_tensor(frames[index]) for index in cycle(chain(range(count), range(count - 2, 0, -1))))


def _tensor(frame: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float() / 255


def _peak_mib() -> float | None:
    """Largest resident memory of this process. Not `ru_maxrss`, which remembers the process that started it."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else None


if __name__ == "__main__":
    main()
