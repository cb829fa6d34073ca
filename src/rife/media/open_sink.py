"""Opening of outputs that are written frame by frame: animations, y4m, folders and patterns of image files."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

from rife.errors import REPLACE, Hint, JobError, MediaError
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
from rife.media.images.folder_sink import FILE_KINDS, FolderSink, check_folder
from rife.media.paths import ANIMATION_ENDINGS, IMAGE_FORMAT_OF_ENDING, Y4M_ENDING, Output
from rife.media.play_count import plays_of
from rife.media.sink import PictureSink, PictureSpec
from rife.media.y4m import STREAM_FORMATS, Y4mSink
from rife.options import ImageFormat

_ANIMATED = {".gif": GIF_FORMATS, ".apng": tuple(APNG_FORMATS), ".webp": WEBP_FORMATS}

PICTURE_TARGETS = f"{', '.join((*ANIMATION_ENDINGS, Y4M_ENDING))}, a folder or a pattern of pictures, or - for y4m"
"""Outputs that are written frame by frame, for messages."""


def target_formats(target: Output, *, image_format: ImageFormat = "png") -> tuple[str, ...]:
    """Pixel formats of an output, the choices of `PictureSpec.pixel_format`.

    Args:
        target: the output.
        image_format: format of the files in a folder; the extension of a pattern takes precedence.

    Raises:
        JobError: the target cannot be written.
    """
    if target.kind in ("stream", "y4m"):
        return STREAM_FORMATS
    if target.is_folder:
        return tuple(FILE_KINDS[_format_of(target, image_format)].encodes)
    if target.kind != "animation":
        path = target.path
        raise JobError(
            f"{path}: such a file holds a single picture. Name a folder, a pattern such as "
            f"{path.with_name(path.stem + '_%06d' + path.suffix)}, or an animation: {', '.join(ANIMATION_ENDINGS)}."
        )
    return _ANIMATED[target.ending]


def check_target(target: Output, *, overwrite: bool, image_format: ImageFormat = "png") -> None:
    """Check that an output can be written, before anything is loaded or fetched.

    Raises:
        JobError: the output exists, its folder does not, or its kind cannot be written.
    """
    target_formats(target, image_format=image_format)
    if target.is_stream:
        return
    if target.is_folder:
        check_folder(target, overwrite=overwrite)
        return
    path = target.path
    if not path.absolute().parent.is_dir():
        raise JobError(f"{path}: there is no folder {path.parent}. Create it first.")
    if path.exists() and not overwrite:
        raise JobError(f"{path}: exists already.", hint=REPLACE)


def check_rate(target: Output, frame_rate: Fraction) -> None:
    """Check that an output supports a frame rate.

    Raises:
        JobError: the frame rate is too high for the format.
    """
    if target.kind == "animation" and target.ending == ".gif":
        check_gif_rate(target.path, frame_rate)


def animation_ending(source: Path, frame_rate: Fraction) -> str | None:
    """Extension of the default output of an animation; None if the source is no animation.

    Args:
        source: path of the source.
        frame_rate: frame rate of the output.
    """
    if plays_of(source) is None:
        return None
    ending = source.suffix.lower()
    fits = ending in ANIMATION_ENDINGS and (ending != ".gif" or frame_rate <= FASTEST_GIF)
    return source.suffix if fits else ".apng"  # its times are exact, and it needs no further library


def sink_for(
    target: Output,
    spec: PictureSpec,
    *,
    overwrite: bool = False,
    image_format: ImageFormat = "png",
    stream: BinaryIO | None = None,
) -> PictureSink:
    """Open an output that is written frame by frame.

    Args:
        target: the output; not a video file.
        spec: properties of the frames; the pixel format is one of `target_formats(target)`.
        overwrite: replace a file; write into a folder that is not empty.
        image_format: format of the files in a folder; the extension of a pattern takes precedence.
        stream: replacement of standard output.

    Raises:
        JobError: the output exists, or does not support the spec.
        MediaError: the output cannot be written.
    """
    check_target(target, overwrite=overwrite, image_format=image_format)
    if target.is_stream:
        return Y4mSink(None, spec, stream=stream or _standard_output(), overwrite=overwrite)
    if target.kind == "y4m":
        return Y4mSink(target.path, spec, stream=None, overwrite=overwrite)
    if target.is_folder:
        return FolderSink(target, spec, kind=FILE_KINDS[_format_of(target, image_format)], overwrite=overwrite)
    kinds: dict[str, type[AnimatedGif | AnimatedPng | AnimatedWebp]] = {
        ".gif": AnimatedGif,
        ".apng": AnimatedPng,
        ".webp": AnimatedWebp,
    }
    return kinds[target.ending](target.path, spec, overwrite=overwrite)


def _format_of(target: Output, image_format: ImageFormat) -> str:
    if target.pattern is None:
        return image_format
    found = IMAGE_FORMAT_OF_ENDING.get(target.ending)
    if found is None:
        known = ", ".join(IMAGE_FORMAT_OF_ENDING)
        made = target.path.suffix or "such files"
        raise JobError(f"{target}: images cannot be written as {made}; expected {known}.")
    return found


def _standard_output() -> BinaryIO:
    """Unbuffered standard output: Python would flush a buffer at exit, into a pipe that may be closed."""
    if sys.stdout is None or sys.stdout.isatty():
        raise MediaError(
            "standard output: y4m needs a pipe or a file, but it is a terminal.",
            hint=Hint("Name a file with {output}."),
        )
    sys.stdout.flush()
    return cast("BinaryIO", open(sys.stdout.fileno(), "wb", buffering=0, closefd=False))
