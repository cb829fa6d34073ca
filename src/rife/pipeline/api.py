"""The main job as one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rife.errors import OptionError
from rife.interpolation.interpolator import Interpolator
from rife.options import parse_path
from rife.pipeline.budget import Forecast
from rife.pipeline.job import run_job
from rife.pipeline.result import CancelSignal, Progress, VideoResult
from rife.pipeline.settings import JobOptions, JobSettings, declared_options, described_options

if TYPE_CHECKING:
    from typing_extensions import Unpack


def interpolate_video(
    source: str | Path,
    output: str | Path | None = None,
    *,
    settings: JobSettings | None = None,
    interpolator: Interpolator | str | Path | None = None,
    cancel: CancelSignal | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
    **options: Unpack[JobOptions],
) -> VideoResult:
    """Write a video with more frames: `factor` for each of the source's, a constant rate (`fps`), or slow motion.

    With a factor, source frames keep their times and are encoded as they were decoded; the last one is held for its own
    interval. At a constant rate, each frame is made at its exact time between the source frames around it. The
    output lasts as long as the source; sound, subtitles and the like are copied. No frame is made across a cut.

    Finished segments are stored in a folder beside the output until it is complete: the same call continues after them.

    Args:
        source: video file, folder or pattern of pictures, animation, or `-` for y4m on standard input.
        output: file to write, folder or pattern for pictures, animation, or `-` for y4m on standard output; by
            default beside the source, with the factor or rate in its name.
        settings: the options below as one record, instead of single keywords.
        interpolator: from `rife.load`, or a model as `rife.load` takes it; the default model if not given.
        cancel: an event, such as a `threading.Event`; set from any thread, it ends the job at the next frame.
        on_progress: called after every frame.
        on_forecast: called before the first frame is made, and once more when its speed is known.

    Raises:
        OptionError: an option out of range, or options that contradict each other.
        JobError: options that do not suit the source, an output that exists, fewer than two frames, or too little
            room on the disk.
        MediaError: the source cannot be read or the output not written.
        TruncatedMediaError: the source ends before its own end, and damage is not held.
        FinishedFileError: the finished file differs from its plan; it is saved under another name.
        CheckpointError: the model cannot be loaded.
        CancelledError: the job was cancelled; it tells which finished segments are stored.
    """
    if settings is not None and options:
        raise OptionError(
            f"settings: expected one record or single options, got both: settings and {', '.join(options)}. "
            "Put the options into the record: dataclasses.replace(settings, ...)."
        )
    return run_job(
        parse_path(source, "source"),
        None if output is None else parse_path(output, "output"),
        settings=JobSettings(**options) if settings is None else settings,
        interpolator=interpolator,
        cancel=cancel,
        on_progress=on_progress,
        on_forecast=on_forecast,
    )


def _with_declared_options(call: Callable[..., VideoResult]) -> None:
    """Show the declared options in the signature and the docstring of a function."""
    signature = inspect.signature(call)
    own = [item for item in signature.parameters.values() if item.kind is not inspect.Parameter.VAR_KEYWORD]
    keywords = [
        inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.kind)
        for option in declared_options()
    ]
    call.__signature__ = signature.replace(parameters=[*own, *keywords])  # type: ignore[attr-defined]
    described, heading, raises = (call.__doc__ or "").partition("\n    Raises:")
    call.__doc__ = f"{described}{described_options(8 * ' ')}{heading}{raises}"


_with_declared_options(interpolate_video)
