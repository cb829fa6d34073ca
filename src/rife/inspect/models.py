"""What is known of networks and weights: the facts behind `rife models`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from rife.ifnet import IFNet
from rife.options import parse_path
from rife.specs import SPECS, NetworkSpec
from rife.weights.catalogue import CATALOGUE
from rife.weights.load import cached_path, load_file

REFERENCE_SIZE = (480, 720)
"""Height and width of the frame that work is counted for."""

_CLASS_LIMITS = (("light", 20.0), ("medium", 40.0), ("heavy", 80.0))


@dataclass(frozen=True)
class NetworkFacts:
    """A network in numbers.

    Attributes:
        spec: the network.
        refines: counted with its refinement networks.
        parameters: how many it has for inference.
        giga_multiply_adds: work for one new frame of 720x480, with refinement where it has it, without the
            resizing and warping.
        time_class: light, medium, heavy or huge, by that.
    """

    spec: NetworkSpec
    refines: bool
    parameters: int
    giga_multiply_adds: float
    time_class: str


@dataclass(frozen=True)
class ModelFacts:
    """Named weights: where they stand in the cache, if they do."""

    name: str
    network: NetworkFacts
    cached: Path | None
    licence: str
    good_at: str


@dataclass(frozen=True)
class FileFacts:
    """What a weights file is."""

    path: Path
    label: str
    network: NetworkFacts
    tensors: int
    parameters: int


@cache
def network_facts(name: str, *, refine: bool = True) -> NetworkFacts:
    """Count a network's parameters and its work, without weights and without running it on data."""
    spec = SPECS[name]
    multiply_adds = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal multiply_adds
        weight = cast("Tensor", layer.weight)
        # Each output pixel of a convolution, each input pixel of a transposed one, meets the kernel once.
        pixels = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        multiply_adds += pixels.shape[2] * pixels.shape[3] * weight.numel()

    height, width = (length + -length % spec.pad_multiple for length in REFERENCE_SIZE)
    with torch.device("meta"):
        # Training form: the restart on large motion depends on data, which there is none of.
        network = IFNet(spec, refine=refine).train()
        frame = torch.zeros(1, 3, height, width)
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(count)
    with torch.no_grad(), torch.device("meta"):
        network(frame, frame, 0.5)
    giga_multiply_adds = multiply_adds / 1e9
    parameters = sum(parameter.numel() for parameter in network.parameters())
    time_class = next((label for label, limit in _CLASS_LIMITS if giga_multiply_adds < limit), "huge")
    return NetworkFacts(spec, network.refines, parameters, giga_multiply_adds, time_class)


def known_models() -> list[ModelFacts]:
    """Every named set of weights."""
    rows = []
    for entry in CATALOGUE.values():
        path = cached_path(entry)
        found = path if path.exists() else None
        rows.append(ModelFacts(entry.name, network_facts(entry.network), found, entry.licence, entry.good_at))
    return rows


def known_networks() -> list[NetworkFacts]:
    """Every network that a file can be recognised as."""
    return [network_facts(name) for name in SPECS]


def describe(path: str | Path, *, network: str | None = None) -> FileFacts:
    """Tell what a weights file is.

    Raises:
        CheckpointError: it is not recognised.
    """
    path = parse_path(path, "file")
    weights = load_file(path, network=network)
    parameters = sum(tensor.numel() for tensor in weights.state.values())
    found = weights.recognised
    facts = network_facts(found.spec.name, refine=found.refine)
    return FileFacts(path, found.label, facts, len(weights.state), parameters)
