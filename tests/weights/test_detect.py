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
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS, NetworkSpec
from rife.weights import detect
from rife.weights.convert import convert
from rife.weights.detect import canonical, recognise
from rife.weights.load import fetch, load_network
from rife.weights.read import read_metadata

State = dict[str, torch.Tensor]
UNNAMED = [name for name, row in SPECS.items() if not row.named_only]


@cache
def meta_state(name: str, *, refine: bool) -> State:
    with torch.device("meta"):
        return dict(IFNet(SPECS[name], refine=refine).state_dict())


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("name", UNNAMED)
def test_all_pairs(name: str, refine: bool) -> None:
    state = meta_state(name, refine=refine)
    found = recognise(state, origin="x")
    assert found.spec.name == name
    assert found.refine == (refine and SPECS[name].refines)
    for other in UNNAMED:
        if other != name:
            with pytest.raises(CheckpointError, match="x: no RIFE network fits"):
                recognise(state, origin="x", network=other)


@settings(max_examples=150)
@given(st.data())
def test_any_one_changed_tensor_is_refused_by_name(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(UNNAMED))
    refine = data.draw(st.booleans()) and SPECS[name].refines
    state = dict(meta_state(name, refine=refine))
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
        key = data.draw(st.sampled_from(["block0.added", "conv0.conv1.0.weight", "block0.convblock2.0.0.bias_"]))
        state[key] = tensor.new_empty(3)
    with pytest.raises(CheckpointError, match="no RIFE network fits") as error:
        recognise(state, origin="x")
    assert key in str(error.value)


@pytest.mark.slow
def test_a_network_whose_tensors_are_anothers_must_be_named(tmp_path: Path) -> None:
    network = IFNet(SPECS["IFNet_2R"])
    path = tmp_path / "large.safetensors"
    save_file(network.state_dict(), path)
    assert load_network(path).spec.name == "IFNet"
    assert load_network(path, network="IFNet_2R").spec.name == "IFNet_2R"
    converted = tmp_path / "converted.safetensors"
    convert(path, converted, network="IFNet_2R")
    assert load_network(converted).spec.name == "IFNet_2R", "a converted file once forgot what it was"
    assert load_network(converted, network="IFNet").spec.name == "IFNet"
    with pytest.raises(CheckpointError, match=r"no RIFE network fits .* Nearest is 4\.0"):
        load_network(path, network="4.0")
    with pytest.raises(CheckpointError, match=r"9\.9: no such network\. Known are IFNet, "):
        load_network(path, network="9.9")


@pytest.mark.parametrize(
    ("part", "shapes"),
    [
        ("contextnet", {"conv0.conv1.0.weight": (32, 3, 3, 3), "conv4.conv2.0.bias": (256,)}),
        ("unet", {"conv0.conv1.0.weight": (32, 10, 3, 3), "up3.0.bias": (32,)}),
        ("flownet", {"block0.conv0.0.0.weight": (80, 6, 3, 3), "block0.conv1.weight": (160, 4, 4, 4)}),
        ("flownet", {"block3.convblock.5.0.weight": (48, 48, 3, 3), "block0.conv1.weight": (192, 4, 4, 4)}),
    ],
)
def test_the_older_family_is_declined_by_name(part: str, shapes: dict[str, tuple[int, ...]]) -> None:
    state = {f"module.{key}": torch.empty(shape, device="meta") for key, shape in shapes.items()}
    with pytest.raises(CheckpointError, match=rf"x: the {part} of RIFE 3\.1 or 2\.x.* Use model 4\.0 instead"):
        recognise(canonical(state, origin="x"), origin="x")


@pytest.mark.parametrize("name", ["3.5", "3.8"])
def test_every_missing_tensor_of_the_networks_nearest_to_the_older_family_is_named(name: str) -> None:
    """One missing tensor once made 3.8 look like the flow network of 3.1."""
    complete = meta_state(name, refine=False)
    for key in complete:
        with pytest.raises(CheckpointError, match="no RIFE network fits") as error:
            recognise({k: v for k, v in complete.items() if k != key}, origin="x")
        assert key in str(error.value)


def test_where_a_file_comes_from_survives_conversion(tmp_path: Path) -> None:
    cached = fetch("3.8")
    convert(cached, tmp_path / "half.safetensors", half=True)
    before, after = read_metadata(cached), read_metadata(tmp_path / "half.safetensors")
    assert after == before
    assert after["licence"] == "MIT"


@pytest.mark.slow
def test_numbers_that_half_precision_cannot_hold(tmp_path: Path) -> None:
    state = IFNet(SPECS["4.6"]).state_dict()
    state["block0.lastconv.0.bias"].fill_(1e6)
    save_file(state, tmp_path / "large.safetensors")
    with pytest.raises(CheckpointError, match=r"block0\.lastconv\.0\.bias holds numbers beyond 65504"):
        convert(tmp_path / "large.safetensors", tmp_path / "half.safetensors", half=True)
    assert not (tmp_path / "half.safetensors").exists()


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    for path in (Path("4.0"), tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(CheckpointError, match=r"there is none|cannot be read"):
            convert(path, tmp_path / "out.safetensors")
    with pytest.raises(CheckpointError, match="neither a known model nor a file"):
        load_network("x" * 300)


def test_a_likely_network_is_looked_at_first_and_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    original = detect._signature

    def noted(candidate: NetworkSpec) -> object:
        built.append(candidate)
        return original(candidate)

    monkeypatch.setattr(detect, "_signature", noted)
    state = IFNet(SPECS["4.26"]).state_dict()
    assert recognise(state, origin="x", likely="4.26").spec.name == "4.26"
    assert len(built) == 1
    assert recognise(state, origin="x", likely="4.25.heavy").spec.name == "4.26"
