"""Fixtures shared by all tests, and the rule that an ERROR in the log fails a test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from rife.ifnet import IFNet
from rife.interpolator import Interpolator
from rife.specs import SPECS, NetworkSpec

# Machines are shared and of any speed: no test is judged by its time.
hypothesis.settings.register_profile("any_speed", deadline=None)
hypothesis.settings.load_profile("any_speed")


@pytest.fixture(autouse=True)
def _error_in_the_log_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, errors


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


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
    monkeypatch.setattr("rife.interpolator.still_parts", lambda a, b: None)
