"""Which source files decide the arithmetic of a network: found by their imports."""

from __future__ import annotations

from pathlib import Path

import pytest

import rife
from rife.engines.openvino import graphs
from rife.engines.openvino.subgraphs import BlockSubgraph
from rife.engines.source_files import source_files
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS

PACKAGE = Path(rife.__file__).parent
SUBGRAPH_FILES = source_files("rife.engines.openvino.subgraphs")


def names(paths: list[Path]) -> set[str]:
    return {path.stem for path in paths}


@pytest.mark.parametrize("spec", list(SPECS))
def test_the_class_of_every_layer_is_in_a_file_that_counts(spec: str) -> None:
    network = IFNet(SPECS[spec])
    modules = (*network.modules(), *BlockSubgraph(network, 0, 1.0).modules())
    ours = {name for name in (type(module).__module__ for module in modules) if name.split(".")[0] == "rife"}
    assert ours
    for name in ours:
        assert set(source_files(name)) <= set(SUBGRAPH_FILES), name


def test_files_that_decide_no_arithmetic_do_not_count() -> None:
    assert {"specs", "warp", "refine", "layers", "channels"} <= names(SUBGRAPH_FILES)
    assert not {"timing", "version", "options", "cli", "interpolator"} & names(SUBGRAPH_FILES)


def test_the_key_of_graphs_changes_with_those_files_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    edited: list[Path] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b"#" if path in edited else b""))
    graphs._sources_hash.cache_clear()
    before = graphs._sources_hash()
    for path in (*SUBGRAPH_FILES, Path(graphs.__file__), PACKAGE / "timing.py", PACKAGE / "version.py"):
        edited[:] = [path]
        graphs._sources_hash.cache_clear()
        assert (graphs._sources_hash() == before) == (path.stem in {"timing", "version"}), path
    graphs._sources_hash.cache_clear()


def test_imports_of_every_form_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "rife" / "inner"
    folder.mkdir(parents=True)
    for name, text in {"a": "import rife.b", "b": "from rife.inner import c", "d": "x = 1", "e": "import os"}.items():
        (tmp_path / "rife" / f"{name}.py").write_text(text)
    (folder / "__init__.py").write_text("from rife.d import x")
    (folder / "c.py").write_text("def late():\n    import rife.e\n")
    monkeypatch.setattr(rife, "__path__", [str(tmp_path / "rife")])
    assert [path.stem for path in source_files("rife.a")] == ["a", "b", "d", "e", "__init__", "c"]


def test_a_module_that_does_not_exist_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"rife\.nothing: expected a module of rife"):
        source_files("rife.nothing")
