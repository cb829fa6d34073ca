"""`rife interpolate`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rife.cli.arguments import Device, Ensemble, Input, Json, Model, Network, Scale
from rife.cli.report import Reporter
from rife.options import DEFAULT_CRF, Refine
from rife.timing import MAX_FACTOR, MIN_FACTOR
from rife.weights.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from rife.pipeline import VideoResult


def interpolate(
    source: Input,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; by default INPUT with the factor in its name."),
    ] = None,
    factor: Annotated[
        int | None,
        typer.Option(min=MIN_FACTOR, max=MAX_FACTOR, help="Output frames for each source frame; 2 by default."),
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(help="Constant frame rate instead of a factor: 60, 60000/1001, ntsc, ...", metavar="RATE"),
    ] = None,
    model: Model = DEFAULT_MODEL,
    refine: Annotated[
        Refine, typer.Option(help="full corrects warped frames with the refinement networks; off is faster.")
    ] = "full",
    scale: Scale = "1",
    ensemble: Ensemble = False,
    network: Network = None,
    crf: Annotated[
        int, typer.Option(min=0, max=51, help="Encoder quality; lower is better and larger, 0 is lossless.")
    ] = DEFAULT_CRF,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    keep_partial: Annotated[
        bool,
        typer.Option("--keep-partial", help="Of a truncated input, keep what can be made as NAME.partial.EXT."),
    ] = False,
    json_lines: Json = False,
) -> None:
    """Write INPUT with more frames: FACTOR for each of its own, or a constant rate.

    The output lasts as long as the input; sound and subtitles are copied. Weights are fetched the first time.
    """
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.interpolator import load
        from rife.pipeline import check_job, interpolate_video
        from rife.samples import resolve_input

        path = resolve_input(source)
        target = output or _default_target(source, path, factor, fps)
        check_job(path, target, overwrite=overwrite, keep_partial=keep_partial)
        reporter.event("start", input=str(path), output=str(target), factor=factor, fps=fps, model=model, refine=refine)
        worker = load(model, refine=refine, scale=scale, ensemble=ensemble, network=network, device=device)
        with reporter.progress():
            result = interpolate_video(
                path,
                target,
                factor=factor,
                frame_rate=fps,
                interpolator=worker,
                overwrite=overwrite,
                keep_partial=keep_partial,
                crf=crf,
                on_progress=reporter.step,
            )
        _report(reporter, result)


def _default_target(source: str, path: Path, factor: int | None, fps: str | None) -> Path:
    """Beside the input; for a sample, which lies in the cache, in the current folder."""
    from rife.pipeline import default_output
    from rife.samples import SAMPLE_PREFIX

    target = default_output(path, factor=factor or 2, frame_rate=fps)
    return Path(target.name) if source.startswith(SAMPLE_PREFIX) else target


def _report(reporter: Reporter, result: VideoResult) -> None:
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
        f"{float(result.frame_rate):.2f} fps, {float(result.duration_seconds):.2f} s, made in {result.seconds:.1f} s"
    )
