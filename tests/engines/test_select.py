"""Which engine is taken, and what is said where one cannot be."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import rife
from rife.engines.select import create_engine
from rife.errors import JobError, MissingExtraError
from rife.network.ifnet import IFNet
from rife.options import EngineName
from rife.weights.load import load_network

pytestmark = pytest.mark.chooses_engine


@pytest.fixture(scope="module")
def published() -> IFNet:
    return load_network("4.0")


@pytest.mark.parametrize(
    ("engine", "library", "otherwise"),
    [("openvino", "openvino", "native float32"), ("openvino", "numba", "torch float32"), ("native", "numba", None)],
)
def test_a_missing_library_names_its_extra(
    published: IFNet, monkeypatch: pytest.MonkeyPatch, engine: EngineName, library: str, otherwise: str | None
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{engine} needs {library}, .* pip install {library}"):
        create_engine(published, engine=engine)
    if otherwise is not None:
        assert create_engine(published).label == otherwise


def test_auto_takes_what_is_fastest(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create_engine(published, precision="float32").label == "native float32"
    monkeypatch.setattr("rife.engines.select._IS_X86", True)
    monkeypatch.setattr("rife.engines.openvino.graphs.has_bf16", lambda: True)
    for features, expected in (
        ({"avx512bf16", "amx-bf16"}, "openvino bf16"),
        ({"avx512bf16"}, "native float32"),
        (set(), "native float32"),
    ):
        monkeypatch.setattr("rife.engines.select._host_features", lambda features=features: features)
        assert create_engine(published).label == expected


def test_a_numba_that_cannot_be_loaded_is_done_without(
    published: IFNet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: object) -> None:
        raise ImportError("Numba needs another NumPy")

    monkeypatch.setattr("rife.engines.select._host_features", refuses)
    monkeypatch.setattr("rife.engines.select._native", refuses)
    assert create_engine(published).label == "torch float32"
    assert "Numba needs another NumPy" in caplog.text


def test_processors_without_fused_multiply_add_take_pytorch(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.engines.select._IS_X86", True)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    assert create_engine(published, precision="float32").label == "torch float32"


def test_bf16_without_openvino_is_pytorchs(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("rife.engines.select._torch_has_bf16", lambda: True)
    assert create_engine(published, precision="bf16").label == "torch bf16"


def test_what_cannot_be_is_refused(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JobError, match="precision: expected auto, float32, bf16, got 'int8'"):
        create_engine(published, precision="int8")  # type: ignore[arg-type]
    with pytest.raises(JobError, match="engine: expected auto, torch, openvino, native, got 'ncnn'"):
        rife.load("4.0", engine="ncnn", device="cpu")  # type: ignore[arg-type]
    assert create_engine(published, engine="torch").label == "torch float32"
    monkeypatch.setattr("rife.engines.openvino.graphs.has_bf16", lambda: False)
    with pytest.raises(JobError, match="does not multiply bf16"):
        create_engine(published, engine="openvino", precision="bf16")
    assert create_engine(published, engine="openvino").label == "openvino float32"
    with pytest.raises(JobError, match="engine native: works in float32"):
        create_engine(published, engine="native", precision="bf16")


def test_a_library_that_cannot_be_loaded_is_told(
    published: IFNet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Numba refuses a NumPy that is newer than itself only when it is imported."""
    for engine in ("openvino", "native"):
        monkeypatch.setitem(sys.modules, f"rife.engines.{engine}.engine", None)
        with pytest.raises(JobError, match=f"engine {engine}: .* cannot be loaded"):
            create_engine(published, engine=engine)
    assert create_engine(published).label == "torch float32"
    assert "PyTorch is used instead" in caplog.text


def test_auto_does_without_an_openvino_that_cannot_be_loaded(
    published: IFNet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise MissingExtraError(library="openvino", extra="cpu", purpose="engine openvino") from ImportError("no such")

    monkeypatch.setattr("rife.engines.select._IS_X86", True)
    monkeypatch.setattr("rife.engines.select._host_features", lambda: {"avx512bf16", "amx-bf16"})
    monkeypatch.setattr("rife.engines.openvino.graphs.has_bf16", broken)
    assert create_engine(published).label == "native float32"
    assert "cannot be loaded (no such)" in caplog.text


@pytest.mark.parametrize("library", ["openvino", "numba"])
def test_a_folder_that_is_left_of_a_library_is_no_library(
    library: str, published: IFNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-removed package leaves a folder, which Python imports as a package without content."""
    (tmp_path / library).mkdir()
    monkeypatch.delitem(sys.modules, library, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert find_spec(library) is not None
    engine: EngineName = "openvino" if library == "openvino" else "native"
    with pytest.raises(MissingExtraError, match=f"needs {library}"):
        create_engine(published, engine=engine)
