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
        help="Network of the weights, where their tensors fit several (IFNet_2R).",
        metavar="NAME",
        callback=_known_network,
    ),
]
Scale = Annotated[
    FlowScale, typer.Option(help="Relative size at which flow is estimated; auto chooses it for each pair of frames.")
]
Ensemble = Annotated[
    bool, typer.Option("--ensemble", help="Average the results of both frame orders, where the network allows it.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...; auto is an NVIDIA GPU if there is one.")]
Engine = Annotated[
    EngineName,
    typer.Option(help="On a CPU, auto is openvino where the CPU has bf16, else native (extra cpu), else torch."),
]
Arithmetic = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Arithmetic of the convolutions; auto is bf16 with OpenVINO where the CPU has it, else float32.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON line for each event.")]
