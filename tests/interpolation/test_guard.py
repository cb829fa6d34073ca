"""Engines that err: none of what they make reaches a file, and the user is told once."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import blending_network
from rife.engines.cpu.passes import Passes
from rife.engines.native.engine import NativeEngine
from rife.engines.openvino.engine import OpenVinoEngine
from rife.engines.self_test import LEAST_AGREEMENT_DB, agreement_db, prove
from rife.engines.torch_engine import TorchEngine
from rife.errors import EngineFaultError, JobError
from rife.interpolation.interpolator import Interpolator
from rife.interpolation.plausibility import agree, doubt, is_finite
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.options import EngineName, Precision
from rife.pipeline import interpolate_video
from rife.weights.load import load_network
from support.clips import Clip, decoded, planes
from support.golden import with_closed_form_weights
from support.motion import made, moving

HALF = [Fraction(1, 2)]

GARBAGE: dict[str, Callable[[Tensor], Tensor]] = {
    "NaN": lambda frame: torch.full_like(frame, math.nan),
    "one NaN": lambda frame: frame.index_fill(3, torch.tensor([7]), math.nan),
    "infinity": lambda frame: torch.full_like(frame, math.inf),
    "black": torch.zeros_like,
    "grey": lambda frame: torch.full_like(frame, 0.45),
    "white": torch.ones_like,
    "noise": lambda frame: torch.rand(frame.shape, generator=torch.Generator().manual_seed(0)),
    "too bright": lambda frame: frame + 0.35,
}


def broken(worker: Interpolator, fault: Callable[[Tensor], Tensor], *, after: int = 0) -> list[int]:
    """Let an engine err from some frame on; count its frames."""
    engine = worker.engine
    calls: list[int] = []
    honest = engine.synthesize

    def synthesize(*arguments: object, **options: object) -> Tensor:
        calls.append(len(calls))
        frame: Tensor = honest(*arguments, **options)  # type: ignore[arg-type]
        return fault(frame) if len(calls) > after else frame

    engine.synthesize = synthesize  # type: ignore[method-assign]
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_never_reaches_a_file(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = Clip(frames=6).make(tmp_path)
    network = blending_network(SPECS["4.6"])
    reference = Interpolator(network, device="cpu", engine="torch")
    worker = Interpolator(network, device="cpu", engine="native")
    list(made(worker, moving(64, 96, 3), HALF))  # the self-test passes
    calls = broken(worker, GARBAGE[kind], after=2)
    for name, interpolator in (("expected", reference), ("result", worker)):
        interpolate_video(source, tmp_path / f"{name}.mkv", interpolator=interpolator, crf=0)
    frames = [decoded(tmp_path / f"{name}.mkv") for name in ("expected", "result")]
    assert len(frames[0]) == len(frames[1]) == 12
    for a, b in zip(*frames, strict=True):
        for plane, other in zip(planes(a), planes(b), strict=True):
            assert np.abs(plane.astype(int) - other).max() <= 1
    assert len(calls) == 3  # two right, one wrong, none after it
    assert caplog.text.count("PyTorch makes the frames from here on. Please report this") == 1


def test_an_engine_that_fails_its_self_test_makes_no_frame(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = load_network("4.0")
    honest = Passes.apply_residual
    monkeypatch.setattr(Passes, "apply_residual", lambda *a: honest(*a) + 0.1)
    worker = Interpolator(network, device="cpu", engine="native")
    (result,) = made(worker, moving(64, 96, 3), HALF)
    (expected,) = made(Interpolator(network, device="cpu", engine="torch"), moving(64, 96, 3), HALF)
    assert torch.equal(result, expected)
    assert "engine native float32: its self-test failed: 20.0 dB" in caplog.text
    assert worker.engine.label == "torch float32"


@pytest.mark.parametrize("where", ["features", "estimate", "synthesize"])
def test_an_engine_that_raises_is_put_aside(
    where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> Tensor:
        raise RuntimeError("could not execute a primitive")

    worker = Interpolator(blending_network(SPECS["4.6"]), device="cpu", engine="native")
    monkeypatch.setattr(worker.engine, where, fails)
    (result,) = made(worker, moving(64, 96, 3), HALF)
    assert is_finite(result)
    assert "could not execute a primitive" in caplog.text


def test_weights_that_are_not_numbers_are_named(tmp_path: Path) -> None:
    network = blending_network(SPECS["4.6"])
    next(network.parameters()).data.fill_(math.nan)
    source = Clip(frames=3).make(tmp_path)
    with pytest.raises(JobError, match="NaN or infinite, in PyTorch too"):
        interpolate_video(source, tmp_path / "out.mp4", interpolator=Interpolator(network, device="cpu"))
    assert not (tmp_path / "out.mp4").exists()


def test_large_motion_is_looked_into_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Unrelated frames look implausible; PyTorch makes the same, so the engine stays."""
    worker = Interpolator(blending_network(SPECS["4.6"]), device="cpu", engine="native")
    y = np.linspace(0, 1, 256, dtype=np.float32)[:, None, None]
    frames = [np.tile(np.sin(k * y * 9) / 2 + 0.5, (1, 256, 3)) for k in range(1, 9)]
    results = made(worker, frames, HALF)
    assert worker.engine.label == "native float32"
    assert len(results) == 7
    assert not caplog.records


def test_what_a_network_makes_is_plausible() -> None:
    """No doubt on real motion: a doubt costs a frame of PyTorch's time."""
    frames = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in moving(270, 480, 12, count=3)]
    assert doubt(frames[1], frames[0], frames[2]) is None
    flat = torch.full((1, 3, 270, 480), 0.4)
    assert doubt(flat, flat, flat) is None
    fade = [frames[0] * share for share in (0.0, 0.5, 1.0)]
    assert doubt(fade[1], fade[0], fade[2]) is None
    noise = torch.rand(3, 1, 3, 270, 480, generator=torch.Generator().manual_seed(0))
    assert doubt((noise[0] + noise[1]) / 2, noise[0], noise[1]) is None


@pytest.mark.parametrize("size", [(2, 2), (17, 300), (300, 17), (64, 64), (65, 129)])
def test_frames_of_any_size_are_judged(size: tuple[int, int]) -> None:
    before, after = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0)) * 0.5
    assert doubt((before + after) / 2, before, after) is None
    assert doubt(torch.ones_like(before), before, after) is not None


def test_opacity_is_judged_and_hidden_colours_are_not() -> None:
    before = torch.rand(1, 4, 64, 96, generator=torch.Generator().manual_seed(0))
    before[:, 3] = 0.5
    other_colours = torch.cat((torch.ones(1, 3, 64, 96), before[:, 3:]), 1)
    assert doubt(other_colours, before, before[:, :3]) is None
    assert doubt(torch.zeros_like(before), before, before) is not None


def test_agreement_is_measured_against_the_contrast() -> None:
    dim = 0.5 + 0.02 * torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert agree(dim + 0.002, dim)
    assert not agree(torch.full_like(dim, 0.53), dim)
    assert not agree(torch.full_like(dim, math.nan), dim)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["4.0", "4.26", "4.25.lite", "3.8", "3.5", "IFNet_2R", "IFNet_m"])
@pytest.mark.parametrize(
    ("engine", "precision"), [("native", "float32"), ("openvino", "float32"), ("openvino", "bf16")]
)
def test_engines_pass_their_self_test(name: str, engine: EngineName, precision: Precision) -> None:
    network = IFNet(SPECS[name])
    with_closed_form_weights(network)
    made_by = NativeEngine(network) if engine == "native" else OpenVinoEngine(network, precision=precision)
    prove(made_by, network)
    assert agreement_db(made_by.any_size, network) >= LEAST_AGREEMENT_DB[precision]
    if isinstance(made_by, OpenVinoEngine):
        assert (made_by.graphs.built, made_by.graphs.read) == (0, 0)


def test_a_self_test_that_raises_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    network = blending_network(SPECS["4.6"])

    def fails(*_: object, **__: object) -> object:
        raise TypeError("no matching signature")

    monkeypatch.setattr(Passes, "pack", fails)
    with pytest.raises(EngineFaultError, match="TypeError: no matching signature"):
        prove(NativeEngine(network), network)
    assert agreement_db(TorchEngine(network), network) == math.inf
