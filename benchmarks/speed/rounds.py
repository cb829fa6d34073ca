"""The timing itself: every contestant in a process of its own, all of them taking turns, round after round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from speed.plan import Cell, Contestant

FOLDER = Path(__file__).parent.parent
_STAT = Path("/proc/stat")


class Quiet:
    """Waits until other programs leave the processor alone, as long as its patience lasts."""

    def __init__(self, patience_seconds: float = 60.0) -> None:
        """Wait no longer than that in all."""
        self._patience_seconds = patience_seconds

    def until_quiet(self) -> None:
        """Return when nine tenths of the processor were idle for a moment, or the patience is used up."""
        while self._patience_seconds > 0 and _busy(seconds=0.1) > 0.1:
            self._patience_seconds -= 0.1


def _busy(*, seconds: float) -> float:
    """Share of the processor that was used in the next `seconds`; 0 where the system does not tell."""
    if not _STAT.exists():
        return 0.0
    before = _ticks()
    time.sleep(seconds)
    idle, total = (b - a for a, b in zip(before, _ticks(), strict=True))
    return 1 - idle / max(total, 1)


def _ticks() -> tuple[int, int]:
    """Idle ticks and all ticks of all cores since the system started."""
    fields = list(map(int, _STAT.read_text().splitlines()[0].split()[1:9]))
    return fields[3] + fields[4], sum(fields)


class Process:
    """A contestant's process."""

    def __init__(self, contestant: Contestant, log: Path) -> None:
        """Start it; what it prints goes to `log`."""
        self.contestant = contestant
        path = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "speed.worker", json.dumps(contestant.as_json())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
            )
        self._log = log

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 (goes to another process as JSON)
        """Send a command and wait for the answer; `{"error": ...}` where the contestant cannot."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            last = self._log.read_text().strip().splitlines()[-1:] or ["no message"]
            return {"error": f"ended with {self._process.wait()}: {last[0]}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def started(contestants: Sequence[Contestant], log_folder: Path) -> Iterator[list[Process]]:
    """Start one process for each contestant, and end them all."""
    with ExitStack() as stack:
        processes = []
        for contestant in contestants:
            process = Process(contestant, log_folder / f"{contestant.name.replace(' ', '-').replace(',', '')}.log")
            stack.callback(process.end)
            processes.append(process)
        yield processes


def time_cells(
    cells: Sequence[Cell],
    contestants: Sequence[Contestant],
    frames: Path,
    *,
    runs: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Time contestants at the factors of one size.

    Args:
        cells: all of one size.
        contestants: who takes part.
        frames: array file with the frames of that size.
        runs: rounds that count; a first one, which does not, comes before them in each cell.
        say: told of progress.

    Returns:
        By cell and contestant: `runs` (seconds for each new frame), `peak_mib`, `error` or None.
    """
    results: dict[str, dict[str, Any]] = {cell.key: {} for cell in cells}
    waits = Quiet()
    with started(contestants, frames.parent) as processes:
        for run in range(runs + 1):
            # All factors in every round: they are compared too.
            for cell in cells:
                rows = results[cell.key]
                for process in processes:
                    row = rows.setdefault(process.contestant.name, {"runs": [], "peak_mib": None, "error": None})
                    if row["error"] is not None:
                        continue
                    waits.until_quiet()
                    answer = process.ask("time", frames=str(frames), factor=cell.factor, intervals=cell.intervals)
                    if "error" in answer:
                        row["error"] = answer["error"]
                        say(f"{cell.key}: {process.contestant.name}: {answer['error']}")
                        continue
                    row["peak_mib"] = answer["peak_mib"]
                    if run > 0:
                        row["runs"].append(answer["seconds"])
                say(f"{cell.key}: round {run} of {runs}" + (" (warm-up)" if run == 0 else ""))
    return results
