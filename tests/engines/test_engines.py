"""One contract over every engine: what PyTorch makes in float32 is what each of them makes, and what each counts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import rife
from conftest import blending_network
from rife.engines.choice import create_engine
from rife.engines.graphs import has_bf16
from rife.engines.openvino_engine import OpenVinoEngine
from rife.errors import JobError, MissingExtraError, ShapeError
from rife.ifnet import IFNet
from rife.interpolator import Interpolator
from rife.options import EngineName, Precision
from rife.specs import SPECS
from rife.weights.load import load_network
from support.golden import with_closed_form_weights

ENGINES: list[tuple[EngineName, Precision]] = [("torch", "float32"), ("openvino", "float32")]
if has_bf16():
    ENGINES.append(("openvino", "bf16"))

engines = pytest.mark.parametrize(("engine", "precision"), ENGINES, ids=[" ".join(row) for row in ENGINES])

# Each has something of its own: an encoder and carried features, averaged pairs with a fixed time, unwarped
# sources, half the downsampling.
OTHERS = ("4.26", "3.8", "IFNet_m", "IFNet_2R")


def lowest_psnr_db(precision: Precision) -> float:
    """How close an engine has to come to PyTorch in float32: the one place that decides."""
    return {"float32": 80.0, "bf16": 44.0}[precision]


def psnr_db(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a.double() - b.double()).square().mean().clamp_min(1e-20)))


@pytest.fixture(scope="module", autouse=True)
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled graphs of this module in a folder of their own; weights stay where they are."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rife.engines.graphs.cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="module")
def published() -> IFNet:
    return load_network("4.0")


def moving(height: int, width: int, shift_px: int, count: int = 2) -> list[np.ndarray]:
    """A texture that moves right and down by `shift_px` from frame to frame: (H, W, 3) float32."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    frames = []
    for index in range(count):
        u, v = x - index * shift_px, y - index * shift_px / 2
        planes = [0.5 + 0.2 * np.sin(u / (9 + c)) * np.cos(v / 11) + 0.15 * np.sin(u / 31 + v / 23 + c) for c in range(3)]
        frames.append(np.stack(planes, -1).astype(np.float32))
    return frames


def made(worker: Interpolator, frames: list[np.ndarray], times: list[Fraction]) -> list[Tensor]:
    prepared = [worker.prepare(torch.from_numpy(f).permute(2, 0, 1)[None]) for f in frames]
    return [x for a, b in zip(prepared, prepared[1:]) for x in worker.between(a, b, times)]


def compared(network: IFNet, engine: EngineName, precision: Precision, frames: list[np.ndarray], **options: object) -> float:
    """The lowest PSNR of an engine's frames at a third and a half to the reference's."""
    times = [Fraction(1, 3), Fraction(1, 2)] if network.spec.any_time else [Fraction(1, 2)]
    reference = made(Interpolator(network, device="cpu", **options), frames, times)  # type: ignore[arg-type]
    worker = Interpolator(network, device="cpu", engine=engine, precision=precision, **options)  # type: ignore[arg-type]
    results = made(worker, frames, times)
    assert [x.shape for x in results] == [x.shape for x in reference]
    return min(psnr_db(a, b) for a, b in zip(results, reference, strict=True))


@engines
@pytest.mark.parametrize("refine", ["full", "off"])
def test_the_default_model_at_an_odd_size(published: IFNet, engine: EngineName, precision: Precision, refine: str) -> None:
    assert compared(published, engine, precision, moving(75, 101, 3), refine=refine) >= lowest_psnr_db(precision)
