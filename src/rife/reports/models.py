"""Facts of networks and weights, for `rife models`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rife.assets.cache import cache_folder
from rife.atomic import appearing_whole
from rife.engines.source_files import source_files
from rife.network.specs import SPECS, NetworkSpec
from rife.options import parse_path
from rife.weights.catalogue import CATALOGUE, cached_path

if TYPE_CHECKING:
    from torch import nn

    from rife.network.ifnet import IFNet

REFERENCE_SIZE = (480, 720)
"""Height and width of the frame for which multiply-adds are counted."""

_CLASS_LIMITS = (("light", 20.0), ("medium", 40.0), ("heavy", 80.0))


@dataclass(frozen=True)
class NetworkFacts:
    """Size and cost of a network.

    Attributes:
        spec: specification of the network.
        refines: whether the numbers include refinement networks.
        parameters: number of parameters for inference.
        giga_multiply_adds: multiply-adds of the convolutions for one new frame of 720x480, in units of 1e9; without
            resizing and warping.
        time_class: light, medium, heavy or huge, by multiply-adds.
    """

    spec: NetworkSpec
    refines: bool
    parameters: int
    giga_multiply_adds: float
    time_class: str


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a named model.

    Attributes:
        name: name of the model.
        network: size and cost of its network.
        cached: path of its weights in the cache, or None.
        licence: SPDX identifier of the weights' licence.
        good_at: purpose, in one sentence.
        source: URL or package of the published file.
        sha256: hash of the published file.
        corroborated: confirmation of the hash by other sources.
        compared: whether frames of this package were compared with those of the published code.
    """

    name: str
    network: NetworkFacts
    cached: Path | None
    licence: str
    good_at: str
    source: str
    sha256: str
    corroborated: str
    compared: bool


@dataclass(frozen=True)
class FileFacts:
    """Facts of a weights file."""

    path: Path
    label: str
    network: NetworkFacts
    tensors: int
    parameters: int


@cache
def network_facts(name: str, *, refine: bool = True) -> NetworkFacts:
    """Count a network's parameters and multiply-adds, without weights and without running it."""
    import torch

    from rife.network.ifnet import IFNet

    spec = SPECS[name]
    with torch.device("meta"):
        network = IFNet(spec, refine=refine)
    giga_multiply_adds = _multiply_adds(network) / 1e9
    parameters = sum(parameter.numel() for parameter in network.parameters())
    time_class = next((label for label, limit in _CLASS_LIMITS if giga_multiply_adds < limit), "huge")
    return NetworkFacts(spec, network.refines, parameters, giga_multiply_adds, time_class)


def _multiply_adds(network: IFNet) -> int:
    """Multiply-adds of all convolutions for one new frame of `REFERENCE_SIZE`, without a restart on large motion."""
    spec = network.spec
    height, width = (length + -length % spec.pad_multiple for length in REFERENCE_SIZE)
    times = 2 if spec.ensemble == "always" else 1
    total, halvings = 0, 2 if spec.half_downsampling else 4
    for index, scale in enumerate(spec.scales):
        block = network.get_submodule(f"block{index}")
        # A block pads its input to a multiple of the strides of its first two convolutions.
        size = _multiple_of(height // scale, halvings), _multiple_of(width // scale, halvings)
        for part in block.children():
            made, after = _walked(part, size)
            total += times * made
            # The two branches of a head begin at the same size.
            size = size if part in (getattr(block, "conv1", None), getattr(block, "conv2", None)) else after
    frames = [network.encode] if spec.encoder is not None else []
    frames += [network.contextnet] if network.refines else []
    total += 2 * sum(_walked(part, (height, width))[0] for part in frames)
    return total + (times * _walked(network.unet, (height, width))[0] if network.refines else 0)


def _multiple_of(length: float, multiple: int) -> int:
    return -(-int(length) // multiple) * multiple


def _walked(part: nn.Module, size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Multiply-adds of consecutive convolutions, and the size of their output."""
    from torch import nn

    total = 0
    for layer in part.modules():
        if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        stride, enlarges = layer.stride[0], isinstance(layer, nn.ConvTranspose2d)
        after = (size[0] * stride, size[1] * stride) if enlarges else (-(-size[0] // stride), -(-size[1] // stride))
        # A convolution applies its kernel once per output pixel, a transposed convolution once per input pixel.
        pixels = size if enlarges else after
        total += pixels[0] * pixels[1] * layer.weight.numel()
        size = after
    return total, size


def known_models() -> list[ModelFacts]:
    """Facts of every model of the catalogue."""
    rows, facts = [], _every_network()
    for entry in CATALOGUE.values():
        path = cached_path(entry)
        found = path if path.exists() else None
        rows.append(
            ModelFacts(
                entry.name,
                facts[entry.network],
                found,
                entry.licence,
                entry.good_at,
                source=entry.source.label,
                sha256=entry.source.sha256,
                corroborated=entry.corroborated,
                compared=entry.compared,
            )
        )
    return rows


def known_networks() -> list[NetworkFacts]:
    """Facts of every network that can be recognised."""
    return list(_every_network().values())


@cache
def _every_network() -> dict[str, NetworkFacts]:
    """Facts of all networks, cached on disk for this version of the sources: counting needs PyTorch, a slow import."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in _sources())).hexdigest()[:16]
    path = cache_folder() / "networks" / f"{digest}.json"
    try:
        cached = {name: NetworkFacts(SPECS[name], **row) for name, row in json.loads(path.read_text("utf-8")).items()}
        if list(cached) == list(SPECS):
            return cached
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # a damaged file counts as missing
    counted = {name: network_facts(name) for name in SPECS}
    fields = ("refines", "parameters", "giga_multiply_adds", "time_class")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing_whole(path) as temporary:
            rows = {name: {field: getattr(facts, field) for field in fields} for name, facts in counted.items()}
            temporary.write_text(json.dumps(rows), "utf-8")
    except OSError:
        pass  # the next start only takes longer
    return counted


def _sources() -> list[Path]:
    """Source files that determine the numbers."""
    return [Path(__file__), *source_files("rife.network.ifnet")]


def describe(path: str | Path, *, network: str | None = None) -> FileFacts:
    """Facts of a weights file.

    Raises:
        CheckpointError: the file is not recognised.
    """
    from rife.weights.load import load_file

    path = parse_path(path, "file")
    weights = load_file(path, network=network)
    parameters = sum(tensor.numel() for tensor in weights.state.values())
    found = weights.recognised
    facts = network_facts(found.spec.name, refine=found.refine)
    return FileFacts(path, found.label, facts, len(weights.state), parameters)
