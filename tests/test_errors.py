"""Errors: a message without the words of an interface, and a hint that each interface words."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
from pathlib import Path

import pytest

import rife
from rife import errors
from rife.cli.words import on_the_command_line
from rife.errors import COMMANDS, REPLACE, Hint, JobError, MissingExtraError, RifeError
from rife.pipeline import interpolate_video
from rife.weights.convert import convert

PACKAGE = Path(rife.__file__).parent
WORDS_OF_THE_COMMAND_LINE = re.compile(
    r"(?<![\w-])--[a-z]|\brife (models|analyze|fetch|interpolate|sheet|convert|doctor|evaluate)\b|(?<!\S)-o\b"
)


def test_a_hint_in_the_words_of_each_interface() -> None:
    error = JobError("o.mp4: exists already.", hint=REPLACE)
    assert str(error) == "o.mp4: exists already. Name another file with `output`, or replace it with overwrite=True."
    worded = error.worded(on_the_command_line)
    assert worded == "o.mp4: exists already. Name another file with -o, or replace it with --overwrite."
    assert error.hint is not None
    assert (error.hint.names, error.hint.values) == (("output", "overwrite"), {"overwrite": True})


def test_values_and_commands_in_the_words_of_each_interface() -> None:
    hint = Hint("Take {on_damage}, {fps}, or see {models}.", {"on_damage": "hold", "fps": 50})
    assert hint.worded(errors.in_python) == "Take on_damage='hold', fps=50, or see rife.network.specs.SPECS."
    assert hint.worded(on_the_command_line) == 'Take --on-damage hold, --fps 50, or see "rife models".'


def test_an_error_without_a_hint_is_its_message() -> None:
    assert str(JobError("{overwrite}: as it is.")) == "{overwrite}: as it is."
    assert "is not installed" in str(MissingExtraError(library="x", extra="y", purpose="z"))


def test_errors_go_through_processes() -> None:
    error = pickle.loads(pickle.dumps(JobError("what.", hint=REPLACE)))
    assert (str(error), error.hint) == (str(JobError("what.", hint=REPLACE)), REPLACE)


def files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "cli" not in path.relative_to(PACKAGE).parts]


def texts(path: Path) -> list[str]:
    """Every text of a file that is no docstring."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return [node.value for node in constants if isinstance(node.value, str)]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_has_its_words(path: Path) -> None:
    ours = [text for text in texts(path) if WORDS_OF_THE_COMMAND_LINE.search(text)]
    if path.name == "wheels.py":  # these are options of pip
        ours = [text for text in ours if not re.fullmatch("--[a-z-]+", text)]
    assert not ours


@pytest.mark.parametrize("text", ["Take --overwrite.", "--fps 60", 'Run "rife models".', "Name one with -o."])
def test_words_of_the_command_line_are_found(text: str) -> None:
    assert WORDS_OF_THE_COMMAND_LINE.search(text)


def hints() -> dict[str, Hint]:
    """Every hint that the code writes, by its place."""
    found = {}
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Hint":
                text = ast.literal_eval(node.args[0])
                values = node.args[1].keys if len(node.args) > 1 and isinstance(node.args[1], ast.Dict) else []
                names = {ast.literal_eval(key): True for key in values if key is not None}
                found[f"{path.relative_to(PACKAGE)}:{node.lineno}"] = Hint(text, names)
    return found


def test_hints_name_options_that_exist() -> None:
    known = {*inspect.signature(interpolate_video).parameters, *inspect.signature(rife.load).parameters, *COMMANDS}
    known |= {*inspect.signature(convert).parameters}
    assert len(hints()) >= 20
    for place, hint in hints().items():
        assert set(hint.names) <= known, place
        assert set(hint.values) <= set(hint.names), place
        assert hint.text.endswith("."), place


def test_every_error_is_public() -> None:
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, RifeError):
            assert getattr(rife, name) is kind
