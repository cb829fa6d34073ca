"""`rife doctor`: facts for a report of a fault, and a self-test of every engine on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from rife.cli.arguments import Json
from rife.cli.report import EXIT_FAILED, Reporter

if TYPE_CHECKING:
    from rife.reports.doctor import EngineTest


def doctor(json_lines: Json = False) -> None:
    """Show versions, the processor, engines with a self-test of each, encoders and the cache: for a report of a fault.

    Exit code 1 if an engine that runs here does not make PyTorch's frame.
    """
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.reports import doctor as facts

        sections = {"versions": facts.versions(), "processor": facts.processor()}
        for name, rows in sections.items():
            reporter.event(name, **rows)
            _print(reporter, name, rows)
        gpus = facts.gpus()
        reporter.event("gpus", names=gpus)
        _print(reporter, "GPUs that PyTorch can use", dict.fromkeys(gpus, "") or {"none": ""})
        engine, reason = facts.automatic()
        reporter.event("automatic", engine=engine, reason=reason)
        _print(reporter, "engine auto", {engine: reason})
        wrong = _test_engines(reporter)
        encoders = facts.encoders()
        reporter.event("encoders", **encoders)
        opening = ", ".join(name for name, problem in encoders.items() if not problem)
        _print(reporter, "encoders", {"open": opening, **{name: why for name, why in encoders.items() if why}})
        root, folders = facts.cache_folders()
        reporter.event("cache", folder=str(root), folders=[asdict(folder) for folder in folders])
        kept = {folder.name: f"{folder.files} files, {folder.size_bytes / 1e6:.1f} MB" for folder in folders}
        _print(reporter, f"cache: {root}", kept or {"empty": ""})
        if wrong:
            reporter.warn(f"engine {', '.join(wrong)}: not PyTorch's frame. Please report this page.")
            raise typer.Exit(EXIT_FAILED)


def _test_engines(reporter: Reporter) -> list[str]:
    """Show the self-test of each engine; name those that are wrong."""
    from rife.reports import doctor as facts

    _print(reporter, f"engines, self-test with {facts.network()[1]}", {})
    wrong = []
    for test in facts.engine_tests():
        reporter.event("engine", **asdict(test))
        _print(reporter, "", {test.engine: _described(test)})
        if not test.right:
            wrong.append(test.engine)
    return wrong


def _described(test: EngineTest) -> str:
    if not test.runs:
        return f"does not run: {test.reason}"
    agreement = "the reference" if test.db is None else f"{test.db} dB to torch float32"
    agreement = agreement if test.right else f"WRONG: {agreement}"
    return f"{agreement}; {test.seconds} s for a frame of 256x256, {test.first_seconds} s for the first"


def _print(reporter: Reporter, title: str, rows: dict[str, str]) -> None:
    if reporter.json_lines:
        return
    if title:
        typer.echo(f"{title}:")
    for name, value in rows.items():
        typer.echo(f"  {name:<20} {value}".rstrip())
