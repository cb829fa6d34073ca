"""`rife analyze`, as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rife.analysis.record import Survey
from support.clips import Clip

pytestmark = pytest.mark.slow


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rife", "analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_list_plot_and_summary(tmp_path: Path) -> None:
    film = Clip(frames=6).make(tmp_path, "film")
    done = run(film, "-o", tmp_path / "film.json", "--plot", tmp_path / "film.png")
    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first == f"{film}: 6 frames, 0.24 s"
    assert [line.split()[0] for line in rest] == ["cuts", "stills", "repeated"]
    survey = Survey.from_json((tmp_path / "film.json").read_text())
    assert (len(survey.pts), survey.cuts, survey.keyframes) == (6, (), (0,))
    assert (tmp_path / "film.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.json", "film.mp4", "film.png"]


def test_json_lines(tmp_path: Path) -> None:
    film = Clip(frames=6).make(tmp_path, "film")
    events = [json.loads(line) for line in run(film, "--json").stdout.splitlines()]
    assert events[-1]["event"] == "survey"
    assert (events[-1]["frames"], events[-1]["cuts"], events[-1]["repeated"]) == (6, [], 0)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    film = Clip(frames=3).make(tmp_path, "film")
    before = film.read_bytes()
    for name in ("film.json", "film.png"):
        (tmp_path / name).write_text("kept")
    for options in (["-o", "film.json"], ["--plot", "film.png"], ["-o", "film.mp4", "--overwrite"]):
        refused = run(film, *[tmp_path / word if "." in word else word for word in options])
        assert refused.returncode == 1
        assert "exists already" in refused.stderr or "this is the input" in refused.stderr
    assert (tmp_path / "film.json").read_text() == (tmp_path / "film.png").read_text() == "kept"
    assert film.read_bytes() == before
    assert run(film, "-o", tmp_path / "film.json", "--overwrite").returncode == 0


@pytest.mark.parametrize("what", ["missing", "text", "folder", "truncated"])
def test_bad_input_fails_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    source = tmp_path / "film.mp4"
    if what == "text":
        source.write_text("not a video")
    if what == "folder":
        source.mkdir()
    if what == "truncated":
        whole = Clip(frames=60, faststart=True).make(tmp_path, "whole").read_bytes()
        source.write_bytes(whole[: len(whole) // 2])
    refused = run(source, "-o", tmp_path / "film.json")
    assert refused.returncode == 1
    assert refused.stderr.startswith("rife: ")
    assert ("truncated" in refused.stderr) == (what == "truncated")
    assert not list(tmp_path.glob("*.json*"))


def test_a_single_frame_is_refused_as_interpolate_refuses_it(tmp_path: Path) -> None:
    film = Clip(frames=1).make(tmp_path, "film")
    refused = run(film, "--plot", tmp_path / "film.png")
    assert refused.returncode == 1
    assert refused.stderr == f"rife: {film}: has one frame; making frames in between needs at least two.\n"
    assert not (tmp_path / "film.png").exists()


def test_pictures_of_two_sizes_are_refused_as_interpolate_refuses_them(tmp_path: Path) -> None:
    parts = [Clip(frames=3, width=width, suffix=".ts").make(tmp_path, f"{width}") for width in (96, 64)]
    film = tmp_path / "film.ts"
    film.write_bytes(b"".join(part.read_bytes() for part in parts))
    refused = run(film)
    assert refused.returncode == 1
    assert "the frame size changes from 96x64 to 64x64 after 3 frames; expected one size" in refused.stderr
