"""Frames that move, and how close pictures of them have to come."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from rife.interpolation.interpolator import Interpolator
from rife.network.ifnet import IFNet
from rife.options import EngineName, Precision


def lowest_psnr_db(precision: Precision) -> float:
    """How close an engine has to come to PyTorch in float32: the one place that decides."""
    return {"float32": 80.0, "bf16": 44.0}[precision]


def psnr_db(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a.double() - b.double()).square().mean().clamp_min(1e-20)))


def moving(height: int, width: int, shift_px: int, count: int = 2) -> list[np.ndarray]:
    """A texture that moves right and down by `shift_px` from frame to frame: (H, W, 3) float32."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    frames = []
    for index in range(count):
        u, v = x - index * shift_px, y - index * shift_px / 2
        planes = [
            0.5 + 0.2 * np.sin(u / (9 + c)) * np.cos(v / 11) + 0.15 * np.sin(u / 31 + v / 23 + c) for c in range(3)
        ]
        frames.append(np.stack(planes, -1).astype(np.float32))
    return frames


def made(worker: Interpolator, frames: list[np.ndarray], times: list[Fraction]) -> list[Tensor]:
    prepared = [worker.prepare(torch.from_numpy(f).permute(2, 0, 1)[None]) for f in frames]
    return [x for a, b in pairwise(prepared) for x in worker.between(a, b, times)]


def compared(
    network: IFNet, engine: EngineName, precision: Precision, frames: list[np.ndarray], **options: object
) -> float:
    """The lowest PSNR of an engine's frames at a third and a half to the reference's."""
    times = [Fraction(1, 3), Fraction(1, 2)] if network.spec.any_time else [Fraction(1, 2)]
    reference = made(Interpolator(network, device="cpu", engine="torch", **options), frames, times)  # type: ignore[arg-type]
    worker = Interpolator(network, device="cpu", engine=engine, precision=precision, **options)  # type: ignore[arg-type]
    results = made(worker, frames, times)
    assert [x.shape for x in results] == [x.shape for x in reference]
    return min(psnr_db(a, b) for a, b in zip(results, reference, strict=True))
