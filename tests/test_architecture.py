"""The house: imports point one way, importing is light, names and sizes keep to the rules."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rife

PACKAGE = Path(rife.__file__).parent
REPOSITORY = Path(__file__).parent.parent

# Lower layers first; a module imports from its own layer or below. A package's modules share its layer.
LAYERS = (
    ("errors", "options", "version"),
    (
        "allocation",
        "atomic",
        "cache",
        "wheels",
        "specs",
        "tiling",
        "timing",
        "frames",
        "opacity",
        "warp",
        "records",
        "still",
    ),
    ("kernels",),
    ("places",),
    ("samples", "refine", "encoder"),
    ("blocks",),
    ("motion",),
    ("distil",),
    ("ifnet",),
    ("weights", "engines"),
    ("media",),
    ("analysis",),
    ("prepared",),
    ("interpolator",),
    ("loading",),
    ("in_memory",),
    ("pipeline",),
    ("evaluate", "inspect"),
    ("__init__",),
    ("cli",),
    ("__main__",),
)
LAYER_OF = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """The room of a module: its top-level package or module name."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "rife" else [f"rife.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "rife":
                is_module = len(parts) > 1 and ((PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").exists())
                rooms.add(parts[1] if is_module else "__init__")
    return rooms


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = LAYER_OF[place(path)]
    if place(path) == "__init__":
        return  # resolves its names lazily, from anywhere below the command line
    up = {room for room in imported_rooms(path) if LAYER_OF[room] > own}
    assert not up, f"{path.relative_to(PACKAGE)} imports upwards from {up}"


def test_the_walk_sees_imports() -> None:
    assert {"interpolator", "media"} <= imported_rooms(PACKAGE / "pipeline" / "make.py")


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_rife_and_its_command_line_does_not_import_torch() -> None:
    heavy = "sorted({'torch', 'av', 'numpy', 'safetensors'} & set(sys.modules))"
    assert run_python(f"import sys, rife, rife.cli.app; print({heavy})").strip() == "[]"


def test_importing_says_and_changes_nothing() -> None:
    state = "dict(os.environ), list(logging.root.handlers), torch.is_grad_enabled(), torch.get_default_dtype()"
    code = f"import logging, os, torch; before = {state}; import rife, rife.pipeline; assert before == ({state})"
    assert run_python(code) == ""


def test_help_starts_without_the_heavy_libraries() -> None:
    # Time is not tested on a shared machine; what takes it is counted: modules loaded for the help text.
    code = (
        "import sys; from rife.cli.app import main; sys.argv = ['rife', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(len(sys.modules) < 400, 'torch' in sys.modules)"
    )
    assert run_python(code).splitlines()[-1] == "True False"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 60, f"{path.name}: {node.name} has {lines} lines"


def test_no_file_is_a_drawer_or_a_version() -> None:
    for path in modules():
        assert path.stem not in {"utils", "helpers", "misc", "common"}
        assert not re.search(r"\d", path.stem), path.name


def test_the_map_in_the_readme_names_every_room() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    rooms = {place(path) for path in modules()} - {"__init__", "__main__"}
    listed = set(re.findall(r"^  (\w+)(?:\.py|/)", readme, flags=re.MULTILINE))
    assert listed == rooms
