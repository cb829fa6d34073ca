"""Every command and every Python example of the documents is run; names and figures in them are held to the code."""

from __future__ import annotations

import re
import shlex
import shutil
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import rife
from rife.cli.app import app
from rife.weights.catalogue import CATALOGUE, cached_path
from support.clips import Clip

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text()
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
FIGURES = "rife evaluate sample:bikes --frames 60"
"""Its output is compared with the README by a test of its own."""

MAKES_NO_FILE = ("rife doctor", "rife models", "rife fetch", "rife fetch 4.0")

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


class OnTwos(Clip):
    """A clip that shows every picture twice."""

    def picture(self, index: int) -> np.ndarray:
        return super().picture(index // 2)


CLIPS = {
    "film": Clip(frames=4, audio=True),
    "anime": OnTwos(frames=6, rate=Fraction(24)),
    "phone": Clip(frames=4, times=(0, 40, 90, 123), rotation=90),
    "game": Clip(frames=4),
    "uhd": Clip(frames=4, width=160),
}
"""What the documents call these files, as small clips."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the examples of a page, in their order."""
    return BLOCK.findall(page.read_text())


def lines(page: Path) -> list[str]:
    """Shell commands of a page, without comments."""
    code = [text for language, text in blocks(page) if language == "sh"]
    return [line.split(" #")[0].strip() for text in code for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all files that the documents name, and small clips in place of the samples."""
    for name, clip in CLIPS.items():
        clip.make(tmp_path, name)
    (tmp_path / "renders").mkdir()
    for number in range(3):
        Image.fromarray(Clip().picture(number)).save(tmp_path / "renders" / f"{number:04d}.png")
    shutil.copy(cached_path(CATALOGUE["4.0"]), tmp_path / "flownet.pkl")
    monkeypatch.setattr("rife.assets.samples.sample_path", lambda _: tmp_path / "game.mp4")
    monkeypatch.setattr("rife.cli.malloc.keep_freed_memory", lambda: None)  # changes the process of the tests
    monkeypatch.chdir(tmp_path)
    return tmp_path


@lru_cache
def run_once(command: str) -> str:
    """Run a command that makes no file, and is named on several pages."""
    return run(command)


def run(command: str) -> str:
    """Run a command as the command line does, and return what it prints."""
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, f"{command}: {result.output}"
    return result.output


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_examples_run(page: Path) -> None:
    """From the top of a page to its end, in one folder and one Python session."""
    names: dict[str, object] = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
            continue
        for line in text.splitlines():
            command = line.split(" #")[0].strip()
            if command.startswith("rife ") and command != FIGURES:
                (run_once if command in MAKES_NO_FILE else run)(command)


def test_the_readme_makes_what_it_names(folder: Path) -> None:
    """The guard of the test above: an example that is skipped leaves no file."""
    run(next(line for line in lines(REPOSITORY / "README.md") if "--factor 4" in line))
    assert (folder / "smooth.mp4").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_other_commands_exist(page: Path) -> None:
    """What is not ours to run is at least there: targets of make, extras of pip, scripts."""
    targets = re.findall(r"^(\w+):.*##", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
    extras = re.findall(r"^(\w+) = \[", (REPOSITORY / "pyproject.toml").read_text(), flags=re.MULTILINE)
    for line in filter(None, lines(page)):
        program, *words = shlex.split(line)
        if program == "make":
            assert not words or words[0] in targets, line
        elif program == "python":
            assert (REPOSITORY / words[0]).is_file(), line
        elif program == "pip" and "[" in line:
            (named,) = re.findall(r"\[(.*?)\]", line)
            assert set(named.split(",")) <= set(extras), line
        else:
            assert program in ("rife", "pip", "python3", ".", "pre-commit", "git"), line


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "NOTICE"], ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"\b((?:src|tests|docs|benchmarks|rife)/[\w/]+\.\w+)", text):
        assert any((root / name).exists() for root in (REPOSITORY, REPOSITORY / "src")), name
    for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", text):
        assert (page.parent / link).exists(), link


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set()
    for page in (REPOSITORY / "docs" / "index.md", REPOSITORY / "docs" / "internals" / "index.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), flags=re.DOTALL):
            entries = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{entry}.md").resolve() for entry in entries}
    pages = {page.resolve() for page in PAGES if page.is_relative_to(REPOSITORY / "docs")}
    assert listed == pages - {(REPOSITORY / "docs" / "index.md").resolve()}


def test_every_public_name_is_in_the_reference() -> None:
    reference = (REPOSITORY / "docs" / "api.md").read_text()
    named = set(re.findall(r"\.\. auto\w+:: rife\.(\w+)$", reference, flags=re.MULTILINE))
    assert named == set(rife.__all__) - {"__version__"}


def test_one_version_everywhere() -> None:
    assert f"\nversion: {rife.__version__}\n" in (REPOSITORY / "CITATION.cff").read_text()
    assert f"## {rife.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()


@pytest.mark.bench
def test_figures_in_the_readme_are_those_that_its_command_prints() -> None:
    assert FIGURES in lines(REPOSITORY / "README.md")
    printed = [float(x) for x in re.findall(r"([\d.]+) dB", run(FIGURES))]
    claimed = [float(x) for x in re.findall(r"([\d.]+) dB", README)]
    assert claimed == pytest.approx(printed, abs=0.01)
