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

# In each folder, lower tiers first: a module imports from tiers below its own, and so does a folder as a whole.
TIERS = {
    "": (
        "errors version",
        "options",
        "atomic frames timing",
        "network assets",
        "refine kernels weights",
        "engines media",
        "analysis interpolation",
        "pipeline",
        "evaluate reports",
        "__init__",
        "cli",
        "__main__",
    ),
    "network": (
        "batching channels layers",
        "specs warp",
        "encoder regions",
        "refine",
        "blocks",
        "estimate",
        "distillation schedule",
        "ifnet",
    ),
    "kernels": ("cpu_features jit simd", "flow matmul pixels warp yuv", "convolution merge"),
    "assets": ("cache wheels", "download samples"),
    "weights": ("catalogue digest ncnn read", "detect", "load", "convert"),
    "engines": (
        "forks placing precision protocol source_files",
        "cpu torch_engine",
        "native self_test",
        "openvino",
        "select",
    ),
    "engines.cpu": ("buffer_pool channel_layout", "thread_team", "passes", "engine"),
    "engines.native": ("convolutions", "network", "engine"),
    "engines.openvino": ("graphs subgraphs", "engine"),
    "media": ("colour measure paths play_count source", "sink video", "images", "y4m", "open_sink open_source"),
    "media.video": (
        "clock_jumps containers decoders encoder_table matroska muxers onsets picture_track showing_times side_data",
        "track_length video_file",
        "encoders findings hdr packets_in_time picture_records subtitles",
        "decoding encoding",
        "reader segment",
        "audio_stretch spool",
        "tracks",
        "mux",
    ),
    "media.images": ("animation_source image_file upright", "animation_sinks sequence", "folder_sink"),
    "media.colour": ("matrices pixel_formats", "chroma_siting", "yuv_kernels", "convert", "interleave"),
    "analysis": ("planes record", "cuts repeats retime", "survey"),
    "interpolation": (
        "alpha flow_scale plausibility prepared static_regions tiling",
        "guard tile_progress",
        "interpolator",
        "load",
        "stream",
    ),
    "pipeline": (
        "background budget plan prefetch workspace",
        "fingerprint flicker rounding surveyed_source verify",
        "render",
        "result settings",
        "cancellation outputs progress",
        "segments",
        "image_outputs",
        "job",
        "api",
    ),
    "evaluate": ("held_out",),
    "reports": ("contact_sheet doctor models timeline",),
    "cli": (
        "words",
        "arguments job_options malloc report",
        "analyze convert doctor evaluate fetch interpolate models sheet",
        "app",
    ),
}
TIER_OF = {
    folder: {name: level for level, names in enumerate(tiers) for name in names.split()}
    for folder, tiers in TIERS.items()
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """The dotted name of a module below the package; that of a folder for its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts if parts == ("__init__",) else [part for part in parts if part != "__init__"])


PLACES = {place(path) for path in modules()}


def imported(path: Path) -> set[str]:
    """Modules of this package that a file imports, `__init__` for the package itself."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[tuple[str, str]] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names]
        for module, name in names:
            package, _, inner = module.partition(".")
            if package == "rife":
                full = f"{inner}.{name}".strip(".")
                found.add(full if full in PLACES else inner or "__init__")
    return found


def climbs(importer: str, target: str) -> str:
    """What is wrong with an import: the two that stand in one folder, in the wrong order; nothing if it is right."""
    own, other = importer.split("."), target.split(".")
    shared = next((at for at, (a, b) in enumerate(zip(own, other, strict=False)) if a != b), min(len(own), len(other)))
    if shared in (len(own), len(other)):
        # The face of a folder stands above what is in it, and nothing in the folder imports its face.
        return "" if shared == len(own) else f"{importer} imports its own folder {target}"
    tiers = TIER_OF[".".join(own[:shared])]
    if tiers[other[shared]] < tiers[own[shared]]:
        return ""
    return f"{importer} imports {target}: {own[shared]} does not stand above {other[shared]}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    if place(path) == "__init__":
        return  # resolves its names lazily, from anywhere below the command line
    wrong = [problem for target in sorted(imported(path)) if (problem := climbs(place(path), target))]
    assert not wrong


def test_every_module_has_its_tier() -> None:
    listed = {f"{folder}.{name}".strip(".") for folder, tiers in TIER_OF.items() for name in tiers}
    assert listed == PLACES


def test_the_walk_sees_imports(tmp_path: Path) -> None:
    assert {"interpolation.interpolator", "media.source"} <= imported(PACKAGE / "pipeline" / "render.py")
    code = tmp_path / "code.py"
    code.write_text("import rife\nfrom rife import load\nfrom rife.kernels import merge\nimport rife.cli.app\n")
    assert imported(code) == {"__init__", "kernels.merge", "cli.app"}


@pytest.mark.parametrize(
    ("importer", "target", "wrong"),
    [
        ("cli.app", "pipeline", False),
        ("network.ifnet", "network.warp", False),
        ("engines.select", "engines.cpu.engine", False),
        ("engines.cpu.engine", "engines.protocol", False),
        ("pipeline", "pipeline.job", False),
        ("engines.cpu.engine", "__init__", True),
        ("media.source", "pipeline", True),
        ("network.warp", "network.ifnet", True),
        ("network.specs", "network.ifnet", True),
        ("engines.cpu.engine", "engines.select", True),
        ("pipeline.job", "pipeline", True),
    ],
)
def test_an_import_that_climbs_is_found(importer: str, target: str, *, wrong: bool) -> None:
    assert bool(climbs(importer, target)) == wrong


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
        assert path.stem == "y4m" or not re.search(r"\d", path.stem), path.name


def test_few_modules_stand_loose() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 9


def test_the_map_in_the_readme_names_every_room() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    rooms = {place(path).split(".")[0] for path in modules()} - {"__init__", "__main__"}
    entries = re.findall(r"^  (\w+(?:\.py|/)(?: \w+\.py)*)(?: |$)", readme, flags=re.MULTILINE)
    assert len(entries) <= 18
    assert {name for entry in entries for name in re.findall(r"\w+(?=\.py|/)", entry)} == rooms
