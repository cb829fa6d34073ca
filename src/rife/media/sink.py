"""The interface of every output that is written frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av

from rife.errors import JobError, MediaError
from rife.media.play_count import FOREVER
from rife.options import DEFAULT_CRF

_SLIGHT_ASPECT = Fraction(1, 100)
"""Largest invisible deviation of the sample aspect ratio from 1: scalers leave ratios such as 485:483."""


@dataclass(frozen=True)
class PictureSpec:
    """Properties of an output's frames.

    Attributes:
        pixel_format: pixel format of every frame; one of `target_formats` of the output.
        frame_rate: average frames per second; exact if the format has no times (y4m).
        time_base: seconds per tick of the times given to `write`.
        sample_aspect_ratio: width over height of a pixel; None if unknown.
        crf: quality, 0 (lossless if the format supports it) to 51; ignored by formats without quality.
        plays: number of plays of an animation; 0 for infinite.
    """

    width: int
    height: int
    pixel_format: str
    frame_rate: Fraction
    time_base: Fraction
    sample_aspect_ratio: Fraction | None = None
    crf: int = DEFAULT_CRF
    plays: int = FOREVER


class PictureSink(Protocol):
    """An open output: a context manager that removes the output on exit, unless `finish` was called.

    Attributes:
        notes: messages for the user about losses in this output.
        frames_written: number of frames written so far.
    """

    notes: list[str]
    frames_written: int

    def __enter__(self) -> PictureSink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, picture: av.VideoFrame, *, pts: int, duration: int, name: str | None = None) -> None:
        """Write the next frame.

        Args:
            picture: a frame in the pixel format of the spec.
            pts: presentation time in ticks, greater than that of the previous frame.
            duration: duration in ticks; the next frame follows at `pts + duration`.
            name: file name stem of a source frame; None for a new frame.

        Raises:
            MediaError: the frame cannot be written.
            BrokenPipeError: the reader of the pipe has closed it.
        """

    def finish(self) -> None:
        """Complete the output; it appears under its name.

        Raises:
            JobError: another file has appeared under that name meanwhile.
            MediaError: the output cannot be written.
        """


def refuse_other_format(spec: PictureSpec, takes: tuple[str, ...], target: Path | str) -> None:
    """Check that an output supports the pixel format of a spec, before anything is created.

    Raises:
        JobError: the output does not support the pixel format.
    """
    if spec.pixel_format not in takes:
        raise JobError(f"{target}: expected one of the pixel formats {', '.join(takes)}, got {spec.pixel_format}.")


def refuse_other_picture(spec: PictureSpec, picture: av.VideoFrame, target: Path | str) -> None:
    """Check that a frame matches the spec of its output.

    Raises:
        MediaError: the size or the pixel format differs.
    """
    expected = (spec.width, spec.height, spec.pixel_format)
    found = (picture.width, picture.height, picture.format.name)
    if found != expected:
        raise MediaError(
            f"{target}: expected frames of {expected[0]}x{expected[1]} in {expected[2]}, "
            f"got {found[0]}x{found[1]} in {found[2]}."
        )


def aspect_notes(spec: PictureSpec, target: Path) -> list[str]:
    """Note on a sample aspect ratio other than 1, for formats whose viewers assume square pixels."""
    aspect = spec.sample_aspect_ratio
    if not aspect or abs(aspect - 1) < _SLIGHT_ASPECT:
        return []
    shown = round(spec.width * aspect), spec.height
    return [
        f"the sample aspect ratio is {aspect.numerator}:{aspect.denominator}, but most programs show the pixels of "
        f"{target.name} as squares: {spec.width}x{spec.height} instead of {shown[0]}x{shown[1]}"
    ]


def lossy_quality(crf: int) -> int:
    """JPEG's and WebP's quality, 1 to 100, for a crf: 16 becomes 90, 28 becomes 70."""
    return max(1, round(100 * (1 - (crf / 51) ** 2)))
