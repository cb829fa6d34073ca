"""Compiled OpenVINO graphs, kept on disk so that a second start compiles nothing anew from the network."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import rife
from rife.cache import appearing_whole, cache_folder
from rife.engines import forks
from rife.engines.lending import Lender
from rife.errors import MissingExtraError

if TYPE_CHECKING:
    import openvino

_MAX_FILES = 200
"""Compiled graphs are as large as their weights: of more than this many, the longest unused are removed."""

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
    """Whether the processor multiplies bf16 in hardware, as OpenVINO sees it."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Graph:
    """One compiled graph and its request."""

    def __init__(self, compiled: openvino.CompiledModel, lender: Lender) -> None:
        """Make a request for a compiled graph, whose outputs are in lent memory."""
        self._lender = lender
        self._request = compiled.create_infer_request()
        self._lock = Lock()
        bf16 = library().Type.bf16
        self._outputs = [
            (tuple(port.shape), torch.bfloat16 if port.element_type == bf16 else torch.float32)
            for port in compiled.outputs
        ]

    def after_fork(self) -> None:
        """Make the lock anew that another thread may have held."""
        self._lock = Lock()

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Run it: float32 or bf16 in and out, as it was traced, in memory that belongs to the caller."""
        # Both ways without a copy: the graph reads the callers' tensors and writes into new ones.
        inputs = [x.contiguous() for x in tensors]
        outputs = [self._lender.empty(*shape, dtype=dtype) for shape, dtype in self._outputs]
        with self._lock:  # one request: threads that share an engine take turns
            for index, x in enumerate(inputs):
                self._request.set_input_tensor(index, _shared(x))
            for index, x in enumerate(outputs):
                self._request.set_output_tensor(index, _shared(x))
            self._request.infer()
        return outputs


def _shared(x: Tensor) -> openvino.Tensor:
    """The same memory as OpenVINO's tensor."""
    ov = library()
    if x.dtype == torch.bfloat16:
        return ov.Tensor(x.view(torch.int16).numpy(), list(x.shape), ov.Type.bf16)
    return ov.Tensor(x.numpy(), shared_memory=True)


class GraphStore:
    """Graphs of one network: in memory, on disk, or built when first asked for."""

    def __init__(self, network: nn.Module, *, threads: int | None = None) -> None:
        """Keep graphs of a network.

        Args:
            network: its weights and the sources of this package are part of every graph's name on disk.
            threads: how many a graph may use; all cores if None.
        """
        self.built = 0
        self.read = 0
        # What a piece has in bf16 stays so; the hint only keeps OpenVINO from putting anything else there.
        self._config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            self._config["INFERENCE_NUM_THREADS"] = threads
        name = core().get_property("CPU", "FULL_DEVICE_NAME")
        # Networks with the same tensors are not the same network.
        kind = repr(getattr(network, "spec", None))
        versions = f"{_sources_hash()} {library().__version__} {name}"
        self._common = f"{_weights_hash(network)} {kind} {versions} {self._config}"
        self._lock, self._lender = Lock(), Lender()
        self._graphs: dict[str, Graph] = {}
        forks.renew(self)

    def after_fork(self) -> None:
        """Make the locks anew that another thread may have held."""
        self._lock = Lock()
        for graph in self._graphs.values():
            graph.after_fork()

    def graph(self, key: str, piece: Callable[[], nn.Module], inputs: Sequence[Tensor]) -> Graph:
        """Return the graph of a piece for inputs of these shapes.

        Args:
            key: everything that the piece was made with, as text.
            piece: makes the piece, if it is needed.
            inputs: examples.
        """
        key = f"{key} {[tuple(x.shape) for x in inputs]}"
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = Graph(self._compiled(key, piece, inputs), self._lender)
            return self._graphs[key]

    def _compiled(self, key: str, piece: Callable[[], nn.Module], inputs: Sequence[Tensor]) -> openvino.CompiledModel:
        digest = hashlib.sha256(f"{self._common} {key}".encode()).hexdigest()[:32]
        path = cache_folder() / "openvino" / f"{digest}.blob"
        found = self._from_disk(path)
        if found is not None:
            self.read += 1
            return found
        # The converted model reads bf16 weights where they are, and so does its export: the piece outlives both.
        made = piece()
        compiled = core().compile_model(_converted(made, inputs), "CPU", self._config)
        self.built += 1
        _keep(path, compiled)
        del made
        return compiled

    def _from_disk(self, path: Path) -> openvino.CompiledModel | None:
        try:
            data = path.read_bytes()
            path.touch()
        except OSError:
            return None
        try:
            return core().import_model(data, "CPU", self._config)
        except RuntimeError:  # damaged, or written by something else: as good as absent
            return None


def _converted(piece: nn.Module, inputs: Sequence[Tensor]) -> openvino.Model:
    """Trace a piece. The tracer warns of every shape check that it steps over; shapes are fixed here."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # Traced here, without the second run that checks it: OpenVINO's own way to a trace takes three times as long.
        traced = torch.jit.trace(piece.eval(), tuple(inputs), check_trace=False)  # type: ignore[no-untyped-call]
        return library().convert_model(traced, example_input=tuple(inputs), input=[tuple(x.shape) for x in inputs])


def _keep(path: Path, compiled: openvino.CompiledModel) -> None:
    """Write a graph. A cache that cannot be written costs time at the next start, and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing_whole(path) as temporary:
            temporary.write_bytes(compiled.export_model().getvalue())
        kept = sorted(path.parent.glob("*.blob"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in kept[_MAX_FILES:]:
            old.unlink(missing_ok=True)
    except OSError as err:
        _log.warning("compiled graph not kept: %s", err)


def _weights_hash(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@cache
def _sources_hash() -> str:
    """Hash what decides a network's arithmetic: this package's sources, and the library that traces them."""
    digest = hashlib.sha256(version("torch").encode())
    package = Path(rife.__file__).parent
    for path in sorted([*package.glob("*.py"), *package.glob("engines/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
