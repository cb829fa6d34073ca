"""How fast, how large and how good: ours against the published network, a blend and ffmpeg, on this machine.

    python benchmarks/bench.py              # all of it, about 30 minutes on two cores; into bench/full/
    python benchmarks/bench.py --quick      # under 5 minutes: small sizes, few rounds
    python benchmarks/bench.py --publish    # also into docs/: performance-amx.md, -avx512.md or -avx2.md
    python benchmarks/bench.py --as-avx2    # on a newer processor, with what it has beyond AVX2 left out

Writes results.json, table.md and two charts. A run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from itertools import groupby
from pathlib import Path

import numpy as np
from speed import agreement, charts, claims, clips, jobs, machine, quality, rounds, store, tables
from speed.plan import Cell, Contestant, Plan, WholeJob, contestants

REPOSITORY = Path(__file__).parent.parent
SIZES = "720x480,1280x720,1920x1080"
STREAM_FRAMES = 8
"""Frames of the stream that is timed, forwards and backwards without end."""


def main() -> None:
    options = _options()
    if options.as_avx2:
        machine.emulate_avx2()
    plan = _plan(options)
    ffmpeg = _ffmpeg()
    described = machine.describe()
    openvino, native = (described[library] != "not installed" for library in ("openvino", "numba"))
    openvino = openvino and native and not options.as_avx2
    rows = contestants(bf16=openvino and machine.has_bf16(), openvino=openvino, native=native)
    about = {"machine": described, "plan": tables.plan_as_json(plan), "ffmpeg": _ffmpeg_version(ffmpeg)}
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "results.json"
    results = store.opened(path, about)
    run = _Run(results, path, plan, rows, ffmpeg)
    run.all_steps()
    results["complete"] = True
    results["load average at the end"] = machine.load_average()
    store.save(path, results)
    (options.output / "table.md").write_text(tables.document(results, claims.check(results)))
    charts.bars(results, options.output / "speed.png")
    charts.growth(results, options.output / "growth.png")
    print((options.output / "table.md").read_text())
    print(f"Written: {options.output}/results.json, table.md, speed.png, growth.png")
    if options.publish:
        _publish(options.output, machine.kind(described))


class _Run:
    """The steps of a run, each kept as soon as it is done."""

    def __init__(
        self, results: store.Results, path: Path, plan: Plan, rows: list[Contestant], ffmpeg: str | None
    ) -> None:
        self._results, self._path, self._plan, self._rows, self._ffmpeg = results, path, plan, rows, ffmpeg
        self._started = time.perf_counter()

    def all_steps(self) -> None:
        """Do what is not done yet."""
        plan, ours = self._plan, [row for row in self._rows if row.kind == "rife"]
        for size, cells in groupby(plan.cells, key=lambda cell: cell.size):
            self._step(f"time {size}", lambda c=list(cells): self._time(c, self._rows))
        for size, cells in groupby(plan.growth_cells, key=lambda cell: cell.size):
            self._step(f"growth {size}", lambda c=list(cells): self._time(c, ours))
        for clip in plan.triples:
            self._step(f"quality {clip}", lambda c=clip: self._quality(c))
        self._step("agreement", self._agreement)
        for job in plan.jobs:
            self._step(f"jobs {job.key}", lambda j=job: self._job(j))

    def _step(self, name: str, action: object) -> None:
        if name in self._results["done"]:
            self._say(f"{name}: done before")
            return
        assert callable(action)
        action()
        self._results["done"].append(name)
        store.save(self._path, self._results)

    def _time(self, cells: list[Cell], rows: list[Contestant]) -> None:
        with tempfile.TemporaryDirectory(prefix="rife-bench-") as folder:
            frames = Path(folder) / "frames.npy"
            np.save(frames, clips.frames_at(cells[0].width, cells[0].height, STREAM_FRAMES))
            timed = rounds.time_cells(cells, rows, frames, runs=self._plan.runs, say=self._say)
        for cell in cells:
            entry = {"width": cell.width, "height": cell.height, "factor": cell.factor, "rows": timed[cell.key]}
            self._results["cells"][cell.key] = entry

    def _quality(self, clip: str) -> None:
        with tempfile.TemporaryDirectory(prefix="rife-bench-") as folder:
            scores = quality.score_clip(
                clip, self._plan.triples[clip], self._rows, Path(folder), ffmpeg=self._ffmpeg, say=self._say
            )
        self._results["quality"][clip] = scores

    def _agreement(self) -> None:
        with tempfile.TemporaryDirectory(prefix="rife-bench-") as folder:
            self._results["agreement"] = agreement.with_published(Path(folder))
        self._say(f"agreement: {self._results['agreement']}")

    def _job(self, job: WholeJob) -> None:
        with tempfile.TemporaryDirectory(prefix="rife-bench-") as folder:
            clip = Path(folder) / "clip.mp4"
            clips.write_clip(clip, job.width, job.height, job.frames)
            names = {claims.best(self._results, refine) for refine in (("full", "off") if job.rival else ("full",))}
            ours = [row for row in self._rows if row.name in names]
            commands = jobs.jobs(ours, clip, ffmpeg=self._ffmpeg if job.rival else None)
            frames, cell = Path(folder) / "frames.npy", Cell(job.width, job.height, 2)
            np.save(frames, clips.frames_at(job.width, job.height, STREAM_FRAMES))
            with rounds.started(ours, Path(folder)) as processes:
                alone = {p.contestant.name: jobs.network_alone(p, cell, frames) for p in processes}
                rows = jobs.run_jobs(commands, job.frames, alone=alone, runs=self._plan.runs, say=self._say)
        self._results["jobs"][job.key] = {"size": job.size, "rows": rows}

    def _say(self, text: str) -> None:
        print(f"[{time.perf_counter() - self._started:6.0f} s] {text}", flush=True)


def _plan(options: argparse.Namespace) -> Plan:
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes.split(",")]
    cells = tuple(Cell(w, h, factor) for w, h in sizes for factor in (2, 4))
    if options.quick:
        growth: tuple[Cell, ...] = ()
        triples = {"bikes": 6, "bigbuckbunny": 4, "carphone": 8}
        return Plan(options.runs, cells, growth, triples, (WholeJob(720, 480, 25, rival=True),))
    growth = (Cell(360, 240, 2), Cell(720, 480, 8))
    return Plan(
        options.runs,
        cells,
        growth,
        {"bikes": 24, "bigbuckbunny": 12, "carphone": 24},
        (WholeJob(720, 480, 97, rival=True), WholeJob(1280, 720, 49)),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="720x480 only, 2 rounds, few frames")
    parser.add_argument("--runs", type=int, help="rounds that count in every cell (5; quick: 2)")
    parser.add_argument("--sizes", help=f"WIDTHxHEIGHT,... ({SIZES}; quick: 720x480)")
    parser.add_argument("--output", type=Path, help="folder for results (bench/full/; quick: bench/quick/)")
    parser.add_argument(
        "--publish", action="store_true", help="also write the page in docs/ for this kind of processor"
    )
    parser.add_argument("--as-avx2", action="store_true", help="use AVX2 at most, without OpenVINO")
    options = parser.parse_args()
    options.runs = options.runs or (2 if options.quick else 5)
    options.sizes = options.sizes or ("720x480" if options.quick else SIZES)
    folder = ("avx2-" if options.as_avx2 else "") + ("quick" if options.quick else "full")
    options.output = options.output or REPOSITORY / "bench" / folder
    return options


def _publish(folder: Path, kind: str) -> None:
    """Write what docs/performance.md leads to: one page for each kind of processor."""
    docs = REPOSITORY / "docs"
    charts = {"speed.png": f"performance-{kind}.png", "growth.png": f"performance-{kind}-growth.png"}
    for source, name in {"results.json": f"performance-{kind}.json", **charts}.items():
        shutil.copyfile(folder / source, docs / name)
    page = tables.page(kind, (folder / "table.md").read_text(), list(charts.values()))
    (docs / f"performance-{kind}.md").write_text(page)


def _ffmpeg() -> str | None:
    """An ffmpeg on the path, or the one that imageio-ffmpeg brings."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        return None
    return str(get_ffmpeg_exe())


def _ffmpeg_version(ffmpeg: str | None) -> str:
    import subprocess

    if ffmpeg is None:
        return "not on this machine"
    run = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=False)
    return " ".join(run.stdout.split()[:3])


if __name__ == "__main__":
    main()
