"""Damaged clips through the whole of `rife interpolate`: each must end well, or with one clear line.

    python benchmarks/fuzz.py                       # 300 variants, two at a time
    python benchmarks/fuzz.py --seed 7 --count 1000
    python benchmarks/fuzz.py --only "mkv:gap:0"    # one variant again, with all that it prints
    python benchmarks/fuzz.py --headers --command read   # damaged headers only, and only through the reader

A variant passes with exit code 0 and a file in which FFmpeg's own program decodes as many frames as were announced, or
with exit code 1, one line and no file under the output's name. A traceback, a crash, more lines, more memory or more
time than allowed are failures. The network is a tiny one that blends: damage is dealt with around it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from safetensors.torch import save_file

import rife.media.video.encoding  # noqa: F401 (once, and not in every child)
import rife.pipeline.job  # noqa: F401 (the same)
from conftest import blending_network
from rife.assets.samples import SAMPLES, sample_path
from rife.cli.app import main as command_line
from rife.errors import RifeError
from rife.media.open_source import open_source
from rife.media.video.reader import VideoReader
from rife.network.specs import SPECS
from support.damage import MADE, Variant, cut_short, frames_in_file, variants
from support.headers import HEADERS

SECONDS = 60
MEMORY_BYTES = 6 << 30
RESIDENT_BYTES = 2 << 30
FILE_BYTES = 1 << 30
# Each variant takes one: the rates make what damaged times lead to.
OPTIONS = ((), ("--fps", "60"), ("--keep-partial",), ("--factor", "3"), ("--slowmo", "2", "--audio", "stretch"))
# Finished parts are kept when joining them fails; a file that fails its check is listed as a failure further down.
_MAY_STAY = ("out.partial", "out.failed-check", "out.mkv.rife-work", "out.mp4.rife-work", "out.mov.rife-work")


@dataclass
class Run:
    """A variant in a process of its own."""

    variant: Variant
    folder: Path
    output: Path
    pid: int
    started: float


def start(variant: Variant, undamaged: Path, folder: Path, model: Path, *, command: str) -> Run:
    """Damage a clip, and interpolate or read it in a child that may crash."""
    folder.mkdir()
    source = variant.make(undamaged, folder)
    at = sum(map(ord, str(variant)))
    output = folder / ("out" + (".mkv", ".mp4", ".mkv", ".mov")[at % 4])
    arguments = {
        "interpolate": ["interpolate", str(source), "-o", str(output), "--model", str(model), "--engine", "torch"],
        "analyze": ["analyze", str(source)],
        "sheet": ["sheet", str(source), str(source), "-o", str(folder / "out.png")],
        "read": [str(source)],
    }[command]
    if command == "interpolate":
        arguments += ["--json", *OPTIONS[at % len(OPTIONS)]]
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _child(arguments, folder)
    return Run(variant, folder, output, pid, time.monotonic())


def _child(arguments: list[str], folder: Path) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    code = 70
    try:
        if len(arguments) == 1:
            _read(Path(arguments[0]))
            code = 0
        else:
            sys.argv = ["rife", *arguments]
            command_line()
    except SystemExit as err:
        code = err.code if isinstance(err.code, int) else 71
    except BaseException:  # noqa: BLE001 (what is found: printed as Python prints it)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read(source: Path) -> None:
    """Read all pictures and packets of a file; exit code 1 where it is refused."""
    try:
        with open_source(source) as opened:
            for _ in opened.frames():
                pass
            if isinstance(opened, VideoReader):
                for _ in opened.packets([stream.index for stream in opened.other_streams]):
                    pass
    except RifeError as err:
        print(err, file=sys.stderr)
        raise SystemExit(1) from err


def verdict_of_reading(run: Run, status: int) -> tuple[str, str]:
    """What came of a variant that was read, analyzed or laid out on a sheet."""
    if os.WIFSIGNALED(status):
        killed = os.WTERMSIG(status)
        return "crash", "no end" if killed == signal.SIGKILL else f"signal {killed}"
    code, printed = os.WEXITSTATUS(status), (run.folder / "stderr").read_text(errors="replace").strip()
    if "Traceback" in printed or code not in (0, 1):
        return "traceback", f"exit {code}: {' | '.join(printed.splitlines()[-3:])}"
    if code == 1 and not printed:
        return "error", "refused without a word"
    return ("error" if code else "success"), ""


def verdict(run: Run, status: int) -> tuple[str, str]:
    """What came of a variant, and what is wrong with it, if anything."""
    if os.WIFSIGNALED(status):
        killed = os.WTERMSIG(status)
        return "crash", "no end" if killed == signal.SIGKILL else f"signal {killed}"
    code = os.WEXITSTATUS(status)
    printed = (run.folder / "stderr").read_text(errors="replace").strip()
    events = [json.loads(line) for line in (run.folder / "stdout").read_text().splitlines()]
    last = events[-1] if events else {}
    if "Traceback" in printed:
        return "traceback", printed.splitlines()[-1]
    if printed:
        return f"exit {code}", f"printed: {printed[:300]}"
    if code == 0:
        found, complaint = frames_in_file(run.output)
        if found != last.get("output_frames"):
            return "success", f"{found} frames instead of {last.get('output_frames')} {complaint[:200]}"
        return "success", complaint[:200]
    left = sorted(p.name for p in run.folder.iterdir() if not p.name.startswith(("damaged", "std")))
    message = str(last.get("message", ""))
    if code != 1 or last.get("event") != "error" or not message or "\n" in message or "Traceback" in message:
        return f"exit {code}", f"not one clear line: {last}"
    if run.output.exists() or any(not name.startswith(_MAY_STAY) for name in left):
        return "error", f"left behind: {left}; {message}"
    if "failed-check" in " ".join(left):
        return "error", f"failed its check: {message}"
    return "error", ""


def run_all(
    todo: list[Variant], bases: dict[str, Path], scratch: Path, *, workers: int, command: str = "interpolate"
) -> list[tuple[Run, str, str]]:
    """Run variants, a few at a time."""
    running: dict[int, Run] = {}
    done: list[tuple[Run, str, str]] = []
    waiting = list(enumerate(todo))
    while waiting or running:
        while waiting and len(running) < workers:
            number, variant = waiting.pop(0)
            folder = scratch / f"{number:04d}"
            run = start(variant, bases[variant.base], folder, scratch / "model.safetensors", command=command)
            running[run.pid] = run
        for pid, run in list(running.items()):
            found, status, used = os.wait4(pid, os.WNOHANG)
            if not found and time.monotonic() - run.started > SECONDS:
                os.kill(pid, signal.SIGKILL)
                found, status, used = os.wait4(pid, 0)
            if found:
                del running[pid]
                outcome, wrong = (verdict if command == "interpolate" else verdict_of_reading)(run, status)
                if not wrong and used.ru_maxrss << 10 > RESIDENT_BYTES:
                    wrong = f"took {used.ru_maxrss >> 10} MB"
                done.append((run, outcome, wrong))
                if done[-1][2]:
                    print(f"FAILED {run.variant}  [{done[-1][1]}] {done[-1][2]}", flush=True)
                if len(todo) > 1:
                    shutil.rmtree(run.folder)
        time.sleep(0.02)
    return done


def main() -> int:
    """Run it; 1 if any variant failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="base:damage:seed, as a failure is listed")
    parser.add_argument("--command", choices=("interpolate", "read", "analyze", "sheet"), default="interpolate")
    parser.add_argument("--headers", action="store_true", help="damage headers only")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    recipes = {**MADE, **{f"sample {name}": cut_short(sample_path(name)) for name in SAMPLES if name != "bigbuckbunny"}}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rife-fuzz-") as folder:
        scratch = Path(folder)
        save_file(blending_network(SPECS["4.6"]).state_dict(), scratch / "model.safetensors")
        bases = {}
        for number, (name, recipe) in enumerate(recipes.items()):
            (scratch / f"base-{number}").mkdir()
            bases[name] = recipe(scratch / f"base-{number}")
        if asked.only:
            base, damage, seed = asked.only.split(":")
            todo = [Variant(base, damage, int(seed))]
        else:
            damages = list(HEADERS) if asked.headers else None
            todo = variants(list(bases), asked.count, seed=asked.seed, damages=damages)
        done = run_all(todo, bases, scratch, workers=asked.workers, command=asked.command)
        if asked.only:
            print(*((done[0][0].folder / name).read_text(errors="replace") for name in ("stdout", "stderr")), sep="\n")
    return report(done, seconds=time.monotonic() - started, seed=asked.seed)


def report(done: list[tuple[Run, str, str]], *, seconds: float, seed: int) -> int:
    """Print a table of damages and outcomes."""
    outcomes = sorted({outcome for _, outcome, _ in done})
    print(f"\n| damage | {' | '.join(outcomes)} | failed |\n|---|{'---|' * (len(outcomes) + 1)}")
    for damage in sorted({run.variant.damage for run, _, _ in done}):
        rows = [(outcome, bool(wrong)) for run, outcome, wrong in done if run.variant.damage == damage]
        counts = Counter(outcome for outcome, _ in rows)
        print(f"| {damage} | {' | '.join(str(counts[o]) for o in outcomes)} | {sum(w for _, w in rows)} |")
    failed = sum(bool(wrong) for _, _, wrong in done)
    totals = Counter(outcome for _, outcome, _ in done)
    print(f"| all {len(done)} | {' | '.join(str(totals[o]) for o in outcomes)} | {failed} |")
    print(f"\nseed {seed}, {seconds:.0f} s; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
