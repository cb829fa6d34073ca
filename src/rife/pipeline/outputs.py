"""The names of outputs, and checks of where a job may write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rife.atomic import is_too_long, named_beside
from rife.errors import REPLACE, Hint, JobError, MediaError, MissingExtraError, OptionError
from rife.media.open_sink import PICTURE_TARGETS, animation_ending, check_target
from rife.media.open_source import open_source
from rife.media.paths import Input, Output, parse_input
from rife.media.play_count import plays_of
from rife.media.video.containers import CONTAINERS
from rife.media.video.encoding import check_holds
from rife.media.video.tracks import container_with_sound
from rife.pipeline.settings import JobSettings
from rife.timing import clock_for


def default_output(source: Path, settings: JobSettings | None = None) -> Path:
    """The output's path where none is given: beside the source, with the factor or rate in its name.

    A video file keeps its ending where an output of that ending holds its sound. An animation stays an animation, of
    its own kind where that can show as many pictures a second.
    """
    named = parse_input(source)
    source = source if source.name else source.absolute()
    suffix = _animation_ending(source, settings or JobSettings()) or _suffix_for(source)
    done = (settings or JobSettings()).short_name
    if named.kind == "folder":
        return source.with_name(f"{source.name}_{done}.mp4")
    stem = source.parent.resolve().name if named.is_sequence else source.stem
    name = "video" if named.is_stream else stem
    return named_beside(source.with_name(f"{name}{suffix}"), "", f"_{done}{suffix}")


def _suffix_for(source: Path) -> str:
    usual = source.suffix.lower() if source.suffix.lower() in CONTAINERS else ".mkv"
    suffix = container_with_sound(source, usual) if source.is_file() else usual
    return source.suffix if suffix == source.suffix.lower() else suffix


def _animation_ending(source: Path, settings: JobSettings) -> str | None:
    """Ending of the output of an animation; None where the source is none, or where the encoder is chosen."""
    encode = settings.encode
    if not source.is_file() or plays_of(source) is None or encode.codec or encode.preset or encode.pixel_format:
        return None
    try:
        with open_source(source) as opened:
            info = opened.info
    except (MediaError, MissingExtraError):
        return None  # the job raises the error
    clock = clock_for(
        info.time_base, info.frame_rate, factor=settings.whole_factor, rate=settings.rate, slowdown=settings.slowdown
    )
    return animation_ending(source, clock.frame_rate(info.frame_rate))


def failed_name(output: Path) -> Path:
    """An unused name for an output that failed its check."""
    endings = (f".failed-check{number or ''}{output.suffix}" for number in range(1000))
    return next(path for path in (named_beside(output, "", ending) for ending in endings) if not path.exists())


def check_job(source: Input, output: Output, settings: JobSettings) -> None:
    """Check, before anything is loaded or fetched, that the output can be written.

    Raises:
        MediaError: no such input, or an output that cannot be written.
        JobError: the output exists, or the settings do not suit it.
    """
    if is_too_long(output.path):
        raise OptionError(f"{output}: the name is too long for a file.", hint=Hint("Name a shorter one with {output}."))
    if not source.is_stream and (is_too_long(source.path) or not source.exists):
        raise MediaError(f"{source.path}: no such file. Check the path.")
    if _is_same(source, output):
        raise JobError(f"{output}: the output is the input.", hint=Hint("Name another one with {output}."))
    if output.is_video:
        _check_file(output, settings)
    else:
        if settings.encode.codec or settings.encode.pixel_format or settings.encode.preset:
            raise OptionError(
                f"{output}: is written as pictures, not as a video file.",
                hint=Hint("Leave out {codec}, {preset} and {pix_fmt}, or name a video file."),
            )
        check_target(output, overwrite=settings.overwrite, image_format=settings.image_format)
    if settings.keep_partial and not output.is_stream:
        check_job(source, output.partial, replace(settings, keep_partial=False))


def check_not_in_the_way(output: Output, settings: JobSettings) -> None:
    """Check that no existing file is replaced, unless the settings say so.

    Raises:
        JobError: the output exists.
    """
    if output.path.exists() and not settings.overwrite:
        raise JobError(f"{output}: exists already.", hint=REPLACE)


def _is_same(source: Input, output: Output) -> bool:
    if source.is_stream or output.is_stream:
        return False
    return output.path.exists() and source.path.exists() and output.path.samefile(source.path)


def _check_file(output: Output, settings: JobSettings) -> None:
    path = output.path
    if output.ending not in CONTAINERS:
        raise OptionError(
            f"{path}: cannot write {path.suffix}; expected one of {', '.join(CONTAINERS)}, {PICTURE_TARGETS}."
        )
    check_holds(path, settings.encode)
    if settings.image_format != "png":
        raise OptionError(
            f"{path}: is a video file, without image files.", hint=Hint("Name a folder, or leave {image_format} out.")
        )
    if not path.parent.is_dir():
        raise JobError(f"{path}: there is no folder {path.parent}. Create it first.")
    check_not_in_the_way(output, settings)
