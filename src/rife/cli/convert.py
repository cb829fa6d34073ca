"""`rife convert`: any recognised checkpoint to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rife.cli.arguments import Network
from rife.cli.report import Reporter


def convert(
    file: Annotated[Path, typer.Argument(help="Checkpoint: .pkl, .pth or .safetensors.", metavar="FILE")],
    output: Annotated[Path, typer.Argument(help="File to write.", metavar="OUT.safetensors")],
    half: Annotated[bool, typer.Option("--half", help="Store float16: half the size.")] = False,
    network: Network = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Write a recognised checkpoint as safetensors, with network, source hash and licence in its metadata."""
    reporter = Reporter(json_lines=False)
    with reporter.errors():
        from rife.weights.convert import convert as convert_weights

        weights = convert_weights(file, output, half=half, network=network, overwrite=overwrite)
        typer.echo(f"{output}: {weights.recognised.label}")
