"""The main job as one call: every setting a keyword of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rife.interpolation.interpolator import Interpolator
from rife.media.video.codecs import EncodeSettings
from rife.options import AtCut, Duplicates, ImageFormat, Number, OnDamage, Sound, parse_crf, parse_path
from rife.pipeline.budget import Forecast
from rife.pipeline.job import run_job
from rife.pipeline.settings import JobSettings, Progress, VideoResult


def interpolate_video(
    source: str | Path,
    output: str | Path | None = None,
    *,
    factor: Number | None = None,
    frame_rate: Number | None = None,
    slow_motion: Number | None = None,
    sound: Sound = "drop",
    at_cut: AtCut = "hold",
    cuts: str | Path | None = None,
    duplicates: Duplicates = "keep",
    interpolator: Interpolator | str | Path | None = None,
    overwrite: bool = False,
    restart: bool = False,
    keep_partial: bool = False,
    on_damage: OnDamage = "stop",
    crf: Number | None = None,
    codec: str | None = None,
    preset: str | None = None,
    pixel_format: str | None = None,
    image_format: ImageFormat = "png",
    input_rate: Number | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> VideoResult:
    """Write a video with more frames: `factor` for each of the source's, a constant `frame_rate`, or slow motion.

    With a factor, source frames keep their times and are encoded as they were decoded; the last one is held for its own
    interval. At a constant rate, each frame is made at its exact time between the source frames around it. The
    output lasts as long as the source; sound, subtitles and the like are copied. No frame is made across a cut.

    Finished parts are kept in a folder beside the output until it is whole: the same call goes on after them.

    Args:
        source: video file, folder or pattern of pictures, animation, or `-` for y4m on standard input.
        output: file to write, folder or pattern for pictures, animation, or `-` for y4m on standard output; by
            default beside the source, with what is done in its name.
        factor: 2 to 64; 2 if nothing else is given.
        frame_rate: frames per second, 1 to 1000: a number, or text such as `60`, `60000/1001`, `ntsc`.
        slow_motion: output seconds for each source second; the source's rate is kept unless a rate is given.
        sound: in slow motion, `drop` it or `stretch` it.
        at_cut: `hold` the last frame before a cut, or `blend` both sides.
        cuts: an edited list of cuts, as `rife analyze` writes it; found if not given.
        duplicates: `keep` repeated source frames, or `retime`: replace them by motion.
        interpolator: from `rife.load`, or what that takes as a model; the default model if not given.
        overwrite: replace an existing output.
        restart: throw away finished segments of a job that differs.
        keep_partial: when the source turns out truncated, make what can be made as NAME.partial.EXT (the call
            still raises).
        on_damage: where the source cannot be decoded, `stop`, or `hold` the frame before that and go on behind it; the
            result's `damage` and `notes` tell where.
        crf: quality of the encoder, 0 (lossless) to 63.
        codec: FFmpeg name of the encoder.
        preset: the encoder's own word for its speed.
        pixel_format: FFmpeg name; the source's own, or the nearest, if not given.
        image_format: of the files, where the output is a folder.
        input_rate: frames per second of picture files, which tell none.
        on_progress: called after every frame.
        on_forecast: called before the first frame is made, and once more when its speed is known.

    Raises:
        OptionError: settings that cannot be.
        JobError: settings that do not suit the source, an output in the way, fewer than two frames, or no room on
            the disk.
        MediaError: the source cannot be read or the output not written.
        TruncatedMediaError: the source ends before its own end, and damage is not held.
        FinishedFileError: the finished file is not what was planned; it is kept under another name.
        CheckpointError: the default model cannot be loaded.
    """
    settings = JobSettings(
        factor=factor,
        frame_rate=frame_rate,
        slow_motion=slow_motion,
        sound=sound,
        at_cut=at_cut,
        cuts=cuts,
        duplicates=duplicates,
        encode=EncodeSettings(codec, None if crf is None else parse_crf(crf), preset, pixel_format),
        overwrite=overwrite,
        restart=restart,
        keep_partial=keep_partial,
        on_damage=on_damage,
        image_format=image_format,
        input_rate=input_rate,
    )
    return run_job(
        parse_path(source, "source"),
        None if output is None else parse_path(output, "output"),
        settings=settings,
        interpolator=interpolator,
        on_progress=on_progress,
        on_forecast=on_forecast,
    )
