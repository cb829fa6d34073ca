"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from rife.weights.catalogue import CATALOGUE

Input = Annotated[str, typer.Argument(help="Video file, or sample:bikes for a clip to try.", metavar="INPUT")]
Model = Annotated[
    str,
    typer.Option(
        help=f"Model name ({', '.join(CATALOGUE)}), path of a checkpoint, or hf:owner/repo/file.",
        metavar="NAME|PATH",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...; auto takes an NVIDIA GPU if there is one.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON line for each event.")]
