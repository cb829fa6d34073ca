"""One contract over every engine: what PyTorch makes in float32 is what each of them makes, and what each counts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import rife
from conftest import blending_network
from rife.engines.choice import create_engine
from rife.engines.graphs import GraphStore, has_bf16
from rife.engines.openvino_engine import OpenVinoEngine
from rife.errors import JobError, MissingExtraError, ShapeError
from rife.ifnet import IFNet
from rife.interpolator import Interpolator
from rife.options import EngineName, Precision
from rife.specs import SPECS
from rife.weights.load import load_network
from support.golden import with_closed_form_weights
from support.motion import lowest_psnr_db, moving, psnr_db

ENGINES: list[tuple[EngineName, Precision]] = [("torch", "float32"), ("openvino", "float32"), ("native", "float32")]
if has_bf16():
    ENGINES += [("openvino", "bf16"), ("torch", "bf16")]

engines = pytest.mark.parametrize(("engine", "precision"), ENGINES, ids=[" ".join(row) for row in ENGINES])

# Each has something of its own: an encoder and carried features; averaged pairs with a fixed time; unwarped sources
# and half the downsampling.
OTHERS = ("4.26", "3.8", "IFNet_2R")

SIZE = 59, 91
"""Odd, and the same in most tests: a graph that one of them built is read by the others."""


@pytest.fixture(scope="module", autouse=True)
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled graphs of this module in a folder of their own; weights stay where they are."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rife.engines.graphs.cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="module")
def published() -> IFNet:
    return load_network("4.0")


def made(worker: Interpolator, frames: list[np.ndarray], times: list[Fraction]) -> list[Tensor]:
    prepared = [worker.prepare(torch.from_numpy(f).permute(2, 0, 1)[None]) for f in frames]
    return [x for a, b in pairwise(prepared) for x in worker.between(a, b, times)]


def compared(
    network: IFNet, engine: EngineName, precision: Precision, frames: list[np.ndarray], **options: object
) -> float:
    """The lowest PSNR of an engine's frames at a third and a half to the reference's."""
    times = [Fraction(1, 3), Fraction(1, 2)] if network.spec.any_time else [Fraction(1, 2)]
    reference = made(Interpolator(network, device="cpu", engine="torch", **options), frames, times)  # type: ignore[arg-type]
    worker = Interpolator(network, device="cpu", engine=engine, precision=precision, **options)  # type: ignore[arg-type]
    results = made(worker, frames, times)
    assert [x.shape for x in results] == [x.shape for x in reference]
    return min(psnr_db(a, b) for a, b in zip(results, reference, strict=True))


@engines
@pytest.mark.parametrize("refine", ["full", "off"])
def test_the_default_model_at_an_odd_size(
    published: IFNet, engine: EngineName, precision: Precision, refine: str
) -> None:
    assert compared(published, engine, precision, moving(*SIZE, 3), refine=refine) >= lowest_psnr_db(precision)


@pytest.mark.parametrize(
    ("engine", "precision", "name"),
    [(*row, name) for row in ENGINES for name in (OTHERS[:1] if row[1] == "bf16" else OTHERS)],
)
def test_other_networks(engine: EngineName, precision: Precision, name: str) -> None:
    network = IFNet(SPECS[name])
    with_closed_form_weights(network)
    # Weights that were not trained amplify what bf16 rounds: what counts here is that every part is there.
    least = lowest_psnr_db(precision) if precision == "float32" else 30.0
    assert compared(network, engine, precision, moving(*SIZE, 3)) >= least


@engines
def test_large_motion_starts_again(published: IFNet, engine: EngineName, precision: Precision) -> None:
    eager = replace(SPECS["4.0"], restart_flow_px=0.01)
    network = IFNet(eager, refine=False)
    network.load_state_dict(published.state_dict(), strict=False)
    frames, half = moving(*SIZE, 3), [Fraction(1, 2)]
    (restarted,), (plain,) = (
        made(Interpolator(n, refine="off", device="cpu", engine="torch"), frames, half) for n in (network, published)
    )
    (result,) = made(Interpolator(network, device="cpu", engine=engine, precision=precision), frames, half)
    assert psnr_db(result, restarted) >= max(lowest_psnr_db(precision), psnr_db(result, plain) + 3)


@engines
def test_colours_beyond_white_go_the_same_way(published: IFNet, engine: EngineName, precision: Precision) -> None:
    frames = [1.3 * frame - 0.1 for frame in moving(*SIZE, 3)]
    assert max(frame.max() for frame in frames) > 1
    assert compared(published, engine, precision, frames, refine="off") >= lowest_psnr_db(precision)


@engines
def test_flow_scale_and_ensemble(published: IFNet, engine: EngineName, precision: Precision) -> None:
    frames = moving(*SIZE, 3)
    least = lowest_psnr_db(precision)
    assert compared(published, engine, precision, frames, refine="off", scale="2", ensemble=True) >= least


@pytest.mark.parametrize("engine", ["openvino", "native"])
@pytest.mark.parametrize("scale", ["0.5", "2"])
def test_flow_scales_of_a_network_that_carries_features(engine: EngineName, scale: str) -> None:
    network = IFNet(SPECS["4.26"])
    with_closed_form_weights(network)
    least = lowest_psnr_db("float32")
    assert compared(network, engine, "float32", moving(*SIZE, 3), scale=scale) >= least


@pytest.mark.usefixtures("as_if_moving")
@engines
def test_wide_frames_keep_their_positions(engine: EngineName, precision: Precision) -> None:
    """bf16 holds whole numbers up to 256 only: coordinates in it would be pixels off on a frame this wide."""
    still = blending_network(SPECS["4.6"])
    worker = Interpolator(still, device="cpu", engine=engine, precision=precision)
    rng = np.random.default_rng(0)
    noise = rng.random((32, 2080, 3), dtype=np.float32)
    (middle,) = made(worker, [noise, noise], [Fraction(1, 2)])
    assert float((middle[0].permute(1, 2, 0) - torch.from_numpy(noise)).abs().max()) < 0.01


@engines
def test_features_are_computed_once_for_each_source_frame(
    published: IFNet, engine: EngineName, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Interpolator(published, device="cpu", engine=engine, precision=precision)
    calls = []
    original: Callable[..., object] = worker.engine.features
    monkeypatch.setattr(worker.engine, "features", lambda img, **kw: calls.append(img) or original(img, **kw))
    assert len(made(worker, moving(*SIZE, 2, count=3), [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)])) == 6
    assert len(calls) == 3


def test_two_sizes_in_one_process_and_a_second_start(published: IFNet) -> None:
    sizes = [moving(*SIZE, 2), moving(64, 64, 2), moving(*SIZE, 2)]
    counts = []
    results = []
    for _ in range(2):
        worker = Interpolator(published, device="cpu", engine="openvino", precision="float32", refine="off")
        engine = worker.engine
        assert isinstance(engine, OpenVinoEngine)
        results.append([made(worker, frames, [Fraction(1, 2)])[0] for frames in sizes])
        counts.append((engine.graphs.built, engine.graphs.read))
    first, second = counts
    assert sum(first) == sum(second) == 8  # four blocks, at two sizes
    assert second == (0, 8)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_damaged_graph_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.engines.graphs.cache_folder", lambda: tmp_path)
    network, x = torch.nn.Conv2d(3, 3, 3).requires_grad_(False), torch.rand(1, 3, 8, 8)
    counts = []
    for damage in (False, True, False):
        store = GraphStore(network)
        (out,) = store.graph("conv", lambda: network, [x])(x)
        assert torch.allclose(out, network(x), atol=1e-5)
        counts.append((store.built, store.read))
        for path in (tmp_path / "openvino").iterdir() if damage else ():
            path.write_bytes(b"not a graph")
    assert counts == [(1, 0), (0, 1), (1, 0)]


def test_other_weights_are_another_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.engines.graphs.cache_folder", lambda: tmp_path)
    x = torch.rand(1, 3, 8, 8)
    for _ in range(2):
        network = torch.nn.Conv2d(3, 3, 3).requires_grad_(False)
        store = GraphStore(network)
        (out,) = store.graph("conv", lambda network=network: network, [x])(x)
        assert store.built == 1
        assert torch.allclose(out, network(x), atol=1e-5)


@pytest.mark.parametrize("engine", ["openvino", "native"])
def test_results_do_not_share_memory(published: IFNet, engine: EngineName) -> None:
    worker = Interpolator(published, device="cpu", engine=engine, precision="float32", refine="off")
    one, two = made(worker, moving(*SIZE, 2), [Fraction(1, 4), Fraction(3, 4)])
    assert not torch.equal(one, two)


@pytest.mark.parametrize("engine", ["openvino", "native"])
def test_one_frame_at_a_time(published: IFNet, engine: EngineName) -> None:
    with pytest.raises(ShapeError, match="one frame at a time"):
        create_engine(published, engine=engine).features(torch.zeros(2, 3, 64, 64))


@pytest.mark.parametrize(
    ("engine", "library", "otherwise"),
    [("openvino", "openvino", "native float32"), ("openvino", "numba", "torch float32"), ("native", "numba", None)],
)
def test_a_missing_library_names_its_extra(
    published: IFNet, monkeypatch: pytest.MonkeyPatch, engine: EngineName, library: str, otherwise: str | None
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf'{engine} needs {library}, .* pip install "rife\[cpu\]"'):
        create_engine(published, engine=engine)
    if otherwise is not None:
        assert create_engine(published).label == otherwise


def test_auto_takes_what_is_fastest(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create_engine(published, precision="float32").label == "native float32"
    monkeypatch.setattr("rife.engines.choice._IS_X86", True)
    monkeypatch.setattr("rife.engines.graphs.has_bf16", lambda: True)
    for features, expected in (
        ({"avx512bf16", "amx-bf16"}, "openvino bf16"),
        ({"avx512bf16"}, "native float32"),
        (set(), "native float32"),
    ):
        monkeypatch.setattr("rife.engines.choice._host_features", lambda features=features: features)
        assert create_engine(published).label == expected


def test_a_numba_that_cannot_be_loaded_is_done_without(
    published: IFNet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: object) -> None:
        raise ImportError("Numba needs another NumPy")

    monkeypatch.setattr("rife.engines.choice._host_features", refuses)
    monkeypatch.setattr("rife.engines.choice._native", refuses)
    assert create_engine(published).label == "torch float32"
    assert "Numba needs another NumPy" in caplog.text


def test_processors_without_fused_multiply_add_take_pytorch(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.engines.choice._IS_X86", True)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    assert create_engine(published, precision="float32").label == "torch float32"


def test_bf16_without_openvino_is_pytorchs(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("rife.engines.choice._torch_has_bf16", lambda: True)
    assert create_engine(published, precision="bf16").label == "torch bf16"


def test_what_cannot_be_is_refused(published: IFNet, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JobError, match="precision: expected auto, float32, bf16, got 'int8'"):
        create_engine(published, precision="int8")  # type: ignore[arg-type]
    with pytest.raises(JobError, match="engine: expected auto, torch, openvino, native, got 'ncnn'"):
        rife.load("4.0", engine="ncnn", device="cpu")  # type: ignore[arg-type]
    assert create_engine(published, engine="torch").label == "torch float32"
    monkeypatch.setattr("rife.engines.graphs.has_bf16", lambda: False)
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
        monkeypatch.setitem(sys.modules, f"rife.engines.{engine}_engine", None)
        with pytest.raises(JobError, match=f"engine {engine}: .* cannot be loaded"):
            create_engine(published, engine=engine)  # type: ignore[arg-type]
    assert create_engine(published).label == "torch float32"
    assert "PyTorch is used instead" in caplog.text


def test_auto_does_without_an_openvino_that_cannot_be_loaded(
    published: IFNet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise MissingExtraError(library="openvino", extra="cpu", purpose="engine openvino") from ImportError("no such")

    monkeypatch.setattr("rife.engines.choice._IS_X86", True)
    monkeypatch.setattr("rife.engines.choice._host_features", lambda: {"avx512bf16", "amx-bf16"})
    monkeypatch.setattr("rife.engines.graphs.has_bf16", broken)
    assert create_engine(published).label == "native float32"
    assert "cannot be loaded (no such)" in caplog.text


def test_networks_with_the_same_tensors_do_not_share_graphs() -> None:
    """IFNet and IFNet_2R did, on disk: whoever came second got the other's pictures."""
    states = {}
    for name in ("IFNet", "IFNet_2R"):
        network = IFNet(SPECS[name])
        with_closed_form_weights(network)
        states[name] = {key: tuple(x.shape) for key, x in network.state_dict().items()}
        assert compared(network, "openvino", "float32", moving(64, 96, 3)) >= lowest_psnr_db("float32")
    assert states["IFNet"] == states["IFNet_2R"]


@pytest.mark.parametrize("engine", ["openvino", "native"])
def test_threads_share_an_engine(published: IFNet, engine: EngineName) -> None:
    worker = Interpolator(published, device="cpu", engine=engine, precision="float32", refine="off")
    pairs = [moving(*SIZE, shift_px=shift) for shift in (2, 3, 4, 5)]
    expected = [made(worker, pair, [Fraction(1, 2)])[0] for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            results = pool.map(lambda pair: made(worker, pair, [Fraction(1, 2)])[0], pairs)
            assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))


def test_memory_that_runs_out_hands_colours_beyond_white_to_another_engine(
    published: IFNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [1.3 * frame - 0.1 for frame in moving(160, 160, 3)]
    (expected,) = made(Interpolator(published, device="cpu", engine="torch", refine="off"), frames, [Fraction(1, 2)])
    worker = Interpolator(published, device="cpu", engine="auto", precision="float32", refine="off")

    def short(*_: object, **__: object) -> Tensor:
        raise MemoryError("not enough memory")

    monkeypatch.setattr(worker.engine, "finish", short)
    (result,) = made(worker, frames, [Fraction(1, 2)])
    assert psnr_db(result, expected) >= lowest_psnr_db("float32")
