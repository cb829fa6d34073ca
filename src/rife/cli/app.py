"""The command line: a thin layer that parses words, calls the API, and reports.

Nothing heavy is imported before a command runs, so that help is instant.
"""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from rife import __version__
from rife.cli import models
from rife.cli.analyze import analyze
from rife.cli.convert import convert
from rife.cli.doctor import doctor
from rife.cli.evaluate import evaluate
from rife.cli.fetch import fetch
from rife.cli.interpolate import interpolate
from rife.cli.sheet import sheet

app = typer.Typer(
    name="rife",
    help="Raise the frame rate of videos by synthesising the frames in between.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rife {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for _command in (interpolate, analyze, evaluate, sheet, fetch, convert, doctor):
    app.command()(_command)
app.add_typer(models.app, name="models")


def main() -> None:
    """Run the command line; asked to terminate, it cleans up as it does when interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
