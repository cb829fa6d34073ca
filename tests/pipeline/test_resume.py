"""A job that is killed goes on where it was, and ends in the same frames."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file

from conftest import blending_network
from rife.errors import JobError, MediaError
from rife.interpolation.interpolator import Interpolator
from rife.media.paths import parse_output
from rife.media.source import SourceFrame
from rife.media.video.reader import VideoReader
from rife.network.specs import SPECS
from rife.pipeline import interpolate_video, work_folder
from rife.pipeline import plan as plan_module
from support.clips import Clip, decoded, planes

pytestmark = pytest.mark.slow


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of a few frames, so that small clips have several."""
    monkeypatch.setattr(plan_module, "_FEWEST_FRAMES", 6)
    monkeypatch.setattr(plan_module, "_MOST_FRAMES", 6)


def frame_hashes(path: Path) -> list[str]:
    return [hashlib.sha256(b"".join(p.tobytes() for p in planes(f))).hexdigest() + f" {f.pts}" for f in decoded(path)]


class Interrupt:
    """Stops a job after a number of made frames, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, progress: object) -> None:
        if getattr(progress, "stage", "") == "make":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


CLIPS = {
    "B-frames": Clip(frames=24, b_frames=3),
    "matroska": Clip(frames=24, suffix=".mkv", b_frames=2),
    "no seeking": Clip(frames=24, suffix=".h264"),
    "variable rate": Clip(frames=24, times=tuple(i * 40 + i * i % 7 for i in range(24))),
}


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("after", [1, 7, 20, 33, 47])
@pytest.mark.parametrize("name", list(CLIPS))
def test_an_interrupted_job_ends_in_the_same_frames(
    name: str, after: int, tmp_path: Path, blender: Interpolator
) -> None:
    source = CLIPS[name].make(tmp_path)
    whole, again = tmp_path / "whole.mp4", tmp_path / "again.mp4"
    interpolate_video(source, whole, interpolator=blender)
    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, again, interpolator=blender, on_progress=Interrupt(after))
    assert not again.exists()
    kept = sorted(p.name for p in work_folder(parse_output(again)).glob("*.mkv"))
    assert kept == [f"{n:06d}.mkv" for n in range(after // 7)] or len(kept) >= after // 14
    result = interpolate_video(source, again, interpolator=blender)
    assert (result.frames_resumed > 0) == bool(kept)
    assert frame_hashes(again) == frame_hashes(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, whole.name, again.name])


@pytest.mark.usefixtures("short_segments")
def test_the_way_to_where_a_job_goes_on_can_be_interrupted(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the whole film, in one step: who reads ahead would be waited for until it is done."""
    source, output = Clip(frames=24).make(tmp_path), tmp_path / "again.mp4"
    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, output, interpolator=blender, on_progress=Interrupt(33))
    readers: list[str] = []
    frames = VideoReader.frames

    def watched(self: VideoReader, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        if from_pts is not None:
            readers.append(threading.current_thread().name)
        return (yield from frames(self, from_pts=from_pts))

    monkeypatch.setattr(VideoReader, "frames", watched)
    assert interpolate_video(source, output, interpolator=blender).frames_resumed > 0
    assert readers == ["MainThread"]


@pytest.mark.usefixtures("short_segments")
def test_finished_segments_are_not_made_again(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = Clip(frames=24).make(tmp_path), tmp_path / "o.mp4"
    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, output, interpolator=blender, on_progress=Interrupt(40))
    made = []
    between = Interpolator.between

    def counted(self: Interpolator, *args: object) -> object:
        made.append(1)
        return between(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Interpolator, "between", counted)
    result = interpolate_video(source, output, interpolator=blender)
    assert result.frames_resumed >= 24
    assert len(made) <= (48 - result.frames_resumed) // 2


def interrupted(tmp_path: Path, worker: Interpolator, output: Path, source: Path | None = None) -> Path:
    source = source or Clip(frames=24).make(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, output, interpolator=worker, on_progress=Interrupt(40))
    assert list(work_folder(parse_output(output)).glob("*.mkv"))
    return source


@pytest.mark.usefixtures("short_segments")
def test_other_settings_are_refused_and_not_mixed(tmp_path: Path, blender: Interpolator) -> None:
    output = tmp_path / "o.mp4"
    source = interrupted(tmp_path, blender, output)
    parts = {p: p.read_bytes() for p in work_folder(parse_output(output)).iterdir()}
    for options in ({"crf": 30}, {"factor": 3}, {"fps": "60"}, {"at_cut": "blend"}):
        with pytest.raises(JobError, match=r"a job that differs \(.* was .*, is .*restart=True"):
            interpolate_video(source, output, interpolator=blender, **options)
    assert {p: p.read_bytes() for p in work_folder(parse_output(output)).iterdir()} == parts
    result = interpolate_video(source, output, interpolator=blender, factor=3, restart=True)
    assert (result.frames_resumed, len(decoded(output))) == (0, 72)


@pytest.mark.usefixtures("short_segments")
def test_another_network_is_refused(tmp_path: Path, blender: Interpolator, middle_blender: Interpolator) -> None:
    output = tmp_path / "o.mp4"
    source = interrupted(tmp_path, blender, output)
    with pytest.raises(JobError, match="network was"):
        interpolate_video(source, output, interpolator=middle_blender)


@pytest.mark.usefixtures("short_segments")
def test_a_changed_source_is_refused(tmp_path: Path, blender: Interpolator) -> None:
    output = tmp_path / "o.mp4"
    source = interrupted(tmp_path, blender, output)
    Clip(frames=24, lossless=False).make(tmp_path, source.stem)
    with pytest.raises(JobError, match="source was"):
        interpolate_video(source, output, interpolator=blender)


@pytest.mark.usefixtures("short_segments")
def test_a_damaged_segment_is_rendered_again(tmp_path: Path, blender: Interpolator) -> None:
    whole, output = tmp_path / "whole.mp4", tmp_path / "o.mp4"
    source = interrupted(tmp_path, blender, output)
    interpolate_video(source, whole, interpolator=blender)
    part = work_folder(parse_output(output)) / "000001.mkv"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 255
    part.write_bytes(data)
    (work_folder(parse_output(output)) / "000002.json").write_text('{"frames": 1')
    interpolate_video(source, output, interpolator=blender)
    assert frame_hashes(output) == frame_hashes(whole)


@pytest.mark.usefixtures("short_segments")
def test_files_that_are_not_the_jobs_are_not_touched(tmp_path: Path, blender: Interpolator) -> None:
    output = tmp_path / "o.mp4"
    source = interrupted(tmp_path, blender, output)
    notes = work_folder(parse_output(output)) / "notes.txt"
    notes.write_text("mine")
    (work_folder(parse_output(output)) / "000001.txt").write_text("mine too")
    interpolate_video(source, output, interpolator=blender)
    assert sorted(p.name for p in work_folder(parse_output(output)).iterdir()) == ["000001.txt", "notes.txt"]


def test_two_jobs_on_one_output(tmp_path: Path, blender: Interpolator) -> None:
    source, output = Clip().make(tmp_path), tmp_path / "o.mp4"
    errors: list[pytest.ExceptionInfo[JobError]] = []

    def meanwhile(_: object) -> None:
        if work_folder(parse_output(output)).exists() and not errors:
            with pytest.raises(JobError, match="another process is working on this output") as error:
                interpolate_video(source, output, interpolator=blender)
            errors.append(error)

    interpolate_video(source, output, interpolator=blender, on_progress=meanwhile)
    assert errors
    assert len(decoded(output)) == 12


@pytest.mark.usefixtures("short_segments")
def test_a_full_disk_is_refused_before_and_keeps_what_is_finished(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = Clip(frames=24).make(tmp_path), tmp_path / "o.mp4"
    monkeypatch.setattr("rife.pipeline.budget.free_bytes", lambda _: 1000)
    with pytest.raises(
        JobError, match=r"the disk has \d+ MB left, and the job needs about \d.* a reserve of 50 MB\. Make room"
    ):
        interpolate_video(source, output, interpolator=blender)
    assert not work_folder(parse_output(output)).exists()
    monkeypatch.undo()
    monkeypatch.setattr(plan_module, "_MOST_FRAMES", 6)
    monkeypatch.setattr(plan_module, "_FEWEST_FRAMES", 6)
    keep = "rife.pipeline.workspace.Workspace.keep"
    calls: list[int] = []

    def full(_: object, number: int, *__: object) -> None:
        calls.append(number)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keep, full)
    with pytest.raises(MediaError, match="No space left on device"):
        interpolate_video(source, output, interpolator=blender)
    assert calls == [0]
    assert not output.exists()


# --- a real process, really killed -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "blend.safetensors"
    save_file(blending_network(SPECS["4.6"]).state_dict(), path)
    return path


def command(source: Path, output: Path, model: Path) -> list[str]:
    arguments = ["interpolate", str(source), "-o", str(output), "--model", str(model), "--engine", "torch", "--json"]
    return [sys.executable, "-m", "rife", *arguments]


KILLS_ITSELF = """
import os, signal, sys
from rife.cli.app import main
from rife.pipeline.progress import JobProgress
from rife.pipeline import plan

plan._MOST_FRAMES = plan._FEWEST_FRAMES  # short segments
left, report = int(sys.argv.pop(1)), JobProgress.frame_done

def frame(self):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    report(self)

JobProgress.frame_done = frame
main()
"""
"""A job that ends as by `kill -9` when it has made a number of frames: no clock of the test decides where."""


def test_kill_9_three_times(tmp_path: Path, model: Path) -> None:
    """The finished file of a job that was killed three times has the frames of one that was not."""
    source = Clip(frames=120, b_frames=2, audio=True).make(tmp_path)
    whole, output = tmp_path / "whole.mp4", tmp_path / "o.mp4"

    def run(target: Path, *, frames: int) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-c", KILLS_ITSELF, str(frames), *command(source, target, model)[3:]]
        return subprocess.run(arguments, check=False, capture_output=True, text=True)

    assert run(whole, frames=0).returncode == 0
    chance = random.Random(4)
    for kills in range(1, 4):
        # One more segment of 48 frames is finished, and the next one has begun.
        assert run(output, frames=chance.randrange(50, 90)).returncode == -signal.SIGKILL
        assert not output.exists()
        assert len(list(work_folder(parse_output(output)).glob("[0-9]*.json"))) == kills
    done = run(output, frames=0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["frames_resumed"] == 3 * 48
    assert frame_hashes(output) == frame_hashes(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "o.mp4", "whole.mp4"]


def test_ctrl_c_keeps_finished_segments_and_says_where(tmp_path: Path, model: Path) -> None:
    source = Clip(frames=450).make(tmp_path)
    output = tmp_path / "o.mp4"
    with subprocess.Popen(command(source, output, model), stdout=subprocess.PIPE, text=True, env=os.environ) as job:
        assert job.stdout is not None
        for line in job.stdout:
            event = json.loads(line)
            if event.get("stage") == "make" and event["frames_done"] > 500:
                break
        job.send_signal(signal.SIGINT)
        rest = job.stdout.read()
        assert job.wait(timeout=60) == 130
    message = json.loads(rest.splitlines()[-1])
    assert message["event"] == "interrupted"
    assert f"Finished segments are in {work_folder(parse_output(output))}" in message["message"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "o.mp4.rife-work"]
