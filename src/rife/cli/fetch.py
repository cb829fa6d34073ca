"""`rife fetch`: weights and clips for work without a network."""

from __future__ import annotations

from typing import Annotated

import typer

from rife.cli.report import Reporter
from rife.weights.catalogue import CATALOGUE


def fetch(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models to fetch; all by default.", metavar="MODEL")
    ] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Fetch the sample clips too.")] = False,
) -> None:
    """Fetch published weights (and sample clips) into the cache, for work without a network."""
    reporter = Reporter(json_lines=False)
    with reporter.errors():
        from rife.assets.samples import SAMPLES, sample_path
        from rife.weights.load import fetch as fetch_model

        for name in models or CATALOGUE:
            typer.echo(f"{name}: {fetch_model(name)}")
        for name in SAMPLES if samples else ():
            typer.echo(f"{name}: {sample_path(name)}")
