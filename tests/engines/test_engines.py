"""One contract over every engine: what PyTorch makes in float32 is what each of them makes, and what each counts."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import blending_network
from rife.engines.select import create_engine
from rife.errors import ShapeError
from rife.interpolation.interpolator import Interpolator
from rife.kernels import cpu_features as kernel_features
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.options import EngineName, Precision
from rife.weights.load import load_network
from support.golden import with_closed_form_weights
from support.motion import compared, lowest_psnr_db, made, moving, psnr_db

pytestmark = pytest.mark.slow

ENGINES: list[tuple[EngineName, Precision]] = [
    ("torch", "float32"),
    ("openvino", "float32"),
    ("native", "float32"),
    ("openvino", "bf16"),
    ("torch", "bf16"),
]

engines = pytest.mark.parametrize(("engine", "precision"), ENGINES, ids=[" ".join(row) for row in ENGINES])

# Each has something of its own: an encoder and carried features; averaged pairs with a fixed time; unwarped sources
# and half the downsampling.
OTHERS = ("4.26", "3.8", "IFNet_2R")

SIZE = 59, 91
"""Odd, and the same in most tests: a graph that one of them built is read by the others."""


@pytest.fixture(autouse=True)
def _bf16_is_emulated_where_the_processor_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors without bf16 compute it in other registers: slowly, and with the same rounding."""
    monkeypatch.setattr("rife.engines.select._openvino_has_bf16", lambda: True)
    monkeypatch.setattr("rife.engines.select._torch_has_bf16", lambda: True)


@pytest.fixture(scope="module")
def published() -> IFNet:
    return load_network("4.0")


@engines
@pytest.mark.parametrize("refine", ["full", "off"])
def test_the_default_model_at_an_odd_size(
    published: IFNet, engine: EngineName, precision: Precision, refine: str
) -> None:
    assert compared(published, engine, precision, moving(*SIZE, 3), refine=refine) >= lowest_psnr_db(precision)


@pytest.mark.parametrize(
    ("engine", "precision", "name"),
    [(*row, name) for row in ENGINES for name in (OTHERS[:1] if row[1] == "bf16" else OTHERS)],
)
def test_other_networks(engine: EngineName, precision: Precision, name: str) -> None:
    network = IFNet(SPECS[name])
    with_closed_form_weights(network)
    # Weights that were not trained amplify what bf16 rounds: what counts here is that every part is there.
    least = lowest_psnr_db(precision) if precision == "float32" else 30.0
    assert compared(network, engine, precision, moving(*SIZE, 3)) >= least


@engines
def test_large_motion_starts_again(published: IFNet, engine: EngineName, precision: Precision) -> None:
    eager = replace(SPECS["4.0"], restart_flow_px=0.01)
    network = IFNet(eager, refine=False)
    network.load_state_dict(published.state_dict(), strict=False)
    frames, half = moving(*SIZE, 3), [Fraction(1, 2)]
    (restarted,), (plain,) = (
        made(Interpolator(n, refine="off", device="cpu", engine="torch"), frames, half) for n in (network, published)
    )
    (result,) = made(Interpolator(network, device="cpu", engine=engine, precision=precision), frames, half)
    assert psnr_db(result, restarted) >= max(lowest_psnr_db(precision), psnr_db(result, plain) + 3)


@engines
def test_colours_beyond_white_go_the_same_way(published: IFNet, engine: EngineName, precision: Precision) -> None:
    frames = [1.3 * frame - 0.1 for frame in moving(*SIZE, 3)]
    assert max(frame.max() for frame in frames) > 1
    assert compared(published, engine, precision, frames, refine="off") >= lowest_psnr_db(precision)


@engines
def test_flow_scale_and_ensemble(published: IFNet, engine: EngineName, precision: Precision) -> None:
    frames = moving(*SIZE, 3)
    least = lowest_psnr_db(precision)
    assert compared(published, engine, precision, frames, refine="off", scale="2", ensemble=True) >= least


@pytest.mark.parametrize("engine", ["openvino", "native"])
@pytest.mark.parametrize("scale", ["0.5", "2"])
def test_flow_scales_of_a_network_that_carries_features(engine: EngineName, scale: str) -> None:
    network = IFNet(SPECS["4.26"])
    with_closed_form_weights(network)
    least = lowest_psnr_db("float32")
    assert compared(network, engine, "float32", moving(*SIZE, 3), scale=scale) >= least


@pytest.mark.usefixtures("as_if_moving")
@engines
def test_wide_frames_keep_their_positions(engine: EngineName, precision: Precision) -> None:
    """bf16 holds whole numbers up to 256 only: coordinates in it would be pixels off on a frame this wide."""
    still = blending_network(SPECS["4.6"])
    worker = Interpolator(still, device="cpu", engine=engine, precision=precision)
    rng = np.random.default_rng(0)
    noise = rng.random((32, 2080, 3), dtype=np.float32)
    (middle,) = made(worker, [noise, noise], [Fraction(1, 2)])
    assert float((middle[0].permute(1, 2, 0) - torch.from_numpy(noise)).abs().max()) < 0.01


@engines
def test_features_are_computed_once_for_each_source_frame(
    published: IFNet, engine: EngineName, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Interpolator(published, device="cpu", engine=engine, precision=precision)
    made(worker, moving(*SIZE, 2), [Fraction(1, 2)])  # the self-test too
    calls = []
    original: Callable[..., object] = worker.engine.features

    def noted(img: Tensor, **options: object) -> object:
        calls.append(img)
        return original(img, **options)

    monkeypatch.setattr(worker.engine, "features", noted)
    assert len(made(worker, moving(*SIZE, 2, count=3), [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)])) == 6
    assert len(calls) == 3


@pytest.mark.parametrize("engine", ["openvino", "native"])
def test_results_do_not_share_memory(published: IFNet, engine: EngineName) -> None:
    worker = Interpolator(published, device="cpu", engine=engine, precision="float32", refine="off")
    one, two = made(worker, moving(*SIZE, 2), [Fraction(1, 4), Fraction(3, 4)])
    assert not torch.equal(one, two)


@pytest.mark.parametrize("engine", ["openvino", "native"])
def test_one_frame_at_a_time(published: IFNet, engine: EngineName) -> None:
    with pytest.raises(ShapeError, match="one frame at a time"):
        create_engine(published, engine=engine).features(torch.zeros(2, 3, 64, 64))


@pytest.mark.parametrize("engine", ["openvino", "native"])
def test_threads_share_an_engine(published: IFNet, engine: EngineName) -> None:
    worker = Interpolator(published, device="cpu", engine=engine, precision="float32", refine="off")
    pairs = [moving(*SIZE, shift_px=shift) for shift in (2, 3, 4, 5)]
    expected = [made(worker, pair, [Fraction(1, 2)])[0] for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            results = pool.map(lambda pair: made(worker, pair, [Fraction(1, 2)])[0], pairs)
            assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))


def test_memory_that_runs_out_hands_colours_beyond_white_to_another_engine(
    published: IFNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [1.3 * frame - 0.1 for frame in moving(160, 160, 3)]
    (expected,) = made(Interpolator(published, device="cpu", engine="torch", refine="off"), frames, [Fraction(1, 2)])
    monkeypatch.setattr("rife.engines.select._fastest", lambda _: ("native", "of the test"))
    worker = Interpolator(published, device="cpu", engine="auto", refine="off")

    def short(*_: object, **__: object) -> Tensor:
        raise MemoryError("not enough memory")

    monkeypatch.setattr(worker.engine, "synthesize", short)
    (result,) = made(worker, frames, [Fraction(1, 2)])
    assert psnr_db(result, expected) >= lowest_psnr_db("float32")


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="emulates an x86 processor")
@pytest.mark.parametrize(
    ("processor", "features"),
    [("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+sse4.2"), ("x86-64-v4", "+avx2,+fma,+avx512f,+avx512dq,+avx512vl")],
)
def test_kernels_for_other_processors(processor: str, features: str) -> None:
    """Kernels are written for vectors of the processor: those of others are compiled and run here, where it can."""
    script = (
        "from rife.engines.native.engine import NativeEngine;"
        "from rife.engines.self_test import agreement_db;"
        "from rife.weights.load import load_network;"
        "network = load_network('4.0'); print(agreement_db(NativeEngine(network), network))"
    )
    if "avx512f" in features and not kernel_features.has("avx512f"):
        pytest.skip("this processor has no AVX-512")
    environment = {**os.environ, "NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert float(run.stdout) >= lowest_psnr_db("float32")
