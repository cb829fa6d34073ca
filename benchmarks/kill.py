"""kill -9 at random moments of one job, each followed by the same command: the frames must be those of a whole run.

    python benchmarks/kill.py                       # 20 kills
    python benchmarks/kill.py --seed 7 --kills 50 --stop INT

The moments are spread over the time that a whole run takes, from the start of the process to its check of the
finished file. A run that ends before its moment comes is counted, its output is compared and removed, and the next run
begins anew. With --stop INT or TERM, runs are asked to stop instead, and must within two seconds, with exit code 130.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom

import imageio_ffmpeg

from rife.assets.samples import sample_path

_STOP_SECONDS = 2.0


@dataclass(frozen=True)
class Stopped:
    """What a run had come to.

    Attributes:
        stage: of its last line of progress.
        frames: of that stage.
        code: its exit code.
        seconds: that it took to stop.
        resumed: frames of finished segments that it went on after.
    """

    stage: str
    frames: int
    code: int
    seconds: float
    resumed: int


def piece(folder: Path, *, seconds: float) -> Path:
    """The beginning of a real clip, small, with key frames and sound."""
    path = folder / "piece.mp4"
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    options = ["-map", "0:v", "-map", "1:a", "-vf", "scale=96:-2", "-c:v", "libx264", "-g", "12", "-c:a", "aac"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(sample_path("bikes")), *tone]
    subprocess.run([*command, "-t", str(seconds), *options, str(path)], check=True)
    return path


def frame_hashes(path: Path) -> str:
    """Hash and time of every frame, by a program that is not ours."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framehash", "-"]
    return hashlib.sha256(subprocess.run(command, check=True, capture_output=True).stdout).hexdigest()


def run(command: list[str], *, until: float | None, how: signal.Signals) -> Stopped:
    """Run a command, and stop it after some seconds if it has not ended."""
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stderr is not None
        listener = threading.Thread(target=lambda: lines.extend(job.stdout or ()))
        listener.start()
        asked = time.monotonic()
        try:
            job.wait(timeout=until)
        except subprocess.TimeoutExpired:
            job.send_signal(how)
            asked = time.monotonic()
            job.wait()
        seconds = time.monotonic() - asked
        listener.join()
        printed = job.stderr.read()
    events = [json.loads(line) for line in lines if line.endswith("}\n")]
    steps = [event for event in events if event.get("event") == "progress"]
    resumed = max((event["frames_made_before"] for event in events if event.get("event") == "forecast"), default=0)
    stage = "done" if job.returncode == 0 else steps[-1]["stage"] if steps else "start"
    if "Traceback" in printed:
        stage += " TRACEBACK"
        print(printed)
    return Stopped(stage, steps[-1]["frames_done"] if steps else 0, job.returncode, seconds, resumed)


def main() -> int:
    """Run it; 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the clip: long enough for several parts")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    parser.add_argument("--stop", choices=("KILL", "INT", "TERM"), default="KILL")
    parser.add_argument("--model", default="4.0", help="a name or a path")
    asked = parser.parse_args()
    how, chance, wrong = signal.Signals[f"SIG{asked.stop}"], Random(asked.seed), 0
    expected = -signal.SIGKILL if how is signal.SIGKILL else 130
    print(
        f"seed {asked.seed}\n\n"
        f"| run | stopped after | stage | frames | exit code | in | whole | resumed |\n|{'---|' * 8}",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="rife-kill-") as name:
        folder = Path(name)
        source, whole, output = piece(folder, seconds=asked.seconds), folder / "whole.mp4", folder / "out.mp4"
        options = ["--model", asked.model, "--refine", "off", "--factor", "4", "--json"]
        commands = [
            [sys.executable, "-m", "rife", "interpolate", str(source), "-o", str(target), *options]
            for target in (whole, output)
        ]
        started = time.monotonic()
        subprocess.run(commands[0], check=True, capture_output=True)
        whole_seconds, wanted = time.monotonic() - started, frame_hashes(whole)
        kills = compared = resumed = 0
        while kills < asked.kills or not output.exists():
            last = kills == asked.kills
            moment = None if last else chance.uniform(0, whole_seconds)
            output.unlink(missing_ok=True)
            stopped = run(commands[1], until=moment, how=how)
            finished = stopped.code == 0
            # A run can be killed after its file has got its name: then it is whole.
            named = output.exists()
            equal = frame_hashes(output) == wanted if named else not finished
            compared += named
            kills += not finished
            resumed += stopped.resumed > 0
            slow = how is not signal.SIGKILL and stopped.seconds > _STOP_SECONDS and not finished
            wrong += not equal or slow or stopped.code not in (0, expected) or "TRACEBACK" in stopped.stage
            others = sorted({p.name for p in folder.iterdir()} - {"piece.mp4", "whole.mp4", "out.mp4"})
            wrong += others not in ([], ["out.mp4.rife-work"])
            told = "equal" if named and equal else "none" if equal else "DIFFERS"
            after = "-" if moment is None else f"{moment:.2f} s"
            print(
                f"| {kills} | {after} | {stopped.stage} | {stopped.frames} | {stopped.code} "
                f"| {stopped.seconds:.2f} s | {told} | {stopped.resumed} |",
                flush=True,
            )
            if finished and others:
                print(f"left behind: {others}")
        left = sorted(p.name for p in folder.iterdir())
    print(
        f"\n{kills} stopped, {compared} whole files compared, {resumed} runs went on after finished segments; "
        f"left in the folder: {', '.join(left)}; {wrong} wrong"
    )
    # Runs that all begin anew would say nothing of going on.
    return 1 if wrong or not resumed or left != ["out.mp4", "piece.mp4", "whole.mp4"] else 0


if __name__ == "__main__":
    sys.exit(main())
