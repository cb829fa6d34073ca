"""The command line: a thin layer that parses words, calls the API, and reports.

Nothing heavy is imported before a command runs, so that help is instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rife import __version__
from rife.cli.report import Reporter
from rife.options import DEFAULT_CRF, Refine
from rife.timing import MAX_FACTOR, MIN_FACTOR
from rife.weights.catalogue import CATALOGUE, DEFAULT_MODEL

app = typer.Typer(
    name="rife",
    help="Make a video smoother: rife makes the frames in between.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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


@app.command()
def interpolate(
    source: Input,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; by default INPUT with the factor in its name."),
    ] = None,
    factor: Annotated[
        int, typer.Option(min=MIN_FACTOR, max=MAX_FACTOR, help="Output frames for each source frame.")
    ] = 2,
    model: Model = DEFAULT_MODEL,
    refine: Annotated[
        Refine, typer.Option(help="full corrects warped frames with the refinement networks; off is faster.")
    ] = "full",
    crf: Annotated[
        int, typer.Option(min=0, max=51, help="Encoder quality; lower is better and larger.")
    ] = DEFAULT_CRF,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    keep_partial: Annotated[
        bool,
        typer.Option("--keep-partial", help="Of a truncated input, keep what can be made as NAME.partial.EXT."),
    ] = False,
    json_lines: Json = False,
) -> None:
    """Write INPUT with FACTOR frames for each of its own, at FACTOR times its rate.

    The output lasts as long as the input; sound and subtitles are copied. Weights are fetched the first time.
    """
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.interpolator import load
        from rife.pipeline import check_job, default_output, interpolate_video
        from rife.samples import SAMPLE_PREFIX, resolve_input

        path = resolve_input(source)
        # A sample lies in the cache; its result belongs where the user is.
        target = output or (
            Path(default_output(path, factor).name)
            if source.startswith(SAMPLE_PREFIX)
            else default_output(path, factor)
        )
        check_job(path, target, overwrite=overwrite)
        reporter.event("start", input=str(path), output=str(target), factor=factor, model=model, refine=refine)
        worker = load(model, refine=refine, device=device)
        with reporter.progress():
            result = interpolate_video(
                path,
                target,
                factor=factor,
                interpolator=worker,
                overwrite=overwrite,
                keep_partial=keep_partial,
                crf=crf,
                on_progress=reporter.step,
            )
        for note in result.notes:
            reporter.warn(note)
        reporter.event(
            "done",
            output=str(result.path),
            source_frames=result.source_frames,
            output_frames=result.output_frames,
            frame_rate=str(result.frame_rate),
            duration_seconds=round(float(result.duration_seconds), 6),
            seconds=round(result.seconds, 3),
        )
        reporter.say(
            f"{result.path}: {result.source_frames} -> {result.output_frames} frames, "
            f"{float(result.frame_rate):.2f} fps, {float(result.duration_seconds):.2f} s, "
            f"made in {result.seconds:.1f} s"
        )


@app.command()
def evaluate(
    source: Input,
    frames: Annotated[int, typer.Option(min=3, help="How many frames of the clip to use.")] = 60,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    json_lines: Json = False,
) -> None:
    """Hide every second frame of INPUT, make it, and print how close it comes (PSNR).

    Scores the model with and without its refinement, and linear blending.
    """
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.evaluate.heldout import score_held_out
        from rife.interpolator import load
        from rife.samples import resolve_input

        path = resolve_input(source)
        full = load(model, device=device)
        workers = {f"{model}, refine off": load(model, refine="off", device=device)} if full.refine else {}
        workers[f"{model}, refine full" if full.refine else model] = full
        for score in score_held_out(path, workers, frames=frames):
            reporter.event("score", method=score.method, psnr_db=round(score.psnr_db, 4), frames=score.frames)
            if not json_lines:
                typer.echo(f"{score.method:<24} {score.psnr_db:7.3f} dB   (mean of {score.frames} hidden frames)")


@app.command()
def sheet(
    before: Input,
    after: Annotated[Path, typer.Argument(help="The interpolated video.", metavar="AFTER")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")],
    at: Annotated[float | None, typer.Option(help="Seconds from the start; by default a lively moment.")] = None,
) -> None:
    """Draw a contact sheet (PNG) of a video before and after, over the same moment."""
    reporter = Reporter(json_lines=False)
    with reporter.errors():
        from rife.inspect.sheet import contact_sheet
        from rife.samples import resolve_input

        contact_sheet(resolve_input(before), after, output, at_seconds=at)


@app.command()
def fetch(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models to fetch; all by default.", metavar="MODEL")
    ] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Fetch the sample clips too.")] = False,
) -> None:
    """Fetch published weights (and sample clips) into the cache, for work without a network."""
    reporter = Reporter(json_lines=False)
    with reporter.errors():
        from rife.samples import SAMPLES, sample_path
        from rife.weights.load import fetch as fetch_model

        for name in models or CATALOGUE:
            typer.echo(f"{name}: {fetch_model(name)}")
        for name in SAMPLES if samples else ():
            typer.echo(f"{name}: {sample_path(name)}")


def main() -> None:
    """Run the command line."""
    app()
