"""`rife analyze`: what a video is before frames are made."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rife.cli.arguments import Input, Json
from rife.cli.report import Reporter
from rife.errors import JobError

if TYPE_CHECKING:
    from rife.analysis.record import Survey

_CUTS_SHOWN = 20


def analyze(
    source: Input,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file to write, whose cuts can be edited.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG to write: change over time, cuts and repeats.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    json_lines: Json = False,
) -> None:
    """Find the cuts, the repeated frames and the motion of INPUT, without making a frame."""
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.samples import resolve_input

        path = resolve_input(source)
        for target in (output, plot):
            _check_target(target, path, overwrite=overwrite)
        found = _survey(path, reporter)
        if output is not None:
            _write(output, found.to_json())
        _report(found, path, reporter)


def _check_target(target: Path | None, source: Path, *, overwrite: bool) -> None:
    """Refuse at once what could not be written in the end."""
    if target is None:
        return
    if target.is_dir():
        raise JobError(f"{target}: expected a file name, got a folder.")
    if not target.parent.is_dir():
        raise JobError(f"{target}: there is no folder {target.parent}. Make it first.")
    if target.exists() and source.exists() and target.samefile(source):
        raise JobError(f"{target}: this is the input. Name another file.")
    if target.exists() and not overwrite:
        raise JobError(f"{target}: exists already. Name another file, or replace it with --overwrite.")


def _survey(path: Path, reporter: Reporter) -> Survey:
    from rife.analysis.survey import survey
    from rife.media.reader import VideoReader
    from rife.pipeline import Progress

    started = time.monotonic()
    with VideoReader(path) as source, reporter.progress():
        total = source.info.frames

        def step(frames: int) -> None:
            reporter.step(Progress("survey", frames, total, time.monotonic() - started))

        return survey(source, on_progress=step)


def _write(target: Path, text: str) -> None:
    from rife.cache import appearing_whole

    try:
        with appearing_whole(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as err:
        raise JobError(f"{target}: cannot be written ({err.strerror or err}).") from err


def _report(found: Survey, path: Path, reporter: Reporter) -> None:
    cuts = [{"frame": frame, "seconds": round(float(found.seconds(frame)), 3)} for frame in found.cuts]
    repeated = sum(interval.repeated for interval in found.intervals)
    seconds = float((found.pts[-1] + found.last_duration - found.pts[0]) * found.time_base)
    reporter.event("survey", frames=len(found.pts), seconds=round(seconds, 3), cuts=cuts, repeated=repeated)
    if reporter.json_lines:
        return
    typer.echo(f"{path}: {len(found.pts)} frames, {seconds:.2f} s")
    shown = ", ".join(f"{cut['frame']} ({cut['seconds']:.2f} s)" for cut in cuts[:_CUTS_SHOWN])
    more = f" and {len(cuts) - _CUTS_SHOWN} more" if len(cuts) > _CUTS_SHOWN else ""
    typer.echo(f"cuts       {len(cuts)}" + (f": {shown}{more}" if cuts else ""))
    typer.echo(f"repeated   {repeated} frames")
