"""`rife interpolate`: the main job."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rife.cli.arguments import Arithmetic, Device, Engine, Ensemble, Input, Json, Model, Network, Scale
from rife.cli.report import Reporter
from rife.options import (
    DEFAULT_CRF,
    MAX_CRF,
    AtCut,
    Duplicates,
    ImageFormat,
    OnDamage,
    Refine,
    Sound,
    parse_memory,
    parse_path,
    parse_tile,
)
from rife.timing import MAX_FACTOR, MIN_FACTOR
from rife.weights.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from rife.pipeline import JobSettings, VideoResult


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
    factor: Annotated[
        int | None,
        typer.Option(min=MIN_FACTOR, max=MAX_FACTOR, help="Output frames for each source frame; 2 by default."),
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(help="Constant frame rate instead of a factor: 60, 60000/1001, ntsc, ...", metavar="RATE"),
    ] = None,
    slowmo: Annotated[
        str | None, typer.Option(help="Slow motion: how many times slower, at the source's rate or --fps.", metavar="X")
    ] = None,
    sound: Annotated[
        Sound, typer.Option("--audio", help="In slow motion, leave sound out or stretch it at the same pitch.")
    ] = "drop",
    at_cut: Annotated[
        AtCut, typer.Option(help="Between both sides of a cut: hold the last frame before it, or mix both.")
    ] = "hold",
    cuts: Annotated[
        Path | None, typer.Option(help="Edited list of cuts, as `rife analyze` writes it.", metavar="FILE")
    ] = None,
    duplicates: Annotated[
        Duplicates, typer.Option(help="Repeated frames (drawings on twos, 24 in 30): keep, or retime into motion.")
    ] = "keep",
    model: Model = DEFAULT_MODEL,
    refine: Annotated[
        Refine, typer.Option(help="full corrects warped frames with the refinement networks; off is faster.")
    ] = "full",
    scale: Scale = "1",
    ensemble: Ensemble = False,
    network: Network = None,
    crf: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_CRF,
            help=f"Encoder quality; lower is better and larger, 0 is lossless; {DEFAULT_CRF} by default.",
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(help="Encoder by FFmpeg's name: libx265, libsvtav1, prores_ks, h264_nvenc, ...", metavar="NAME"),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Speed of the encoder, in its own words: fast, slow, 8, ...", metavar="NAME")
    ] = None,
    pix_fmt: Annotated[
        str | None, typer.Option(help="Pixel format of the output; that of the source by default.", metavar="NAME")
    ] = None,
    image_format: Annotated[
        ImageFormat, typer.Option(help="Kind of picture files, where the output is a folder.")
    ] = "png",
    input_fps: Annotated[
        str | None, typer.Option(help="Frame rate of picture files, which tell none; 25 by default.", metavar="RATE")
    ] = None,
    device: Device = "auto",
    tile: Annotated[
        str, typer.Option(help="Make frames in tiles: auto (what is too large), off, or their side in pixels.")
    ] = "auto",
    memory: Annotated[
        str | None, typer.Option(help="What the network may take: 4G, 512M, ...; 1.6 GB by default.", metavar="SIZE")
    ] = None,
    engine: Engine = "auto",
    precision: Arithmetic = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete the finished segments of a job with other settings.")
    ] = False,
    keep_partial: Annotated[
        bool,
        typer.Option("--keep-partial", help="Of a truncated input, keep what can be made as NAME.partial.EXT."),
    ] = False,
    on_damage: Annotated[
        OnDamage,
        typer.Option(help="Where INPUT cannot be decoded: stop, or hold the frame before that and go on behind it."),
    ] = "stop",
    json_lines: Json = False,
) -> None:
    """Write INPUT with more frames: FACTOR for each of its own, a constant rate, or slow motion.

    The output lasts as long as the input; sound, subtitles and the like are copied. A job that was interrupted goes
    on where it was when the same command is given again. Weights are fetched the first time.
    """
    reporter = Reporter(json_lines=json_lines, output_is_piped=output == Path("-"))
    with reporter.errors():
        from rife.assets.samples import resolve_input
        from rife.cli.malloc import keep_freed_memory
        from rife.interpolation.load import load
        from rife.media.video.codecs import EncodeSettings
        from rife.pipeline import JobSettings, check_job, run_job, work_folder

        keep_freed_memory()
        settings = JobSettings(
            factor=factor,
            frame_rate=fps,
            slow_motion=slowmo,
            sound=sound,
            at_cut=at_cut,
            cuts=cuts,
            duplicates=duplicates,
            encode=EncodeSettings(codec, crf, preset, pix_fmt),
            overwrite=overwrite,
            restart=restart,
            keep_partial=keep_partial,
            on_damage=on_damage,
            image_format=image_format,
            input_rate=input_fps,
        )
        settings.check()
        tile_px, memory_bytes = parse_tile(tile), None if memory is None else parse_memory(memory)
        path = resolve_input(source)
        target = _default_target(source, path, settings) if output is None else parse_path(output, "output")
        check_job(path, target, settings)
        reporter.event("start", input=str(path), output=str(target), factor=factor, fps=fps, model=model, refine=refine)
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
            memory_bytes=memory_bytes,
        )
        if interpolator.engine.preparation is not None:
            reporter.say(f"engine {interpolator.engine.label}: {interpolator.engine.preparation}")
        with reporter.unfinished(work_folder(target)), reporter.progress():
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
    """Beside the input; for a sample, which lies in the cache, in the current folder."""
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
