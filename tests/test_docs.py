"""What the documents say is run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.clips import Clip

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("rife ")]
    return [shlex.split(line, comments=True) for line in lines]


def test_python_in_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clip(frames=3).make(tmp_path, "film")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "twice.mp4").exists()


def test_commands_in_the_readme(tmp_path: Path) -> None:
    Clip(frames=4).make(tmp_path, "film")
    assert len(commands()) >= 7
    for command in commands():
        run = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, (command, run.stderr)
    assert {"film_2x.mp4", "smooth.mp4", "fast.mp4", "checked.mp4", "sheet.png"} <= {p.name for p in tmp_path.iterdir()}


def test_figures_in_the_readme_are_those_that_its_command_prints() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "rife", "evaluate", "sample:bikes", "--frames", "60"],
        capture_output=True,
        text=True,
        check=True,
    )
    printed = [float(x) for x in re.findall(r"([\d.]+) dB", run.stdout)]
    claimed = [float(x) for x in re.findall(r"([\d.]+) dB", README)]
    assert claimed == pytest.approx(printed, abs=0.01)
