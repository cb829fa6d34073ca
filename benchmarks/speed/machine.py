"""The machine and the versions that figures hold for."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16")
_EMULATED = "RIFE_BENCH_EMULATED"
_LIBRARIES = ("torch", "openvino", "numba", "av", "numpy")


def describe() -> dict[str, str]:
    """Tell processor, cores, memory, system and versions."""
    cpuinfo = _text("/proc/cpuinfo")
    flags = set((_match(r"(?:flags|Features)\s*: (.*)", cpuinfo) or "").split())
    memory = _match(r"MemTotal:\s+(\d+) kB", _text("/proc/meminfo"))
    return {
        "processor": _match(r"model name\s*: (.*)", cpuinfo) or platform.processor() or platform.machine(),
        "family and model": "/".join(_match(rf"{k}\s*: (\d+)", cpuinfo) or "?" for k in ("cpu family", "model")),
        "flags": " ".join(flag for flag in _FLAGS if flag in flags) or "unknown",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{int(memory) / 2**20:.0f} GiB" if memory else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        "source": _source(),
        **({"emulated": os.environ[_EMULATED]} if _EMULATED in os.environ else {}),
    }


def kind(described: dict[str, str]) -> str:
    """Name the kind of processor that engines tell apart: `amx`, `avx512`, `avx2` or `other`."""
    if described.get("emulated"):
        return described["emulated"]
    flags = described["flags"].split()
    for name, flag in (("amx", "amx_bf16"), ("avx512", "avx512f"), ("avx2", "avx2")):
        if flag in flags:
            return name
    return "other"


def emulate_avx2() -> None:
    """Let libraries of this process and its children use AVX2 at most; OpenVINO cannot be told, and takes no part."""
    os.environ.update(
        {
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "NUMBA_CPU_NAME": "haswell",
            "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+sse4.2",
            _EMULATED: "avx2",
        }
    )


def load_average() -> float | None:
    """Processes that wanted to run, over the last minute: how quiet the machine is."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def has_bf16() -> bool:
    """Whether OpenVINO, where it is installed, multiplies bf16 in hardware here."""
    try:
        import openvino
    except ImportError:
        return False
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _source() -> str:
    folder = Path(__file__).parent
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.stdout.strip() or "unknown"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _match(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1].strip() if found else None
