"""Reference arrays and the closed-form inputs and weights that they were computed from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parent.parent / "golden"
HEIGHT, WIDTH = 128, 256
STEP = 4


def golden(name: str) -> dict[str, np.ndarray]:
    """The arrays of a file; a missing file fails the test."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _pixels() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    return y, x


def frame(shift: float) -> Tensor:
    y, x = _pixels()
    channels = [
        0.5 + 0.45 * np.sin((x + shift) * (0.11 + 0.03 * c)) * np.cos((y - 0.6 * shift) * (0.09 + 0.02 * c))
        for c in range(3)
    ]
    return torch.from_numpy(np.stack(channels)[None].astype(np.float32))


def field(channels: int, amplitude: float) -> Tensor:
    y, x = _pixels()
    planes = [amplitude * np.sin(0.05 * x * (1 + c) + 0.04 * y + c) for c in range(channels)]
    return torch.from_numpy(np.stack(planes)[None].astype(np.float32))


IMG0, IMG1 = frame(0.0), frame(3.5)
FLOW4, FLOW2, MASK = field(4, 6.0), field(2, 6.0), field(1, 2.0)


def closed_form_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Weights that depend on nothing but the sorted keys and their shapes."""
    state = {}
    for j, key in enumerate(sorted(shapes)):
        shape = shapes[key]
        k = np.arange(math.prod(shape), dtype=np.float64)
        w = np.sin(12.9898 * k + 78.233 * j) * 43758.5453
        u = 2 * (w - np.floor(w)) - 1
        if key.endswith("beta"):
            value = 1 + 0.1 * u
        elif len(shape) >= 4:
            value = u * math.sqrt(3 / math.prod(shape[1:]))
        elif key.endswith("bias"):
            value = 0.02 * u
        else:
            value = 0.25 + 0.05 * u
        state[key] = torch.from_numpy(value.reshape(shape).astype(np.float32))
    return state


def with_closed_form_weights(module: nn.Module) -> nn.Module:
    """Fill a module and put it in evaluation mode."""
    shapes = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    module.load_state_dict(closed_form_state(shapes), strict=True)
    return module.eval()


def head_of(network: nn.Module, block: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a block's last convolution."""
    layer = network.get_submodule(f"{block}.lastconv")
    assert isinstance(layer, nn.ConvTranspose2d)
    assert layer.bias is not None
    return layer.weight, layer.bias


def worst(computed: Tensor, reference: np.ndarray, step: int = STEP) -> float:
    """Largest difference from a reference that was kept at every `step`-th pixel."""
    kept = computed[..., ::step, ::step].detach().double().numpy()
    assert kept.shape == reference.shape
    return float(np.abs(kept - reference).max())


def tolerance(*, pretrained: bool = False) -> float:
    """How far results may lie from a reference: the one place that decides."""
    return 1e-3 if pretrained else 1e-4
