"""Facts for a bug report: versions, processor, engines and their self-tests, encoders, and the cache."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import av
import torch

from rife.assets.cache import cache_folder
from rife.engines.select import choose, create_engine
from rife.engines.self_test import LEAST_AGREEMENT_DB, frame_of, psnr_db, sample_pair
from rife.engines.torch_engine import TorchEngine
from rife.errors import RifeError
from rife.kernels import is_installed
from rife.media.video.encoder_table import ENCODERS
from rife.media.video.encoders import refusal
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.options import EngineName, Precision
from rife.version import __version__
from rife.weights.catalogue import CATALOGUE, DEFAULT_MODEL, cached_path
from rife.weights.load import load_network

_LIBRARIES = ("torch", "numpy", "av", "safetensors", "openvino", "numba", "pillow", "huggingface_hub")

_FEATURES = ("amx-bf16", "amx-int8", "avx512bf16", "avx512fp16", "avx512f", "avx2", "fma", "neon", "bf16")
"""LLVM's names of the processor features that engines use or may use."""

_ENGINES: tuple[tuple[EngineName, Precision], ...] = (
    ("torch", "float32"),
    ("native", "float32"),
    ("openvino", "float32"),
    ("openvino", "bf16"),
    ("torch", "bf16"),
)

_SIDE_PX = 256
"""Height and width of the self-test's frames: several tiles of every kernel."""


@dataclass(frozen=True)
class EngineTest:
    """The result of an engine's self-test.

    Attributes:
        engine: library and precision.
        runs: whether the engine computes a frame.
        right: whether the frame agrees with PyTorch's.
        db: PSNR to PyTorch's frame in float32; None for PyTorch itself.
        seconds: time of a new frame, without compilation and loading.
        first_seconds: time of the first frame.
        reason: why the engine computes no frame.
    """

    engine: str
    runs: bool
    right: bool = True
    db: float | None = None
    seconds: float | None = None
    first_seconds: float | None = None
    reason: str = ""


def versions() -> dict[str, str]:
    """Versions of rife, Python, the system, the libraries, and the FFmpeg inside PyAV."""
    rows = {"rife": __version__, "Python": platform.python_version(), "system": platform.platform()}
    for name in _LIBRARIES:
        try:
            rows[name] = version(name)
        except PackageNotFoundError:
            rows[name] = "not installed"
    rows["FFmpeg"] = str(getattr(av, "ffmpeg_version_info", "unknown"))
    return rows


def processor() -> dict[str, str]:
    """The processor, its features, the cores available to this process, and the memory."""
    rows = {
        "processor": _processor_name(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "threads of PyTorch": str(torch.get_num_threads()),
        "PyTorch's kernels": torch.backends.cpu.get_cpu_capability(),
    }
    if is_installed("llvmlite"):
        try:
            from llvmlite import binding

            found = binding.get_host_cpu_features()
            rows["features"] = ", ".join(name for name in _FEATURES if found.get(name)) or "none that engines use"
        except (ImportError, OSError, RuntimeError) as err:
            rows["features"] = f"not known ({err})"
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        rows["memory"] = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB"
    return rows


def gpus() -> list[str]:
    """GPUs that PyTorch can use."""
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def automatic() -> tuple[EngineName, str]:
    """The engine that `auto` selects on this machine, and the reason."""
    return choose("cuda" if torch.cuda.is_available() else "cpu")


@cache
def network() -> tuple[IFNet, str]:
    """The network of the self-tests, and the name of its weights: the default model's, if they are in the cache."""
    if cached_path(CATALOGUE[DEFAULT_MODEL]).exists():
        return load_network(DEFAULT_MODEL), f"model {DEFAULT_MODEL}"
    torch.manual_seed(0)
    built = IFNet(SPECS[CATALOGUE[DEFAULT_MODEL].network]).requires_grad_(requires_grad=False)
    return built.eval(), f"network {DEFAULT_MODEL} with random weights, since the model is not in the cache"


def engine_tests() -> Iterator[EngineTest]:
    """Run the self-test of each engine and precision on one pair of sample frames."""
    net, _ = network()
    reference = frame_of(TorchEngine(net), net, sample_pair(_SIDE_PX))
    for engine, precision in _ENGINES:
        label = f"{engine} {precision}"
        try:
            worker = create_engine(net, engine=engine, precision=precision)
            started = time.perf_counter()
            frame_of(worker, net, sample_pair(_SIDE_PX))
            between = time.perf_counter()
            frame = frame_of(worker, net, sample_pair(_SIDE_PX))
            ended = time.perf_counter()
        except RifeError as err:
            yield EngineTest(label, runs=False, reason=str(err))
        except Exception as err:  # noqa: BLE001 (a library that does not work on this machine may raise anything)
            yield EngineTest(label, runs=False, reason=f"{type(err).__name__}: {err}")
        else:
            db, least_db = psnr_db(frame, reference), LEAST_AGREEMENT_DB[precision]
            yield EngineTest(
                label,
                runs=True,
                right=db >= least_db,
                db=None if label == "torch float32" else round(db, 1),
                seconds=round(ended - between, 3),
                first_seconds=round(between - started, 3),
            )


def encoders() -> dict[str, str]:
    """The encoders of rife's table, each with the reason why it does not open; empty if it opens."""
    return {name: _opens(name) for name, row in ENCODERS.items() if not row.fixed_sizes}


def _opens(name: str) -> str:
    try:
        codec = av.Codec(name, "w")
    except ValueError:
        return "is not part of this FFmpeg"
    formats = [form.name for form in codec.video_formats or ()]
    messages = refusal(name, formats[0] if formats else "yuv420p", ENCODERS[name].options)
    return f"does not open here ({messages[-1]})" if messages else ""


@dataclass(frozen=True)
class CacheFolder:
    """The content of a folder of the cache."""

    name: str
    files: int
    size_bytes: int


def cache_folders() -> tuple[Path, list[CacheFolder]]:
    """The cache folder, and the content of each folder in it."""
    root = cache_folder()
    folders = []
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        folders.append(CacheFolder(folder.name, len(sizes), sum(sizes)))
    return root, folders


def _processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
