"""Compiled OpenVINO graphs, cached on disk so that a second start compiles nothing.

Every graph is verified before use. A new one is run on a fixed probe input and compared with PyTorch. Its file holds
the hash of its content and the hash of its output on the probe; a graph that is read back is run on the probe again,
and must return the same bits.
"""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rife.assets.cache import cache_folder
from rife.atomic import appearing_whole
from rife.engines import forks
from rife.engines.cpu.buffer_pool import BufferPool
from rife.engines.source_files import source_files
from rife.errors import EngineFaultError, MissingExtraError
from rife.weights.digest import weights_digest

if TYPE_CHECKING:
    import openvino

_MAX_FILES = 200
"""Files in the cache. Compiled graphs are as large as their weights; the least recently used are removed."""

_HASH_BYTES = hashlib.sha256().digest_size

_PROBE_PERIOD = 4099
"""Period of the values of a probe input: a prime, so that no two rows or channels are equal."""

_LEAST_AGREEMENT_DB = 15.0
"""Signal-to-noise ratio of a new graph's output on its probe, compared with PyTorch's. Rounding to bf16 leaves 30 dB
and more; wrong weights leave none."""

_ROUNDING = 1e-8
"""Mean square error by rounding alone, for outputs that are constant."""

_log = logging.getLogger(__name__)


def library() -> Any:  # noqa: ANN401 (the module)
    """Import OpenVINO.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import openvino
    except ImportError as err:
        raise MissingExtraError(library="openvino", extra="cpu", purpose="engine openvino") from err
    return openvino


@cache
def core() -> openvino.Core:
    """OpenVINO's one entry to its devices."""
    return library().Core()


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware, according to OpenVINO."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Graph:
    """One compiled graph and its request."""

    def __init__(self, compiled: openvino.CompiledModel, pool: BufferPool, *, weights: object = None) -> None:
        """Create an inference request of a compiled graph.

        Args:
            compiled: the graph.
            pool: allocates the outputs.
            weights: owner of memory that the graph may read; lives as long as the graph.
        """
        self._pool, self._weights = pool, weights
        self._request = compiled.create_infer_request()
        self._lock = Lock()
        bf16 = library().Type.bf16
        self._outputs = [
            (tuple(port.shape), torch.bfloat16 if port.element_type == bf16 else torch.float32)
            for port in compiled.outputs
        ]

    def after_fork(self) -> None:
        """Replace the lock, which another thread may have held."""
        self._lock = Lock()

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Run the graph: float32 or bf16 in and out, as it was traced; the outputs belong to the caller."""
        # Without copies: the graph reads the caller's tensors and writes into new ones.
        inputs = [x.contiguous() for x in tensors]
        outputs = [self._pool.empty(*shape, dtype=dtype) for shape, dtype in self._outputs]
        with self._lock:  # one request: threads that share an engine take turns
            for index, x in enumerate(inputs):
                self._request.set_input_tensor(index, _shared(x))
            for index, x in enumerate(outputs):
                self._request.set_output_tensor(index, _shared(x))
            self._request.infer()
        return outputs


def _shared(x: Tensor) -> openvino.Tensor:
    """An OpenVINO tensor on the same memory."""
    ov = library()
    if x.dtype == torch.bfloat16:
        return ov.Tensor(x.view(torch.int16).numpy(), list(x.shape), ov.Type.bf16)
    return ov.Tensor(x.numpy(), shared_memory=True)


class GraphStore:
    """Graphs of one network: in memory, on disk, or built at the first request."""

    def __init__(self, network: nn.Module, *, threads: int | None = None) -> None:
        """Prepare a store for a network.

        Args:
            network: the key of a graph on disk includes its weights and the source files of its arithmetic.
            threads: how many a graph may use; all cores if None.
        """
        self.built = 0
        self.read = 0
        # Subgraphs in bf16 stay in bf16; the hint only prevents OpenVINO from converting others.
        self._config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            self._config["INFERENCE_NUM_THREADS"] = threads
        name = core().get_property("CPU", "FULL_DEVICE_NAME")
        # Different networks may have the same tensors.
        kind = repr(getattr(network, "spec", None))
        # The order of sums may depend on the number of threads, and outputs are compared bit by bit.
        versions = f"{_sources_hash()} {library().__version__} {name} {_cores()}"
        self._common = f"{weights_digest(network)} {kind} {versions} {self._config}"
        self._lock, self._pool = Lock(), BufferPool()
        self._graphs: dict[str, Graph] = {}
        forks.renew(self)

    def after_fork(self) -> None:
        """Replace the locks, which another thread may have held."""
        self._lock = Lock()
        for graph in self._graphs.values():
            graph.after_fork()

    def graph(self, key: str, subgraph: Callable[[], nn.Module], inputs: Sequence[Tensor]) -> Graph:
        """Return the graph of a subgraph for inputs of these shapes.

        Args:
            key: everything that determines the subgraph, as text.
            subgraph: builds the subgraph, if it is needed.
            inputs: examples.
        """
        key = f"{key} {[tuple(x.shape) for x in inputs]}"
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = self._read_or_built(key, subgraph, inputs)
            return self._graphs[key]

    def _read_or_built(self, key: str, subgraph: Callable[[], nn.Module], inputs: Sequence[Tensor]) -> Graph:
        digest = hashlib.sha256(f"{self._common} {key}".encode()).hexdigest()[:32]
        path = cache_folder() / "openvino" / f"{digest}.blob"
        probe = _probe(inputs)
        found = self._from_disk(path, probe)
        if found is not None:
            self.read += 1
            return found
        # The converted model reads bf16 weights from the subgraph's memory, and so does its export.
        made = subgraph().eval()
        compiled = core().compile_model(_converted(made, inputs), "CPU", self._config)
        graph = Graph(compiled, self._pool, weights=made)
        self.built += 1
        outputs = graph(*probe)
        _compare_with_pytorch(key, made, probe, outputs)
        _write(path, _hash(outputs), compiled)
        return graph

    def _from_disk(self, path: Path, probe: Sequence[Tensor]) -> Graph | None:
        """Read a graph, and verify it on the probe; None if there is none, or it is damaged."""
        try:
            content = path.read_bytes()
            path.touch()
        except OSError:
            return None
        content_hash, output_hash, blob = (
            content[:_HASH_BYTES],
            content[_HASH_BYTES : 2 * _HASH_BYTES],
            content[2 * _HASH_BYTES :],
        )
        if content_hash != hashlib.sha256(output_hash + blob).digest():
            _throw_away(path, "its content is damaged")
            return None
        try:
            graph = Graph(core().import_model(blob, "CPU", self._config), self._pool, weights=blob)
            outputs = graph(*probe)
        except RuntimeError as err:
            _throw_away(path, str(err).splitlines()[0] if str(err) else type(err).__name__)
            return None
        if _hash(outputs) != output_hash:
            _throw_away(path, "its output on the probe input is not what it was when it was built")
            return None
        return graph


def _throw_away(path: Path, reason: str) -> None:
    _log.warning("A stored graph is built again: %s (%s).", reason, path)
    path.unlink(missing_ok=True)


def _probe(inputs: Sequence[Tensor]) -> list[Tensor]:
    """A fixed input for a graph: values in [0, 1], with the shapes and dtypes of some examples."""
    numbers = torch.rand(_PROBE_PERIOD, generator=torch.Generator().manual_seed(0))
    return [numbers.to(x.dtype).repeat(-(-x.numel() // _PROBE_PERIOD))[: x.numel()].view(x.shape) for x in inputs]


def _hash(tensors: Sequence[Tensor]) -> bytes:
    digest = hashlib.sha256()
    for x in tensors:
        digest.update(x.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.digest()


@torch.no_grad()
def _compare_with_pytorch(key: str, subgraph: nn.Module, probe: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Compare a graph with the subgraph that it was compiled from.

    Raises:
        EngineFaultError: the results differ.
    """
    expected = subgraph(*probe)
    for ours, theirs in zip(outputs, expected if isinstance(expected, tuple) else (expected,), strict=True):
        noise = float((ours.float() - theirs.float()).square().mean())
        signal = float(theirs.float().var(correction=0))
        if not noise <= signal / 10 ** (_LEAST_AGREEMENT_DB / 10) + _ROUNDING:  # NaN too
            raise EngineFaultError(
                f"graph {key}: OpenVINO's output differs from PyTorch's by {noise:.2g} (mean square), and has a "
                f"variance of {signal:.2g}; expected at least {_LEAST_AGREEMENT_DB:.0f} dB between the two."
            )


def _converted(subgraph: nn.Module, inputs: Sequence[Tensor]) -> openvino.Model:
    """Trace and convert a subgraph. Warnings of the tracer about shape checks are silenced: shapes are fixed."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # Without the check by a second run. OpenVINO's own tracing takes three times as long.
        traced = torch.jit.trace(subgraph, tuple(inputs), check_trace=False)  # type: ignore[no-untyped-call]
        return library().convert_model(traced, example_input=tuple(inputs), input=[tuple(x.shape) for x in inputs])


def _write(path: Path, output_hash: bytes, compiled: openvino.CompiledModel) -> None:
    """Write a graph with its hashes. If the cache is not writable, the next start compiles again."""
    content = output_hash + compiled.export_model().getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing_whole(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
        files = sorted(path.parent.glob("*.blob"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in files[_MAX_FILES:]:
            old.unlink(missing_ok=True)
    except OSError as err:
        _log.warning("compiled graph not cached: %s", err)


def _cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _sources_hash() -> str:
    """Hash the sources of a network's arithmetic: the modules that subgraphs import, and the tracing library."""
    digest = hashlib.sha256(version("torch").encode())
    for path in (Path(__file__), *source_files("rife.engines.openvino.subgraphs")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
