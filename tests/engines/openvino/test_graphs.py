"""Stored graphs: what is read from disk is, to the bit, what was built, or it is built again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rife.engines.openvino.engine import OpenVinoEngine
from rife.engines.openvino.graphs import GraphStore
from rife.errors import EngineFaultError
from rife.interpolation.interpolator import Interpolator
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.weights.load import load_network
from support.golden import with_closed_form_weights
from support.motion import compared, lowest_psnr_db, made, moving

pytestmark = pytest.mark.slow

SIZE = 59, 91


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Graphs of each test in a folder of their own; weights stay where they are."""
    monkeypatch.setattr("rife.engines.openvino.graphs.cache_folder", lambda: tmp_path)
    return tmp_path / "openvino"


@pytest.fixture(scope="module")
def published() -> IFNet:
    return load_network("4.0")


def convolutions(dtype: torch.dtype, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(8, 64, 3, 1, 1), nn.PReLU(64), nn.Conv2d(64, 8, 3, 1, 1))
    return layers.requires_grad_(requires_grad=False).to(dtype).eval()


def overwrite_memory() -> None:
    """Fill memory that was freed: what still reads from it reads this."""
    for elements in (64, 512, 4608, 36_864, 1_000_000):
        blocks = [torch.full((elements,), float("nan"), dtype=torch.bfloat16) for _ in range(200)]
        del blocks


class Example:
    """A piece and an input for it."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.x = torch.rand(1, 8, 16, 24, generator=torch.Generator().manual_seed(1)).to(dtype)
        self.network = convolutions(dtype)

    def run(self) -> tuple[Tensor, GraphStore]:
        store = GraphStore(self.network)
        (out,) = store.graph("layers", lambda: convolutions(self.dtype), [self.x])(self.x)
        return out.clone(), store

    @property
    def expected(self) -> Tensor:
        out: Tensor = self.network(self.x)
        return out


both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])


@both_precisions
def test_a_graph_that_is_read_back_returns_the_same_bits(dtype: torch.dtype) -> None:
    """A graph with bf16 weights was once written after the memory of its weights had been freed."""
    example = Example(dtype)
    built, store = example.run()
    assert (store.built, store.read) == (1, 0)
    for _ in range(3):
        overwrite_memory()
        again, store = example.run()
        assert (store.built, store.read) == (0, 1)
        assert torch.equal(again, built)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(built.float(), example.expected.float(), atol=tolerance, rtol=tolerance)


@both_precisions
def test_a_second_process_reads_the_same_bits(dtype: torch.dtype, tmp_path: Path) -> None:
    script = """
import hashlib, sys
from test_graphs import Example
out, store = Example(getattr(__import__("torch"), sys.argv[1])).run()
print(store.built, store.read, hashlib.sha256(out.float().numpy().tobytes()).hexdigest())
"""
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    environment = {**os.environ, "RIFE_CACHE": str(tmp_path), "PYTHONPATH": path}
    command = [sys.executable, "-c", script, str(dtype).removeprefix("torch.")]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert (first[:2], second[:2]) == (["1", "0"], ["0", "1"])
    assert first[2] == second[2]


def _places(content: bytes) -> Iterator[tuple[str, bytes]]:
    """A stored graph, damaged in every way."""
    yield "empty", b""
    yield "short", content[:50]
    yield "cut off", content[: len(content) // 2]
    yield "something else", b"not a graph"
    for share in (0.0, 0.001, 0.01, 0.2, 0.5, 0.8, 0.95, 0.999):
        at = min(int(share * len(content)), len(content) - 1)
        yield f"a byte at {share}", content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


@both_precisions
def test_a_damaged_file_is_built_again(dtype: torch.dtype, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    example = Example(dtype)
    built, _ = example.run()
    (path,) = folder.iterdir()
    for kind, content in list(_places(path.read_bytes())):
        path.write_bytes(content)
        caplog.clear()
        again, store = example.run()
        assert (store.built, store.read) == (1, 0), kind
        assert "A stored graph is built again" in caplog.text
        assert torch.equal(again, built), kind
        assert example.run()[1].read == 1


@both_precisions
def test_a_whole_file_of_other_weights_is_built_again(
    dtype: torch.dtype, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Right to its hash, and still not the graph that was built: only its output tells."""
    example = Example(dtype)
    built, _ = example.run()
    (path,) = folder.iterdir()
    output_hash = path.read_bytes()[32:64]
    path.unlink()
    torch.manual_seed(7)
    GraphStore(example.network).graph("layers", lambda: convolutions(dtype, seed=7), [example.x])
    content = output_hash + path.read_bytes()[64:]
    path.write_bytes(hashlib.sha256(content).digest() + content)
    again, store = example.run()
    assert (store.built, store.read) == (1, 0)
    assert "its output on the probe input" in caplog.text
    assert torch.equal(again, built)


def test_a_graph_that_does_not_compute_its_piece_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rife.engines.openvino.graphs as graphs

    honest = graphs._converted
    monkeypatch.setattr(graphs, "_converted", lambda _, inputs: honest(convolutions(torch.float32, 3), inputs))
    with pytest.raises(EngineFaultError, match="differs from PyTorch's"):
        Example(torch.float32).run()
    assert not list(folder.glob("*.blob"))


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


def test_other_weights_are_another_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.engines.openvino.graphs.cache_folder", lambda: tmp_path)
    x = torch.rand(1, 3, 8, 8)

    def build_and_compare(network: nn.Module) -> None:
        store = GraphStore(network)
        (out,) = store.graph("conv", lambda: network, [x])(x)
        assert store.built == 1
        assert torch.allclose(out, network(x), atol=1e-5)

    for _ in range(2):
        build_and_compare(nn.Conv2d(3, 3, 3).requires_grad_(requires_grad=False))


def test_networks_with_the_same_tensors_do_not_share_graphs() -> None:
    """IFNet and IFNet_2R did, on disk: whoever came second got the other's pictures."""
    states = {}
    for name in ("IFNet", "IFNet_2R"):
        network = IFNet(SPECS[name])
        with_closed_form_weights(network)
        states[name] = {key: tuple(x.shape) for key, x in network.state_dict().items()}
        assert compared(network, "openvino", "float32", moving(64, 96, 3)) >= lowest_psnr_db("float32")
    assert states["IFNet"] == states["IFNet_2R"]
