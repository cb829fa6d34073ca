"""Whole commands against whole commands: decode, make frames, encode, from start to exit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed.plan import FFMPEG, Cell, Contestant
from speed.rounds import Process

_INTERVALS = 24
"""Of the network alone, in each round: it gets as warm as in a job."""


@dataclass(frozen=True)
class Job:
    """A command that doubles a clip."""

    name: str
    command: list[str]
    out: Path


def jobs(contestants: Sequence[Contestant], clip: Path, *, ffmpeg: str | None) -> list[Job]:
    """List the commands: ours, and ffmpeg's at the same encoder settings."""
    rows = []
    for c in contestants:
        out = clip.with_name("ours.mp4")
        command = [sys.executable, "-m", "rife", "interpolate", str(clip), "-o", str(out), "--overwrite", "--json"]
        rows.append(Job(c.name, [*command, "--refine", c.refine, *_engine_options(c)], out))
    if ffmpeg is not None:
        out = clip.with_name("theirs.mp4")
        command = [ffmpeg, "-y", "-loglevel", "error", "-i", str(clip), "-vf", "minterpolate=fps=50:mi_mode=mci"]
        rows.append(Job(FFMPEG, [*command, "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", str(out)], out))
    return rows


def _engine_options(contestant: Contestant) -> list[str]:
    return ["--engine", contestant.engine, "--precision", contestant.precision]


def run_jobs(
    rows: Sequence[Job],
    source_frames: int,
    *,
    alone: dict[str, Callable[[], dict[str, Any]]],
    runs: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Run the commands in turn, round after round; a first round, which does not count, fills caches.

    Args:
        rows: the commands.
        source_frames: of the clip.
        alone: by name of a command, what measures its network alone: `seconds` for a new frame, or `error`.
        runs: rounds that count.
        say: told of progress.

    Returns:
        By name: `runs` (seconds for each new frame, start and end of the process included), `job_runs` (the same
        of the job alone, as the command tells it; ours only), `alone_runs` (of its network, in the same rounds),
        `peak_mib`, `new_frames`, `error` or None.
    """
    results: dict[str, dict[str, Any]] = {}
    for run in range(runs + 1):
        for job in rows:
            blank: dict[str, Any] = {"runs": [], "job_runs": [], "alone_runs": [], "peak_mib": None, "error": None}
            row = results.setdefault(job.name, blank)
            if row["error"] is not None:
                continue
            network = alone[job.name]() if job.name in alone else {}
            if "error" in network:
                row["error"] = network["error"]
                say(f"network alone: {job.name}: {row['error']}")
                continue
            seconds, peak_mib, code, output = _measured(job.command)
            if code != 0:
                row["error"] = output.strip().splitlines()[-1] if output.strip() else f"exit code {code}"
                say(f"whole command: {job.name}: {row['error']}")
                continue
            # Every job makes as many frames as there are intervals between source frames.
            new_frames = row["new_frames"] = source_frames - 1
            row["peak_mib"] = max(filter(None, (row["peak_mib"], peak_mib)), default=None)
            if run > 0:
                row["runs"].append(seconds / new_frames)
                told = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
                inside = [event["seconds"] / new_frames for event in told if event.get("event") == "done"]
                row["job_runs"] += inside
                if inside and network:
                    row["alone_runs"].append(network["seconds"])
        say(f"whole commands: round {run} of {runs}" + (" (fills caches)" if run == 0 else ""))
    return results


def network_alone(process: Process, cell: Cell, frames: Path) -> Callable[[], dict[str, Any]]:
    """What measures a contestant's network by itself, in a process that keeps its memory as jobs do."""
    process.ask("keep_freed_memory")
    return lambda: process.ask("time", frames=str(frames), factor=cell.factor, intervals=_INTERVALS)


def _measured(command: list[str]) -> tuple[float, float | None, int, str]:
    """Run a command; return its seconds, peak memory in MiB where the system tells, exit code and output."""
    peak_kib = 0
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    status = Path(f"/proc/{process.pid}/status")
    while True:
        try:
            output, _ = process.communicate(timeout=0.1)
            break
        except subprocess.TimeoutExpired:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
            peak_kib = max(peak_kib, int(found[1]) if found else 0)
    return time.perf_counter() - started, peak_kib / 1024 or None, process.returncode, output
