"""`rife interpolate`: the main job."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rife.cli.arguments import Arithmetic, Device, Engine, Ensemble, Input, Json, Model, Network, Scale
from rife.cli.job_options import with_job_options
from rife.cli.report import Reporter
from rife.options import Refine, parse_memory, parse_path, parse_tile
from rife.weights.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from rife.pipeline import JobSettings, VideoResult


@with_job_options
def interpolate(
    source: Input,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write (mp4, mkv, mov, webm, 3gp, gif, webp, apng, y4m), folder or pattern for pictures, or - "
            "for y4m on standard output; by default beside INPUT, with the factor in its name.",
        ),
    ] = None,
    model: Model = DEFAULT_MODEL,
    refine: Annotated[
        Refine, typer.Option(help="full corrects warped frames with the refinement networks; off is faster.")
    ] = "full",
    scale: Scale = "1",
    ensemble: Ensemble = False,
    network: Network = None,
    device: Device = "auto",
    tile: Annotated[
        str,
        typer.Option(
            help="Render frames in tiles: auto (frames too large for the memory), off, or their side in pixels."
        ),
    ] = "auto",
    memory: Annotated[
        str | None, typer.Option(help="Memory for the network: 4G, 512M, ...; 1.6 GB by default.", metavar="SIZE")
    ] = None,
    engine: Engine = "auto",
    precision: Arithmetic = "auto",
    json_lines: Json = False,
    **options: Any,  # noqa: ANN401 (the options of a job, which JobSettings declares and checks)
) -> None:
    """Write INPUT with more frames: FACTOR for each of its own, a constant rate, or slow motion.

    The output lasts as long as the input; sound, subtitles and the like are copied. The same command
    continues an interrupted job after its last finished segment. Weights are fetched the first time.
    """
    reporter = Reporter(json_lines=json_lines, output_is_piped=output == Path("-"))
    with reporter.errors():
        from rife.assets.samples import resolve_input
        from rife.cli.malloc import keep_freed_memory
        from rife.interpolation.load import load
        from rife.media.paths import parse_input, parse_output
        from rife.pipeline import JobSettings, check_job, run_job, work_folder

        keep_freed_memory()
        settings = JobSettings(**options)
        settings.check()
        tile_px, memory_bytes = parse_tile(tile), None if memory is None else parse_memory(memory)
        path = resolve_input(source)
        target = _default_target(source, path, settings) if output is None else parse_path(output, "output")
        named = parse_output(target)
        check_job(parse_input(path), named, settings)
        reporter.event(
            "start",
            input=str(path),
            output=str(target),
            factor=settings.whole_factor,
            fps=settings.fps,
            model=model,
            refine=refine,
        )
        interpolator = load(
            model,
            refine=refine,
            scale=scale,
            ensemble=ensemble,
            network=network,
            device=device,
            engine=engine,
            precision=precision,
            tile=tile_px,
            memory=memory_bytes,
        )
        if interpolator.engine.preparation is not None:
            reporter.say(f"engine {interpolator.engine.label}: {interpolator.engine.preparation}")
        with reporter.unfinished(work_folder(named)), reporter.progress():
            result = run_job(
                path,
                target,
                settings=settings,
                interpolator=interpolator,
                on_progress=reporter.step,
                on_forecast=reporter.forecast,
            )
        _report(reporter, result)


def _default_target(source: str, path: Path, settings: JobSettings) -> Path:
    """Beside the input; for a sample clip, which lies in the cache, in the current folder."""
    from rife.assets.samples import SAMPLE_PREFIX
    from rife.pipeline import default_output

    target = default_output(path, settings)
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
        cuts=result.cuts,
        frames_resumed=result.frames_resumed,
        seconds=round(result.seconds, 3),
        damage=[[round(float(at.start), 3), round(float(at.end), 3)] for at in result.damage],
        check=asdict(result.check),
    )
    check = result.check
    sound = ", ".join(f"{got:.3f} of {wanted:.3f} s" for got, wanted in check.sound)
    reporter.say(
        f"{result.path}: {result.source_frames} -> {result.output_frames} frames, {float(result.frame_rate):.2f} fps, "
        f"made in {result.seconds:.1f} s"
    )
    reporter.table(
        {
            "frames": f"{check.frames} of {check.frames_planned}",
            "times": f"at most {check.largest_time_error_seconds * 1000:.3f} ms off",
            "pictures": f"{check.picture_seconds:.3f} of {check.picture_seconds_planned:.3f} s",
            "sound": sound or "none",
            "cuts": str(result.cuts),
            "luma, new against source": f"{check.luma_step:+.3f} codes of 255",
        }
    )
