"""Conversion of a recognised checkpoint to safetensors, with its network, hash and licence in the metadata."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor

from rife.atomic import appearing_whole
from rife.errors import REPLACE, CheckpointError, Hint
from rife.options import parse_path
from rife.weights.catalogue import CATALOGUE
from rife.weights.load import Weights, load_file, write_safetensors
from rife.weights.read import read_metadata


def convert(
    source: str | Path, output: str | Path, *, half: bool = False, network: str | None = None, overwrite: bool = False
) -> Weights:
    """Write the inference tensors of a checkpoint as safetensors.

    The metadata names the network, the sha256 of the source file, and the licence, which is known only for files of
    the catalogue.

    Args:
        source: a checkpoint of any network in `rife.network.specs.SPECS`.
        output: file to write, with the extension .safetensors.
        half: store float16, half the size.
        network: name of the network, if the tensors alone do not determine it.
        overwrite: replace an existing output.

    Raises:
        CheckpointError: the source is not recognised, or the output cannot be written.
    """
    source, output = parse_path(source, "source"), parse_path(output, "output")
    if output.suffix != ".safetensors":
        raise CheckpointError(f"{output}: expected a name that ends in .safetensors.")
    if output.exists() and not overwrite:
        raise CheckpointError(f"{output}: exists already.", hint=REPLACE)
    weights = load_file(source, network=network)
    metadata = {"network": weights.recognised.spec.name, **_provenance(source)}
    state = {key: _half(key, tensor, source) for key, tensor in weights.state.items()} if half else weights.state
    try:
        with appearing_whole(output) as temporary:
            write_safetensors(temporary, state, metadata)
    except OSError as err:
        raise CheckpointError(f"{output}: cannot be written ({err.strerror or err}).") from err
    return weights


def _provenance(source: Path) -> dict[str, str]:
    """Origin of a file: its own metadata if it names a file of the catalogue, else its hash."""
    licences = {entry.source.sha256: entry.licence for entry in CATALOGUE.values()}
    own = read_metadata(source)
    if own.get("source_sha256") in licences:
        return {key: own[key] for key in ("source", "source_sha256", "licence") if key in own}
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    return {"source_sha256": sha256, "licence": licences.get(sha256, "unknown")}


def _half(key: str, tensor: Tensor, source: Path) -> Tensor:
    out = tensor.half()
    if not bool(out.isfinite().all()):
        raise CheckpointError(
            f"{source}: {key} holds numbers beyond 65504, too large for float16.", hint=Hint("Leave out {half}.")
        )
    return out
