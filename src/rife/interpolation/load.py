"""Loads a model by name or path, and returns an interpolator."""

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
        refine: `full` corrects the merged frames where the network can; `off` does not, and is faster.
        scale: size of the pictures on which flow is estimated, relative to the frame: `1`, `0.5`, `0.25`, `2`, or
            `auto`, which decides for each pair.
        ensemble: average both frame orders: twice the work.
        network: the network that the weights are for, if their tensors do not determine it (IFNet_2R).
        device: `auto`, `cpu`, `cuda`, ...; `auto` takes an NVIDIA GPU if PyTorch sees one.
        engine: what runs the network; `auto` takes the fastest one for this processor.
        precision: `auto`, `float32` or `bf16`.
        tile: side in pixels of the tiles in which a frame is made; `auto` uses tiles for frames that do not fit into
            memory, `off` never does.
        memory: what the network may use, as a number or text such as `4G`; 1.6 GB by default.

    Returns:
        An interpolator; call it with two frames, or hand it to `interpolate` or `interpolate_video`.

    Raises:
        CheckpointError: the weights cannot be fetched, read, recognised or trusted.
        OptionError: an unknown choice or device.
        JobError: a choice that is impossible here, or an ensemble that the network does not have.
        MissingExtraError: a library that the engine needs is not installed.
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
