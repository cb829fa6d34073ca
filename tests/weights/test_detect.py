"""Every network is recognised as itself and as nothing else, whatever single tensor is changed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from rife.errors import CheckpointError
from rife.ifnet import IFNet
from rife.specs import SPECS
from rife.weights.detect import canonical, recognise
from rife.weights.load import load_network

State = dict[str, torch.Tensor]
UNNAMED = [name for name, row in SPECS.items() if not row.named_only]


@cache
def meta_state(name: str, refine: bool) -> State:
    with torch.device("meta"):
        return dict(IFNet(SPECS[name], refine=refine).state_dict())


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("name", UNNAMED)
def test_all_pairs(name: str, refine: bool) -> None:
    state = meta_state(name, refine)
    found = recognise(state, origin="x")
    assert found.spec.name == name
    assert found.refine == (refine and SPECS[name].refines)
    for other in UNNAMED:
        if other != name:
            with pytest.raises(CheckpointError, match="x: no RIFE network fits"):
                recognise(state, origin="x", network=other)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_one_changed_tensor_is_refused_by_name(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(UNNAMED))
    refine = data.draw(st.booleans()) and SPECS[name].refines
    state = dict(meta_state(name, refine))
    key = data.draw(st.sampled_from(sorted(state)))
    change = data.draw(st.sampled_from(["drop", "rename", "reshape", "add"]))
    tensor = state[key]
    if change == "drop":
        del state[key]
    elif change == "rename":
        state[f"{key}_renamed"] = state.pop(key)
    elif change == "reshape":
        state[key] = tensor.new_empty(*tensor.shape[:-1], tensor.shape[-1] + data.draw(st.integers(1, 3)))
    else:
        key = "block0.convblock.8.added"
        state[key] = tensor.new_empty(3)
    with pytest.raises(CheckpointError, match="no RIFE network fits") as error:
        recognise(state, origin="x")
    assert key in str(error.value)


def test_a_network_whose_tensors_are_anothers_must_be_named(tmp_path: Path) -> None:
    network = IFNet(SPECS["IFNet_2R"])
    path = tmp_path / "large.safetensors"
    save_file(network.state_dict(), path)
    assert load_network(path).spec.name == "IFNet"
    assert load_network(path, network="IFNet_2R").spec.name == "IFNet_2R"
    with pytest.raises(CheckpointError, match=r"no RIFE network fits .* Nearest is 4\.0"):
        load_network(path, network="4.0")
    with pytest.raises(CheckpointError, match=r"9\.9: no such network\. Known are IFNet, "):
        load_network(path, network="9.9")


@pytest.mark.parametrize(
    ("part", "shapes"),
    [
        ("contextnet", {"conv0.conv1.0.weight": (32, 3, 3, 3), "conv4.conv2.0.bias": (256,)}),
        ("unet", {"conv0.conv1.0.weight": (32, 10, 3, 3), "up3.0.bias": (32,)}),
        ("flownet", {"block0.conv0.0.0.weight": (80, 6, 3, 3), "block0.convblock2.0.0.weight": (160, 160, 3, 3)}),
    ],
)
def test_the_older_family_is_declined_by_name(part: str, shapes: dict[str, tuple[int, ...]]) -> None:
    state = {f"module.{key}": torch.empty(shape, device="meta") for key, shape in shapes.items()}
    with pytest.raises(CheckpointError, match=rf"x: the {part} of RIFE 3\.1 or 2\.x.* Take model 4\.0 instead"):
        recognise(canonical(state, origin="x"), origin="x")
