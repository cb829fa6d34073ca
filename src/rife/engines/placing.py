"""Placement of a network on a device, in the memory format of inference."""

from __future__ import annotations

from copy import copy
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from rife.errors import OptionError
from rife.network.ifnet import IFNet

_Module = TypeVar("_Module", bound=nn.Module)


def device_named(name: str | torch.device) -> torch.device:
    """Find a device; `auto` takes an NVIDIA GPU if PyTorch finds one.

    Raises:
        OptionError: PyTorch cannot use it here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as err:
        told = str(err).splitlines()[0]
        raise OptionError(f"device {str(name)!r}: PyTorch cannot use it here ({told}). Try cpu.") from err
    return device


def for_inference(network: IFNet, device: torch.device) -> IFNet:
    """Copy a network for inference on a device; memory that is there in the format of inference is shared."""
    return _copied(network, device, {})


def _copied(module: _Module, device: torch.device, known: dict[int, object]) -> _Module:
    """Copy modules with their parameters and buffers; other attributes are shared."""
    if id(module) not in known:
        known[id(module)] = twin = copy(module)
        kinds: dict[str, dict[str, Any]] = {"_parameters": module._parameters, "_buffers": module._buffers}
        for kind, tensors in kinds.items():
            twin.__dict__[kind] = {
                name: None if x is None else _laid_out(x, device, known) for name, x in tensors.items()
            }
        twin.__dict__["_modules"] = {
            name: None if child is None else _copied(child, device, known) for name, child in module._modules.items()
        }
        twin.training = False
    return cast("_Module", known[id(module)])


def _laid_out(tensor: Tensor, device: torch.device, known: dict[int, object]) -> Tensor:
    if id(tensor) not in known:
        # Convolutions with few channels are several times faster on channels-last memory.
        form = torch.channels_last if tensor.dim() == 4 else torch.preserve_format
        values = tensor.detach().to(device, memory_format=form)
        known[id(tensor)] = nn.Parameter(values, requires_grad=False) if isinstance(tensor, nn.Parameter) else values
    return cast("Tensor", known[id(tensor)])
