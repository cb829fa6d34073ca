"""A model's name or path in, an interpolator out."""

from __future__ import annotations

from pathlib import Path

import torch

from rife.engines import forks
from rife.errors import OptionError
from rife.interpolation.interpolator import Interpolator
from rife.options import EngineName, Number, Precision, Refine, Tile
from rife.weights.catalogue import DEFAULT_MODEL
from rife.weights.load import load_network


@forks.guarded
def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    refine: Refine = "full",
    scale: Number = "1",
    ensemble: bool = False,
    network: str | None = None,
    device: str | torch.device = "auto",
    engine: EngineName = "auto",
    precision: Precision = "auto",
    tile: Tile | Number = "auto",
    memory: Number | None = None,
) -> Interpolator:
    """Load a model, fetching published weights the first time.

    Args:
        model: a name of the catalogue, a path to weights, or `hf:owner/repo/file`.
        network: the network that the weights are for, where their tensors do not tell (IFNet_2R).
        refine: this and all that follows: as for `Interpolator`.
        scale: likewise.
        ensemble: likewise.
        device: likewise.
        engine: likewise.
        precision: likewise.
        tile: likewise.
        memory: likewise.

    Raises:
        CheckpointError: the weights cannot be had, read, recognised or trusted.
        OptionError: a choice or a device that is not known.
        JobError: one that is impossible here, or an ensemble that the network does not have.
        MissingExtraError: what the engine needs is not installed.
    """
    built = load_network(model, refine=refine != "off", network=network)
    return Interpolator(
        built,
        refine=refine,
        scale=scale,
        ensemble=ensemble,
        device=device,
        engine=engine,
        precision=precision,
        tile=tile,
        memory=memory,
    )


def as_interpolator(value: Interpolator | str | Path | None) -> Interpolator:
    """Take an interpolator as it is; load what is named; the default model for None.

    Raises:
        OptionError: neither an interpolator nor a name or a path.
        CheckpointError: what is named cannot be loaded.
    """
    if value is None or isinstance(value, (str, Path)):
        return load() if value is None else load(value)
    if not hasattr(value, "between"):
        raise OptionError(
            f"interpolator: expected what rife.load returns, or the name or the path of a model, got {value!r:.60}. "
            "rife.Interpolator(network) puts a network of your own to work."
        )
    return value
