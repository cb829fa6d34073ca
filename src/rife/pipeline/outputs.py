"""The names of outputs, and checks of where a job may write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rife.atomic import is_too_long, named_beside
from rife.errors import JobError, MediaError, MissingExtraError, OptionError
from rife.media.images.sequence import is_sequence
from rife.media.open_sink import PICTURE_TARGETS, animation_ending, check_target, is_picture_target
from rife.media.open_source import open_source
from rife.media.play_count import plays_of
from rife.media.video.codecs import CONTAINERS, check_holds
from rife.media.video.tracks import container_with_sound
from rife.pipeline.settings import JobSettings
from rife.timing import clock_for

STANDARD_STREAM = Path("-")
"""Standard input as a source, standard output as an output."""


def default_output(source: Path, settings: JobSettings | None = None) -> Path:
    """The output's path where none is given: beside the source, with the factor or rate in its name.

    A video file keeps its ending where an output of that ending holds its sound. An animation stays an animation, of
    its own kind where that can show as many pictures a second.
    """
    source = source if source.name else source.absolute()
    suffix = _animation_ending(source, settings or JobSettings()) or _suffix_for(source)
    done = (settings or JobSettings()).short_name
    if source.is_dir():
        return source.with_name(f"{source.name}_{done}.mp4")
    stem = source.parent.resolve().name if is_sequence(source) else source.stem
    name = "video" if source == STANDARD_STREAM else stem
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


def partial_name(output: Path) -> Path:
    """Name of an incomplete output; standard output stays as it is."""
    if output == STANDARD_STREAM:
        return output
    return named_beside(output, "", f".partial{output.suffix}" if output.suffix else "-partial")


def failed_name(output: Path) -> Path:
    """An unused name for an output that failed its check."""
    endings = (f".failed-check{number or ''}{output.suffix}" for number in range(1000))
    return next(path for path in (named_beside(output, "", ending) for ending in endings) if not path.exists())


def check_job(source: Path, output: Path, settings: JobSettings) -> None:
    """Check, before anything is loaded or fetched, that the output can be written.

    Raises:
        MediaError: no such input, or an output that cannot be written.
        JobError: the output exists, or the settings do not suit it.
    """
    if is_too_long(output):
        raise OptionError(f"{output}: the name is too long for a file. Name a shorter one with -o.")
    if source != STANDARD_STREAM and (is_too_long(source) or not (source.exists() or is_sequence(source))):
        raise MediaError(f"{source}: no such file. Check the path.")
    if is_picture_target(output):
        if settings.encode.codec or settings.encode.pixel_format or settings.encode.preset:
            raise OptionError(f"{output}: is written as pictures; --codec, --preset and --pix-fmt are for video files.")
        if output != STANDARD_STREAM and output.exists() and source.exists() and output.samefile(source):
            raise JobError(f"{output}: the output is the input. Name another one with -o.")
        check_target(output, overwrite=settings.overwrite, image_format=settings.image_format)
    else:
        _check_file(source, output, settings)
    if settings.keep_partial and output != STANDARD_STREAM:
        check_job(source, partial_name(output), replace(settings, keep_partial=False))


def check_not_in_the_way(output: Path, settings: JobSettings) -> None:
    """Check that no existing file is replaced, unless the settings say so.

    Raises:
        JobError: the output exists.
    """
    if output.exists() and not settings.overwrite:
        raise JobError(f"{output}: exists already. Name another file with -o, or replace it with --overwrite.")


def _check_file(source: Path, output: Path, settings: JobSettings) -> None:
    if output.suffix.lower() not in CONTAINERS:
        raise OptionError(
            f"{output}: cannot write {output.suffix}; expected one of {', '.join(CONTAINERS)}, {PICTURE_TARGETS}."
        )
    check_holds(output, settings.encode)
    if settings.image_format != "png":
        raise OptionError(f"{output}: --image-format is for folders of pictures. Name a folder, or leave it out.")
    if output.exists() and source.exists() and output.samefile(source):
        raise JobError(f"{output}: the output is the input. Name another file with -o.")
    if output.is_dir():
        raise JobError(f"{output}: expected a file name for the output, got a folder.")
    if not output.parent.is_dir():
        raise JobError(f"{output}: there is no folder {output.parent}. Make it first.")
    check_not_in_the_way(output, settings)
