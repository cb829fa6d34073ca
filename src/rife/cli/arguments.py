"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from rife.cli.words import on_the_command_line
from rife.errors import CheckpointError
from rife.network.specs import spec_named
from rife.options import EngineName, FlowScale, Precision
from rife.weights.catalogue import CATALOGUE

Input = Annotated[
    str,
    typer.Argument(
        help="Video file, animation, folder or pattern of pictures, - for y4m on standard input; sample:bikes to try.",
        metavar="INPUT",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help=f"Model name ({', '.join(CATALOGUE)}), path of a checkpoint, or hf:owner/repo/file.",
        metavar="NAME|PATH",
    ),
]


def _known_network(name: str | None) -> str | None:
    if name is not None:
        try:
            spec_named(name)
        except CheckpointError as err:
            raise typer.BadParameter(err.worded(on_the_command_line)) from err
    return name


Network = Annotated[
    str | None,
    typer.Option(
        help="Network that the weights are for, where their tensors do not tell (IFNet_2R).",
        metavar="NAME",
        callback=_known_network,
    ),
]
Scale = Annotated[
    FlowScale, typer.Option(help="Size at which flow is estimated; auto decides by size and motion of each pair.")
]
Ensemble = Annotated[bool, typer.Option("--ensemble", help="Average both frame orders, where the network has it.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...; auto takes an NVIDIA GPU if there is one.")]
Engine = Annotated[
    EngineName,
    typer.Option(
        help="On a processor, auto takes openvino where that multiplies bf16, else native (extra cpu), else torch."
    ),
]
Arithmetic = Annotated[
    Precision,
    typer.Option("--precision", help="auto is bf16 with OpenVINO on a processor that multiplies it, else float32."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON line for each event.")]
