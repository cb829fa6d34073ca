"""Seconds of a new frame for every network, engine by engine, beside its multiply-adds.

    python benchmarks/networks.py               # all networks at 720x480 and 1280x720, about 20 minutes on two cores
    python benchmarks/networks.py --networks 4.26,4.25.lite --sizes 720x480 --runs 2
    python benchmarks/networks.py --publish     # also into docs/: networks-amx.md, -avx512.md or -avx2.md

The weights are closed-form: time does not depend on them, and most published ones cannot be fetched everywhere. In
every round, each network takes turns with the default network, 4.0 with refinement, and the ratio of both is the
figure to trust: other work on the machine slows both. `ffmpeg minterpolate` runs as a whole command, beside the whole
command of the lightest networks, in the same run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import torch
from safetensors.torch import save_file
from speed import clips, jobs, machine, rounds
from speed.plan import FFMPEG, Cell, Contestant

from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.reports.models import network_facts
from support.golden import closed_form_state

REPOSITORY = Path(__file__).parent.parent
SIZES = "720x480,1280x720"
REFERENCE = Contestant("4.0 with refinement, native float32", "rife", engine="native")
WHOLE_COMMANDS = ("4.25.lite", "4.26")
FRAMES, CLIP_FRAMES = 8, 49
Rows = dict[str, dict[str, Any]]


def main() -> None:
    options = _options()
    started = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - started:6.0f} s] {text}", flush=True)

    bf16 = machine.has_bf16()
    pairs = (size.split("x") for size in options.sizes.split(","))
    sizes = [Cell(int(width), int(height), 2) for width, height in pairs]
    with tempfile.TemporaryDirectory(prefix="rife-bench-") as folder:
        weights = {name: _closed_form(name, Path(folder)) for name in options.networks.split(",")}
        tables = []
        for cell in sizes:
            frames = Path(folder) / f"{cell.size}.npy"
            np.save(frames, clips.frames_at(cell.width, cell.height, FRAMES))
            rows: dict[str, Rows] = {}
            for name, path in weights.items():
                rivals = _contestants(path, bf16=bf16)
                timed = rounds.time_cells([cell], rivals, frames, runs=options.runs, say=lambda _: None)
                rows[name] = timed[cell.key]
                say(f"{cell.size} {name}")
            tables.append(_table(cell, rows, bf16=bf16))
        whole = {name: weights[name] for name in WHOLE_COMMANDS if name in weights}
        commands = _whole_commands(whole, Path(folder), runs=options.runs, say=say) if whole else ""
    page = "\n".join([_head(options.runs), *tables, commands])
    print(page)
    if options.publish:
        (REPOSITORY / "docs" / f"networks-{machine.kind(machine.describe())}.md").write_text(page)


def _closed_form(name: str, folder: Path) -> Path:
    with torch.device("meta"):
        shapes = {key: tuple(tensor.shape) for key, tensor in IFNet(SPECS[name]).state_dict().items()}
    path = folder / f"{name}.safetensors"
    save_file(closed_form_state(shapes), path, metadata={"network": name})
    return path


def _contestants(weights: Path, *, bf16: bool) -> list[Contestant]:
    own = replace(REFERENCE, model=str(weights))
    rows = [REFERENCE, replace(own, name="native float32"), replace(own, name="torch float32", engine="torch")]
    if bf16:
        rows.append(replace(own, name="openvino bf16", engine="openvino", precision="bf16"))
    return rows


def _head(runs: int) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in machine.describe().items())
    return (
        "# Speed of every network\n\nWeights are closed-form. Each network takes turns with the default network "
        "(4.0 with refinement, `native`); medians.\n\n"
        f"| machine |  |\n| --- | --- |\n{rows}\n| rounds | {runs} |\n"
    )


def _table(cell: Cell, rows: dict[str, Rows], *, bf16: bool) -> str:
    engines = ["native float32", "torch float32", *(["openvino bf16"] if bf16 else [])]
    lines = [
        f"\n## {cell.size}\n",
        f"| network | G multiply-adds at 720x480 | {' | '.join(f'{e}, s' for e in engines)} | native, of 4.0's time |",
        f"| --- | --- | {' | '.join('---' for _ in engines)} | --- |",
    ]
    for name, timed in sorted(rows.items(), key=lambda row: network_facts(row[0]).giga_multiply_adds):
        seconds = {engine: timed[engine] for engine in engines}
        shown = [f"{median(row['runs']):.3f}" if row["runs"] else str(row["error"])[:40] for row in seconds.values()]
        own, reference = seconds["native float32"]["runs"], timed[REFERENCE.name]["runs"]
        ratio = f"{median(a / b for a, b in zip(own, reference, strict=True)):.2f}" if own and reference else ""
        lines.append(f"| {name} | {network_facts(name).giga_multiply_adds:.0f} | {' | '.join(shown)} | {ratio} |")
    return "\n".join(lines)


def _whole_commands(weights: dict[str, Path], folder: Path, *, runs: int, say: Any) -> str:  # noqa: ANN401
    from bench import _ffmpeg

    clip = folder / "clip.mp4"
    clips.write_clip(clip, 720, 480, CLIP_FRAMES)
    rows = []
    for name, path in weights.items():
        (job, *_) = jobs.jobs([replace(REFERENCE, name=name)], clip, ffmpeg=None)
        rows.append(replace(job, command=[*job.command, "--model", str(path)], out=folder / f"{name}.mp4"))
    rows += [job for job in jobs.jobs([], clip, ffmpeg=_ffmpeg()) if job.name == FFMPEG]
    timed = jobs.run_jobs(rows, CLIP_FRAMES, alone={}, runs=runs, say=say)
    lines = [
        f"\n## Whole commands, 720x480, {CLIP_FRAMES} frames\n",
        "| command | seconds for a new frame | without start-up |",
        "| --- | --- | --- |",
    ]
    for name, row in timed.items():
        inside = f"{median(row['job_runs']):.3f}" if row["job_runs"] else ""
        seconds = f"{median(row['runs']):.3f}" if row["runs"] else str(row["error"])[:60]
        lines.append(f"| {name} | {seconds} | {inside} |")
    return "\n".join([*lines, ""])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(SPECS), help="names of networks (all)")
    parser.add_argument("--sizes", default=SIZES, help=f"WIDTHxHEIGHT,... ({SIZES})")
    parser.add_argument("--runs", type=int, default=3, help="rounds that count (3)")
    parser.add_argument("--publish", action="store_true", help="also write the page in docs/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
