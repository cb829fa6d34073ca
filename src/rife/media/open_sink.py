"""One door for every output that is written picture by picture."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, cast

from rife.errors import JobError, MediaError
from rife.media.images.animation_sinks import (
    APNG_FORMATS,
    FASTEST_GIF,
    GIF_FORMATS,
    WEBP_FORMATS,
    AnimatedGif,
    AnimatedPng,
    AnimatedWebp,
    check_gif_rate,
)
from rife.media.images.folder_sink import FILE_KINDS, PictureFolder, check_folder
from rife.media.images.sequence import is_pattern
from rife.media.play_count import plays_of
from rife.media.sink import PictureSink, PictureSpec
from rife.media.y4m import STANDARD_INPUT, STREAM_FORMATS, Y4mSink
from rife.options import ImageFormat

Target: TypeAlias = Path | Literal["-"]
_ANIMATED = {".gif": GIF_FORMATS, ".apng": tuple(APNG_FORMATS), ".webp": WEBP_FORMATS}
_KIND_OF_ENDING = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp", ".tif": "tiff", ".tiff": "tiff"}
_STREAM_ENDING = ".y4m"

PICTURE_TARGETS = f"{', '.join((*_ANIMATED, _STREAM_ENDING))}, a folder or a pattern of pictures, or - for y4m"
"""What can be written picture by picture, in words."""


def is_picture_target(target: Target) -> bool:
    """Whether an output is written picture by picture, and not by the writer of video files.

    It is if it is `-` (y4m on standard output), a .gif, .apng, .webp or .y4m file, a pattern such as out/%05d.png, a
    folder that exists, or a name without an ending: a folder to be.
    """
    path = Path(target)
    ending = path.suffix.lower()
    return _is_stream(target) or ending in _ANIMATED or ending in _KIND_OF_ENDING or path.is_dir() or not ending


def target_formats(target: Target, *, image_format: ImageFormat = "png") -> tuple[str, ...]:
    """Pixel formats that an output takes, to choose `PictureSpec.pixel_format` from.

    Args:
        target: where to write.
        image_format: of the files in a folder; a pattern's own ending comes first.

    Raises:
        JobError: a target that cannot be written.
    """
    path = Path(target)
    if _is_stream(target):
        return STREAM_FORMATS
    if _is_folder(path):
        return tuple(FILE_KINDS[_kind(path, image_format)].encodes)
    return _animated_formats(path)


def check_target(target: Target, *, overwrite: bool, image_format: ImageFormat = "png") -> None:
    """Refuse at once, before anything is loaded or fetched, what could not be written in the end.

    Raises:
        JobError: an output in the way, a folder that is not there, or a name that cannot be written.
    """
    path = Path(target)
    target_formats(target, image_format=image_format)
    if path == STANDARD_INPUT:
        return
    if _is_folder(path):
        check_folder(path, overwrite=overwrite)
        return
    if not path.absolute().parent.is_dir():
        raise JobError(f"{path}: there is no folder {path.parent}. Make it first.")
    if path.exists() and not overwrite:
        raise JobError(f"{path}: exists already. Name another file with -o, or replace it with --overwrite.")


def check_rate(target: Target, frame_rate: Fraction) -> None:
    """Refuse a rate that a kind of output cannot show, before a frame is made.

    Raises:
        JobError: there are more pictures a second than it can show.
    """
    path = Path(target)
    if path.suffix.lower() == ".gif" and not _is_folder(path):
        check_gif_rate(path, frame_rate)


def animation_ending(source: Path, frame_rate: Fraction) -> str | None:
    """Ending of an output that is an animation as the source is; None where that is no animation.

    Args:
        source: of the job.
        frame_rate: of the output.
    """
    if plays_of(source) is None:
        return None
    ending = source.suffix.lower()
    fits = ending in _ANIMATED and (ending != ".gif" or frame_rate <= FASTEST_GIF)
    return source.suffix if fits else ".apng"  # which counts time finely, and needs no library


def sink_for(
    target: Target,
    spec: PictureSpec,
    *,
    overwrite: bool = False,
    image_format: ImageFormat = "png",
    stream: BinaryIO | None = None,
) -> PictureSink:
    """Open an output for pictures.

    Args:
        target: `-` or a path; `is_picture_target` says which ones.
        spec: what the pictures are; its format is one of `target_formats(target)`.
        overwrite: replace a file; write into a folder that is not empty.
        image_format: of the files in a folder; a pattern's own ending comes first.
        stream: where `-` writes to; standard output if not given.

    Raises:
        JobError: an output in the way, or one that cannot show this.
        MediaError: it cannot be written.
    """
    check_target(target, overwrite=overwrite, image_format=image_format)
    path = Path(target)
    if path == STANDARD_INPUT:
        return Y4mSink(None, spec, stream=stream or _standard_output(), overwrite=overwrite)
    if _is_stream(target):
        return Y4mSink(path, spec, stream=None, overwrite=overwrite)
    if _is_folder(path):
        return PictureFolder(path, spec, kind=FILE_KINDS[_kind(path, image_format)], overwrite=overwrite)
    kinds: dict[str, type[AnimatedGif | AnimatedPng | AnimatedWebp]] = {
        ".gif": AnimatedGif,
        ".apng": AnimatedPng,
        ".webp": AnimatedWebp,
    }
    return kinds[path.suffix.lower()](path, spec, overwrite=overwrite)


def _is_stream(target: Target) -> bool:
    path = Path(target)
    return path == STANDARD_INPUT or (path.suffix.lower() == _STREAM_ENDING and not path.is_dir())


def _is_folder(path: Path) -> bool:
    return path.is_dir() or is_pattern(path) or not path.suffix


def _kind(path: Path, image_format: ImageFormat) -> str:
    if not is_pattern(path) or path.is_dir():
        return image_format
    kind = _KIND_OF_ENDING.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(_KIND_OF_ENDING)
        raise JobError(f"{path}: pictures cannot be written as {path.suffix or 'such files'}; expected {known}.")
    return kind


def _animated_formats(path: Path) -> tuple[str, ...]:
    formats = _ANIMATED.get(path.suffix.lower())
    if formats is None:
        raise JobError(
            f"{path}: one such file holds one picture. Name a folder, a pattern such as "
            f"{path.with_name(path.stem + '_%06d' + path.suffix)}, or an animation: {', '.join(_ANIMATED)}."
        )
    return formats


def _standard_output() -> BinaryIO:
    """Standard output without a buffer, which Python would try to empty at its end into a pipe that is closed."""
    if sys.stdout is None or sys.stdout.isatty():
        raise MediaError("standard output: y4m needs a pipe or a file, but it is a terminal. Name a file with -o.")
    sys.stdout.flush()
    return cast("BinaryIO", open(sys.stdout.fileno(), "wb", buffering=0, closefd=False))
