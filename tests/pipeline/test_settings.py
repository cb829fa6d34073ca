"""The options of a job: declared once, with the same names and defaults in Python and on the command line."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_origin, get_type_hints

import pytest
import typer.main

import rife
from rife.cli.app import app
from rife.cli.interpolate import interpolate
from rife.errors import OptionError
from rife.interpolation.interpolator import Interpolator
from rife.pipeline import JobSettings, interpolate_video
from rife.pipeline.settings import JobOptions, declared_options
from support.clips import Clip, decoded

DEFAULTS = {field.name: field.default for field in fields(JobSettings)}


def defaults_of(call: object) -> dict[str, object]:
    parameters = inspect.signature(call).parameters.values()  # type: ignore[arg-type]
    return {item.name: item.default for item in parameters}


def test_python_has_every_option_with_its_default() -> None:
    assert {name: value for name, value in defaults_of(interpolate_video).items() if name in DEFAULTS} == DEFAULTS
    others = {"source", "output", "settings", "interpolator", "cancel", "on_progress", "on_forecast"}
    assert set(defaults_of(interpolate_video)) == set(DEFAULTS) | others


def test_type_checkers_know_every_option_with_its_type() -> None:
    assert get_type_hints(JobOptions) == {name: get_type_hints(JobSettings)[name] for name in DEFAULTS}


def test_the_command_line_has_every_option_with_its_default() -> None:
    assert {name: value for name, value in defaults_of(interpolate).items() if name in DEFAULTS} == DEFAULTS
    command = typer.main.get_command(app).commands["interpolate"]  # type: ignore[attr-defined]
    flags = {item.name: item.opts for item in command.params}
    assert {name: [f"--{name.replace('_', '-')}"] for name in DEFAULTS} == {name: flags[name] for name in DEFAULTS}


def test_the_command_line_has_every_option_of_a_model_with_its_default() -> None:
    own = defaults_of(interpolate)
    assert {name: own[name] for name in defaults_of(rife.load)} == defaults_of(rife.load)
    assert (
        defaults_of(Interpolator).items()
        >= {name: value for name, value in defaults_of(rife.load).items() if name not in ("model", "network")}.items()
    )


def test_every_option_is_described() -> None:
    for option in declared_options():
        assert option.help, option.name
        assert f"{option.name}: {option.help}" in (interpolate_video.__doc__ or "")
        assert f"{option.name}: {option.help}" in (JobSettings.__doc__ or "")
        assert bool(option.metavar) == (option.kind is not bool and get_origin(option.kind) is not Literal)


def test_settings_as_one_record(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=3).make(tmp_path)
    settings = rife.JobSettings(factor=3, crf=0)
    result = interpolate_video(source, tmp_path / "o.mkv", settings=settings, interpolator=blender)
    assert result.output_frames == 9
    interpolate_video(source, tmp_path / "p.mkv", factor=3, crf=0, interpolator=blender)
    pictures = [[frame.to_ndarray().tobytes() for frame in decoded(tmp_path / name)] for name in ("o.mkv", "p.mkv")]
    assert pictures[0] == pictures[1]


def test_a_record_and_single_options_together_are_refused(tmp_path: Path) -> None:
    """Also where the option has its default: it may contradict the record."""
    for options in ({"overwrite": False}, {"factor": 3, "crf": 0}):
        with pytest.raises(OptionError, match=f"got both: settings and {', '.join(options)}"):
            interpolate_video(tmp_path / "x.mp4", settings=JobSettings(overwrite=True), **options)


def test_an_option_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="frame_rate"):
        interpolate_video(tmp_path / "x.mp4", frame_rate=60)  # type: ignore[call-arg]


def test_options_are_read_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from rife.pipeline.settings import JobSettings; JobSettings(fps=60).short_name;"
        "print(sorted({'torch', 'av', 'numpy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_the_package_is_imported_without_docstrings() -> None:
    subprocess.run([sys.executable, "-OO", "-c", "from rife.pipeline import interpolate_video"], check=True)
