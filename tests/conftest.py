"""Fixtures shared by all tests, and the rule that an ERROR in the log fails a test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from rife.interpolation.interpolator import Interpolator
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS, NetworkSpec

# Machines are shared and of any speed: no test is judged by its time.
hypothesis.settings.register_profile("any_speed", deadline=None)
hypothesis.settings.load_profile("any_speed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu") is not None:
                item.add_marker(pytest.mark.skip(reason="PyTorch finds no NVIDIA GPU"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which engines the machine emulates, and which it cannot run: a green suite says nothing of those."""
    from rife.engines.openvino.graphs import has_bf16

    emulated = [] if has_bf16() else ["openvino bf16", "torch bf16"]
    absent = [] if torch.cuda.is_available() else ["torch on cuda"]
    terminalreporter.section("engines")
    terminalreporter.line(f"emulated on this processor: {', '.join(emulated) or 'none'}")
    terminalreporter.line(f"not run on this machine: {', '.join(absent) or 'none'}")


@pytest.fixture(autouse=True)
def _error_in_the_log_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, errors


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _auto_is_pytorch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that names no engine runs PyTorch in float32, whatever the processor would choose."""
    if request.node.get_closest_marker("chooses_engine") is None:
        monkeypatch.setattr("rife.engines.select._fastest", lambda _: ("torch", "of the tests"))


@pytest.fixture(scope="session")
def default_interpolator() -> Interpolator:
    """The published default model, from the cache that `make test` fills."""
    from rife import load

    return load(device="cpu", engine="torch")


def blending_network(spec: NetworkSpec) -> IFNet:
    """A network whose flow and mask are zero: it blends both frames equally, fast."""
    network = IFNet(spec, refine=False)
    for parameter in network.parameters():
        parameter.data.zero_()
    return network


@pytest.fixture(scope="session")
def blender() -> Interpolator:
    """Blends two frames: for tests of everything around the network. Takes any time."""
    return Interpolator(blending_network(SPECS["4.6"]), device="cpu", engine="torch")


@pytest.fixture(scope="session")
def middle_blender() -> Interpolator:
    """Blends two frames, and makes middle frames only."""
    return Interpolator(blending_network(SPECS["3.8"]), device="cpu", engine="torch")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RIFE_CACHE", str(folder))
    return folder


@pytest.fixture
def as_if_moving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal frames go through the network too: for tests of what it does with them."""
    monkeypatch.setattr("rife.interpolation.interpolator.static_regions", lambda *_: None)
