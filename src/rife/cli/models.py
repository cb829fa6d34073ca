"""`rife models`: the known models and networks, and the network of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rife.cli.arguments import Json, Network
from rife.cli.report import Reporter

if TYPE_CHECKING:
    from rich.table import Table

    from rife.reports.models import NetworkFacts

app = typer.Typer(help="List known models and networks; show the network of a weights file.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json_lines: Json = False) -> None:
    """List models that have a name, and networks that a file can be recognised as."""
    if context.invoked_subcommand is not None:
        return
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.reports.models import known_models, known_networks

        named, networks = known_models(), known_networks()
        for row in named:
            cached = str(row.cached) if row.cached else None
            origin = {
                field: getattr(row, field) for field in ("source", "sha256", "corroborated", "compared", "licence")
            }
            reporter.event("model", name=row.name, cached=cached, **origin, **_fields(row.network))
        for facts in networks:
            reporter.event("network", name=facts.spec.name, **_fields(facts))
        if json_lines:
            return
        table = _table(
            "Models (rife interpolate --model NAME; work: billion multiply-adds for a new frame of 720x480)",
            *("model", "work", "cached", "compared", "licence", "good at"),
        )
        for row in named:
            size = f"{row.cached.stat().st_size / 1e6:.0f} MB" if row.cached else "no"
            work, compared = f"{row.network.giga_multiply_adds:.0f}", "yes" if row.compared else "no"
            table.add_row(row.name, work, size, compared, row.licence, row.good_at)
        _print(table)
        typer.echo(
            "compared: frames of this package and of the published code were compared. The other models stand at\n"
            "public addresses and were never compared. On a clip of your own: rife evaluate VIDEO --model NAME\n"
        )
        _print(_network_table(networks))


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="Checkpoint: .pkl, .pth or .safetensors.", metavar="FILE")],
    network: Network = None,
    json_lines: Json = False,
) -> None:
    """Show the network of a weights file, the releases that share it, and its number of parameters."""
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.reports.models import describe

        facts = describe(file, network=network)
        fields = {**_fields(facts.network), "tensors": facts.tensors, "parameters": facts.parameters}
        reporter.event("file", path=str(file), recognised=facts.label, **fields)
        if not json_lines:
            typer.echo(f"{file}: {facts.label}")
            for name, value in fields.items():
                shown = ", ".join(value) if isinstance(value, tuple) else value
                typer.echo(f"  {name.replace('_', ' '):<22} {shown}")


def _fields(facts: NetworkFacts) -> dict[str, object]:
    spec = facts.spec
    return {
        "releases": spec.releases,
        "parameters": facts.parameters,
        "giga_multiply_adds": round(facts.giga_multiply_adds, 1),
        "time_class": facts.time_class,
        "refines": facts.refines,
        "any_time": spec.any_time,
        "ensemble": spec.ensemble,
    }


def _network_table(networks: list[NetworkFacts]) -> Table:
    table = _table(
        "Networks (size: million parameters; work: billion multiply-adds for a new frame of 720x480)",
        *("network", "releases", "size", "work", "class", "refines", "any t", "ensemble"),
    )
    for facts in networks:
        spec = facts.spec
        yes_no = ["yes" if value else "no" for value in (facts.refines, spec.any_time)]
        work = f"{facts.giga_multiply_adds:.0f}"
        parameters = f"{facts.parameters / 1e6:.1f}"
        table.add_row(spec.name, " ".join(spec.releases), parameters, work, facts.time_class, *yes_no, spec.ensemble)
    return table


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        wraps = column in ("releases", "good at")
        table.add_column(column, no_wrap=not wraps, overflow="fold", min_width=10 if wraps else None)
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    # A pipe has no width of its own: nothing is cut there.
    console = Console() if Console().is_terminal else Console(width=160)
    console.print(table)
