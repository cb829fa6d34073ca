"""Selection of the engine and precision for a network."""

from __future__ import annotations

import logging
import platform
from typing import get_args

import torch

from rife.engines.protocol import Engine
from rife.engines.torch_engine import TorchEngine
from rife.errors import JobError, MissingExtraError, OptionError
from rife.kernels import is_installed
from rife.network.ifnet import IFNet
from rife.options import EngineName, Precision

_log = logging.getLogger(__name__)

_IS_X86 = platform.machine().lower() in ("x86_64", "amd64")

_LIBRARIES: dict[EngineName, tuple[str, ...]] = {"openvino": ("openvino", "numba"), "native": ("numba",)}

_NO_BF16 = "precision bf16: this processor does not multiply bf16 in hardware. Take float32, or auto."


def create_engine(network: IFNet, *, engine: EngineName = "auto", precision: Precision = "auto") -> Engine:
    """Choose an engine for a network on its device.

    Args:
        network: with its weights, on its device.
        engine: `auto` takes, for a network on the CPU, OpenVINO where the processor has matrix units for bf16 (AMX),
            else native, where the libraries are installed.
        precision: `auto` takes bf16 where OpenVINO finds that the processor multiplies it, else float32. PyTorch is
            the reference, and takes bf16 only when it is named.

    Raises:
        JobError: an unknown name, or a precision or device that the engine does not have.
        MissingExtraError: what the engine needs is not installed.
    """
    for name, value, known in (("engine", engine, EngineName), ("precision", precision, Precision)):
        if value not in get_args(known):
            raise OptionError(f"{name}: expected {', '.join(get_args(known))}, got {value!r}.")
    device, free = next(network.parameters()).device.type, engine == "auto"
    if free:
        engine, _ = choose(device, precision)
    if engine == "torch":
        if precision == "bf16" and device == "cpu" and not _torch_has_bf16():
            raise JobError(_NO_BF16)
        return TorchEngine(network, precision="bf16" if precision == "bf16" else "float32")
    if device != "cpu":
        raise OptionError(f"engine {engine}: runs on the CPU, got device {device}. Take engine torch.")
    for library in _missing(engine):
        raise MissingExtraError(library=library, extra="cpu", purpose=f"engine {engine}")
    # Imported when chosen: optional libraries.
    try:
        return _native(network, precision) if engine == "native" else _openvino(network, precision)
    except (ImportError, OSError) as err:
        problem = f"engine {engine}: a library that it needs is installed, and cannot be loaded ({err})."
        if not free:
            raise JobError(f"{problem} Take engine torch, or repair the installation.") from err
        _log.warning("%s PyTorch is used instead.", problem)
        return create_engine(network, engine="torch", precision=precision)


def _native(network: IFNet, precision: Precision) -> Engine:
    if precision == "bf16":
        raise OptionError("engine native: works in float32. Take engine openvino for bf16.")
    from rife.engines.native.engine import NativeEngine

    return NativeEngine(network)


def _openvino(network: IFNet, precision: Precision) -> Engine:
    from rife.engines.openvino.engine import OpenVinoEngine

    if precision == "bf16" and not _openvino_has_bf16():
        raise JobError(_NO_BF16)
    fast = precision == "bf16" or (precision == "auto" and _openvino_has_bf16())
    return OpenVinoEngine(network, precision="bf16" if fast else "float32")


def choose(device_type: str = "cpu", precision: Precision = "auto") -> tuple[EngineName, str]:
    """Choose the engine of `auto` for a device, and give the reason."""
    if device_type != "cpu":
        return "torch", f"the network is on {device_type}"
    return _fastest(precision)


def _fastest(precision: Precision) -> tuple[EngineName, str]:
    """Choose for the CPU: OpenVINO with matrix units for bf16 (AMX), else our own convolutions, else PyTorch.

    Vector units for bf16 (AVX-512) gain little over float32, and cost precision.
    """
    if precision != "float32" and not _missing("openvino"):
        try:
            if precision == "bf16":
                return "openvino", "bf16 is asked for"
            if "amx-bf16" in _host_features() and _openvino_has_bf16():
                return "openvino", "this processor has matrix units for bf16 (AMX)"
        except (ImportError, OSError, MissingExtraError) as err:
            _log.warning("OpenVINO is installed, and cannot be loaded (%s).", err.__cause__ or err)
    if precision == "bf16":
        return "torch", "bf16 is asked for, and OpenVINO is not installed"
    if _missing("native"):
        return "torch", f"{' and '.join(_missing('native'))} is not installed"
    if _IS_X86 and torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return "torch", "this processor has no fused multiply-add, without which PyTorch's own kernels are faster"
    return "native", "our own convolutions are fastest on a processor without matrix units for bf16 (AMX)"


def create_tile_engine(network: IFNet, engine: Engine) -> Engine:
    """Choose the engine for tiles, where `engine` was chosen by `auto`: PyTorch keeps least of a frame whole."""
    if isinstance(engine, TorchEngine):
        return engine
    return TorchEngine(network, precision="bf16" if engine.precision == "bf16" and _torch_has_bf16() else "float32")


def _missing(engine: EngineName) -> list[str]:
    """Libraries that an engine needs and that are not installed."""
    return [library for library in _LIBRARIES[engine] if not is_installed(library)]


def _openvino_has_bf16() -> bool:
    from rife.engines.openvino.graphs import has_bf16

    # The library takes a while to load: it is loaded only if the answer may be yes.
    return (not _IS_X86 or "avx512bf16" in _host_features()) and has_bf16()


def _host_features() -> set[str]:
    """Features of this processor, by LLVM's names."""
    from llvmlite import binding

    return {name for name, there in binding.get_host_cpu_features().items() if there}


def _torch_has_bf16() -> bool:
    """Whether PyTorch's convolutions multiply bf16 on this processor, instead of converting it."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
