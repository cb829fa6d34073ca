"""`rife analyze`: the cuts, repeated frames and motion of a video."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rife.cli.arguments import Input, Json
from rife.cli.report import Reporter
from rife.errors import JobError
from rife.options import OnDamage

if TYPE_CHECKING:
    from rife.analysis.record import Survey

_SHOWN = 20


def analyze(
    source: Input,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file to write, whose cuts can be edited.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG to write: change over time, cuts and repeats.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    on_damage: Annotated[
        OnDamage,
        typer.Option(
            help="Where INPUT cannot be decoded, stop, or hold the frame before and continue after the damage."
        ),
    ] = "stop",
    json_lines: Json = False,
) -> None:
    """Find the cuts, the repeated frames and the motion of INPUT, without making a frame."""
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.assets.samples import resolve_input

        path = resolve_input(source)
        _check_targets(output, plot, path, overwrite=overwrite)
        found = _survey(path, reporter, on_damage=on_damage)
        if output is not None:
            _write(output, found.to_json())
        if plot is not None:
            from rife.reports.timeline import draw_timeline

            draw_timeline(found, plot, title=path.name, overwrite=overwrite)
        _report(found, path, reporter)


def _check_targets(output: Path | None, plot: Path | None, source: Path, *, overwrite: bool) -> None:
    """Check, before the video is read, that the files can be written."""
    for target in (output, plot):
        if target is None:
            continue
        if target.is_dir():
            raise JobError(f"{target}: expected a file name, got a folder.")
        if not target.parent.is_dir():
            raise JobError(f"{target}: there is no folder {target.parent}. Create it first.")
        if target.exists() and source.exists() and target.samefile(source):
            raise JobError(f"{target}: this is the input. Name another file.")
        if target.exists() and not overwrite:
            raise JobError(f"{target}: exists already. Name another file, or replace it with --overwrite.")
    if output is not None and plot is not None and output.absolute() == plot.absolute():
        raise JobError(f"{output}: named for both the list and the plot. Name two files.")
    if plot is not None:
        from rife.reports.timeline import check_plot

        check_plot(plot, overwrite=overwrite)


def _survey(path: Path, reporter: Reporter, *, on_damage: OnDamage) -> Survey:
    from rife.analysis.survey import survey
    from rife.media.open_source import open_source
    from rife.media.source import OneSize
    from rife.pipeline import Progress

    started = time.monotonic()
    with open_source(path, on_damage=on_damage) as source, reporter.progress():
        total = source.info.frames

        def step(frames: int) -> None:
            reporter.step(Progress("survey", frames, total, time.monotonic() - started))

        found = survey(OneSize(source), on_progress=step)
        notes = list(getattr(source, "notes", ()))
    for note in notes:
        reporter.warn(note)
    if len(found.pts) < 2:  # as `rife interpolate` refuses it
        raise JobError(f"{path}: has one frame; making frames in between needs at least two.")
    return found


def _write(target: Path, text: str) -> None:
    from rife.atomic import appearing_whole

    try:
        with appearing_whole(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as err:
        raise JobError(f"{target}: cannot be written ({err.strerror or err}).") from err


def _report(found: Survey, path: Path, reporter: Reporter) -> None:
    from rife.analysis.retime import stills

    cuts = [_named(found, frame) for frame in found.cuts]
    repeated = sum(interval.repeated for interval in found.intervals)
    seconds = float((found.pts[-1] + found.last_duration - found.pts[0]) * found.time_base)
    rhythms = _rhythms(found)
    still = [{"first": _named(found, run.first), "last": _named(found, run.last)} for run in stills(found)]
    reporter.event(
        "survey",
        input=str(path),
        frames=len(found.pts),
        seconds=round(seconds, 3),
        cuts=cuts,
        repeated=repeated,
        cadences=[{"name": name, "frames": frames} for name, frames in rhythms],
        stills=still,
    )
    if reporter.json_lines:
        return
    typer.echo(f"{path}: {len(found.pts)} frames, {seconds:.2f} s")
    _echo("cuts", [f"{cut['frame']} ({cut['seconds']:.2f} s)" for cut in cuts])
    _echo("stills", [f"{run['first']['seconds']:.2f} to {run['last']['seconds']:.2f} s" for run in still])
    typer.echo(f"repeated   {repeated} frames" + "".join(f", {name}: {frames} frames" for name, frames in rhythms))


def _echo(what: str, items: list[str]) -> None:
    more = f", and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    typer.echo(f"{what:<10} {len(items) or 'none'}" + (": " if items else "") + ", ".join(items[:_SHOWN]) + more)


def _named(found: Survey, frame: int) -> dict[str, float]:
    return {"frame": frame, "seconds": round(float(found.seconds(frame)), 3)}


def _rhythms(found: Survey) -> list[tuple[str, int]]:
    """Cadences by name, with the number of frames in each, the longest first."""
    from rife.analysis.retime import cadences

    frames: Counter[str] = Counter()
    shown = found.pts[-1] + found.last_duration - found.pts[0]
    rate = len(found.pts) / (shown * found.time_base)
    for cadence in cadences(found):
        frames[cadence.name(rate)] += cadence.runs[-1].last - cadence.runs[0].first + 1
    return frames.most_common()
