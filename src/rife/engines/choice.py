"""Which engine runs a network, and in what precision."""

from __future__ import annotations

from importlib.util import find_spec
from typing import get_args

from rife.engines.protocol import Engine
from rife.engines.torch_engine import TorchEngine
from rife.errors import JobError
from rife.ifnet import IFNet
from rife.options import EngineName, Precision


def create_engine(network: IFNet, *, engine: EngineName = "auto", precision: Precision = "auto") -> Engine:
    """Choose an engine for a network on its device.

    Args:
        network: with its weights, on its device.
        engine: `auto` takes OpenVINO for a network on the CPU, where it is installed.
        precision: `auto` is float32: bf16 has to be asked for, as long as it loses what docs/performance.md tells.

    Raises:
        JobError: an unknown name, or a precision or device that the engine does not have.
        MissingExtraError: OpenVINO is asked for and not installed.
    """
    for name, value, known in (("engine", engine, EngineName), ("precision", precision, Precision)):
        if value not in get_args(known):
            raise JobError(f"{name}: expected {', '.join(get_args(known))}, got {value!r}.")
    device = next(network.parameters()).device.type
    if engine == "auto":
        engine = "openvino" if device == "cpu" and find_spec("openvino") else "torch"
    if engine == "torch":
        if precision == "bf16":
            raise JobError(
                "precision bf16: engine torch runs in float32. Take engine openvino on a CPU that has bf16 "
                '(pip install "rife[cpu]"), or precision float32.'
            )
        return TorchEngine(network)
    if device != "cpu":
        raise JobError(f"engine openvino: runs on the CPU, got device {device}. Take engine torch.")
    # Imported when chosen: an optional library.
    from rife.engines.graphs import has_bf16
    from rife.engines.openvino_engine import OpenVinoEngine

    if precision == "bf16" and not has_bf16():
        raise JobError("precision bf16: this processor does not multiply bf16 in hardware. Take float32, or auto.")
    return OpenVinoEngine(network, precision="bf16" if precision == "bf16" else "float32")
