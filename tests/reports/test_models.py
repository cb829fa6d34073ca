"""What `rife models` says of networks, against networks that are run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.reports.models import REFERENCE_SIZE, known_networks, network_facts

ONE_OF_EACH_FORM = (
    "IFNet",
    "IFNet_m",
    "IFNet_2R",
    "3.5",
    "3.8",
    "4.0",
    "4.2",
    "4.6",
    "4.7",
    "4.14.lite",
    "4.20",
    "4.26",
)


def multiply_adds(network: IFNet, height: int, width: int) -> int:
    """Those of a run on data without content."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        pixels = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += pixels.shape[2] * pixels.shape[3] * layer.weight.numel()  # type: ignore[operator]

    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(count)
    with torch.no_grad(), torch.device("meta"):
        frame = torch.zeros(1, 3, height, width)
        network(frame, frame, 0.5)
    return total


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ONE_OF_EACH_FORM if name in SPECS])
def test_work_is_what_a_run_does(name: str) -> None:
    spec = SPECS[name]
    with torch.device("meta"):
        network = IFNet(spec).train()  # in training, no restart asks for data
    height, width = (length + -length % spec.pad_multiple for length in REFERENCE_SIZE)
    facts = network_facts(name)
    assert facts.giga_multiply_adds * 1e9 == pytest.approx(multiply_adds(network, height, width), rel=1e-12)
    assert facts.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_no_network_is_run_to_describe_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running each on the meta device took ten seconds."""
    network_facts.cache_clear()
    monkeypatch.setattr(IFNet, "forward", lambda *_: pytest.fail("ran"))
    assert len(known_networks()) == len(SPECS)


def test_help_is_instant() -> None:
    script = "import sys; from rife.cli.app import app; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.slow
def test_what_was_counted_is_kept_and_needs_no_torch(cache: Path) -> None:
    """PyTorch alone takes a second and a half of processor time to start."""
    script = (
        "import sys; from rife.reports.models import known_models, known_networks\n"
        "print([(x.spec.name, x.parameters, x.giga_multiply_adds) for x in known_networks()], len(known_models()))\n"
        "print('torch' in sys.modules)"
    )
    said = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout for _ in range(2)]
    first, second = (text.splitlines() for text in said)
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("True", "False")
    (kept,) = (cache / "networks").iterdir()
    for damage in ("", "[]", '{"4.0": {}}', '{"4.0": 1}'):
        kept.write_text(damage)
        again = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.splitlines()
        assert again[0] == first[0], damage
