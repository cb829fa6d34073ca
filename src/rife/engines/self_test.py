"""Self-test of an engine: the frame between two small frames, compared with PyTorch's in float32.

A fast engine depends on the processor, on compilers and on cached files. `Interpolator` tests it before its first
frame, and so does `rife doctor`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rife.engines.protocol import Engine
from rife.engines.torch_engine import TorchEngine
from rife.errors import EngineFaultError, RifeError
from rife.network.ifnet import IFNet
from rife.options import Precision

LEAST_AGREEMENT_DB: dict[Precision, float] = {"float32": 60.0, "bf16": 20.0}
"""PSNR of an engine's frame against PyTorch's in float32. Float32 reaches 110 dB and more, bf16 44 and more with
published weights; a faulty engine reaches 10."""

_SIDE_PX = 64
_SHIFT_PX = 3


def sample_pair(side_px: int = _SIDE_PX) -> tuple[Tensor, Tensor]:
    """Generate two frames of a moving texture: (1, 3, side, side) each, in [0, 1]."""
    lines = torch.arange(side_px, dtype=torch.float32)
    frames = []
    for shift in (0, _SHIFT_PX):
        x, y = lines[None] - shift, lines[:, None] - shift / 2
        planes = [
            0.5 + 0.2 * torch.sin(x / (9 + c)) * torch.cos(y / 11) + 0.2 * torch.sin(x / 5 + y / 7 + c)
            for c in range(3)
        ]
        frames.append(torch.stack(planes)[None])
    return frames[0], frames[1]


def frame_of(engine: Engine, network: IFNet, pair: tuple[Tensor, Tensor]) -> Tensor:
    """Synthesize the middle frame of two frames whose sides need no padding."""
    device = next(network.parameters()).device
    img0, img1 = (img.to(device) for img in pair)
    features0, features1 = (engine.features(img, refine=network.refines) for img in (img0, img1))
    both = network.pair(img0, img1, 0.5, features0=features0, features1=features1, refine=network.refines)
    return engine.synthesize(both, engine.estimate(both), both.whole, refine=network.refines)


def agreement_db(engine: Engine, network: IFNet, *, side_px: int = _SIDE_PX) -> float:
    """Compare an engine's frame with that of PyTorch in float32: PSNR, infinite if they are the same.

    Args:
        engine: to be tested; a frame that is not finite gives minus infinity.
        network: that the engine runs.
        side_px: about the height and width of the frames.
    """
    multiple = network.spec.pad_multiple_at(1)
    pair = sample_pair(-(-side_px // multiple) * multiple)
    return psnr_db(frame_of(engine, network, pair), frame_of(TorchEngine(network), network, pair))


def psnr_db(actual: Tensor, expected: Tensor) -> float:
    """PSNR between images in [0, 1]; minus infinity if `actual` is not finite."""
    error = float((actual.double() - expected.double()).square().mean())
    if not math.isfinite(error):
        return -math.inf
    return math.inf if error == 0 else -10 * math.log10(error)


def prove(engine: Engine, network: IFNet) -> None:
    """Run the self-test of an engine.

    Raises:
        EngineFaultError: its frame differs from PyTorch's, or it raises.
    """
    try:
        db = agreement_db(engine.any_size, network)
    except RifeError:
        raise
    except Exception as err:  # a library may raise anything on an unsupported machine
        raise EngineFaultError(f"engine {engine.label}: its self-test failed: {type(err).__name__}: {err}") from err
    least_db = LEAST_AGREEMENT_DB[engine.precision]
    if not db >= least_db:
        raise EngineFaultError(
            f"engine {engine.label}: its self-test failed: {db:.1f} dB to PyTorch's frame, expected {least_db:.0f}."
        )
