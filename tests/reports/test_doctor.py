"""`rife doctor`: everything that a report needs, and a wrong engine does not stay hidden."""

from __future__ import annotations

import json
import math

import pytest
import torch
from typer.testing import CliRunner

from conftest import blending_network
from rife.cli.app import app
from rife.engines.native.engine import NativeEngine
from rife.network.specs import SPECS
from rife.reports import doctor

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A light network and small frames: what is tested is the report."""
    monkeypatch.setattr(doctor, "network", lambda: (blending_network(SPECS["4.6"]), "a network that blends"))
    monkeypatch.setattr(doctor, "_SIDE_PX", 64)
    monkeypatch.setattr(doctor, "_ENGINES", (("torch", "float32"), ("native", "float32"), ("native", "bf16")))


def test_a_report_has_every_section() -> None:
    shown = CliRunner().invoke(app, ["doctor"])
    assert shown.exit_code == 0, shown.output
    for line in (
        "versions:",
        "processor:",
        "engine auto:",
        "encoders:",
        "cache:",
        "the reference",
        "dB to torch float32",
    ):
        assert line in shown.stdout
    assert "native bf16" in shown.stdout
    assert "does not run: engine native: works in float32" in shown.stdout
    assert "libx264" in shown.stdout
    assert "avcodec" not in shown.stdout


def test_events_for_programs() -> None:
    shown = CliRunner().invoke(app, ["doctor", "--json"])
    events = [json.loads(line) for line in shown.stdout.splitlines()]
    names = [event["event"] for event in events]
    assert names == ["versions", "processor", "gpus", "automatic", "engine", "engine", "engine", "encoders", "cache"]
    assert events[0]["torch"] == torch.__version__
    tests = {event["engine"]: event for event in events if event["event"] == "engine"}
    assert tests["native float32"]["right"]
    assert not tests["native bf16"]["runs"]


def test_a_wrong_engine_is_told_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = NativeEngine.synthesize
    monkeypatch.setattr(NativeEngine, "synthesize", lambda *a, **k: honest(*a, **k) * math.nan)
    shown = CliRunner().invoke(app, ["doctor"])
    assert shown.exit_code == 1
    assert "native float32       WRONG: -inf dB" in shown.stdout
    assert "engine native float32: not PyTorch's frame. Please report this page." in shown.output


def test_random_weights_where_none_are_cached(monkeypatch: pytest.MonkeyPatch, cache: object) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("RIFE_CACHE", str(cache))
    network, described = doctor.network.__wrapped__()
    assert "random weights" in described
    assert all(torch.isfinite(x).all() for x in network.parameters())
