"""`rife sheet`: a picture of before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rife.cli.arguments import Input
from rife.cli.report import Reporter


def sheet(
    before: Input,
    after: Annotated[Path, typer.Argument(help="The interpolated video, animation or folder.", metavar="AFTER")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG or JPEG to write.")],
    at: Annotated[float | None, typer.Option(help="Seconds from the start; by default a lively moment.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing sheet.")] = False,
) -> None:
    """Draw a contact sheet of a video before and after, over the same moment."""
    reporter = Reporter(json_lines=False)
    with reporter.errors():
        from rife.assets.samples import resolve_input
        from rife.reports.contact_sheet import contact_sheet

        contact_sheet(resolve_input(before), after, output, at_seconds=at, overwrite=overwrite)
