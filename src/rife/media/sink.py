"""What every output that is written picture by picture is to the rest of the house."""

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
"""How far from square pixels may be before it shows: scalers leave aspect ratios such as 485:483."""


@dataclass(frozen=True)
class PictureSpec:
    """What an output is to hold.

    Attributes:
        pixel_format: of every picture written; one of the `pixel_formats` of the output.
        frame_rate: average pictures per second; exact where the output has no times (y4m).
        time_base: seconds per tick of the times given to `write`.
        sample_aspect_ratio: width over height of a pixel, or None where it is not known.
        crf: quality, 0 (lossless where the kind of file can be) to 51; ignored by kinds that have none.
        plays: how often an animation is played; 0 for ever.
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
    """An open output: a context manager that leaves nothing behind unless `finish` was called.

    Attributes:
        notes: what the output cannot hold, for the user.
        frames_written: pictures so far.
    """

    notes: list[str]
    frames_written: int

    def __enter__(self) -> PictureSink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, picture: av.VideoFrame, *, pts: int, duration: int, name: str | None = None) -> None:
        """Write the next picture.

        Args:
            picture: in the pixel format of the spec.
            pts: its time in ticks, greater than the one before.
            duration: how long it is shown, in ticks; the next one comes at `pts + duration`.
            name: of the source picture that it is, or None for a new one.

        Raises:
            MediaError: it cannot be written.
            BrokenPipeError: nobody reads the pipe any more.
        """

    def finish(self) -> None:
        """Complete the output; it appears under its name.

        Raises:
            JobError: something else has appeared there meanwhile.
            MediaError: it cannot be written.
        """


def refuse_other_format(spec: PictureSpec, takes: tuple[str, ...], target: Path | str) -> None:
    """Refuse a pixel format that an output does not take, before anything is created.

    Raises:
        JobError: it is none of them.
    """
    if spec.pixel_format not in takes:
        raise JobError(f"{target}: expected pixels in one of {', '.join(takes)}, got {spec.pixel_format}.")


def refuse_other_picture(spec: PictureSpec, picture: av.VideoFrame, target: Path | str) -> None:
    """Refuse a picture that is not what the output was opened for.

    Raises:
        MediaError: its size or pixel format is another one.
    """
    expected = (spec.width, spec.height, spec.pixel_format)
    found = (picture.width, picture.height, picture.format.name)
    if found != expected:
        raise MediaError(
            f"{target}: expected pictures of {expected[0]}x{expected[1]} in {expected[2]}, "
            f"got {found[0]}x{found[1]} in {found[2]}."
        )


def aspect_notes(spec: PictureSpec, target: Path) -> list[str]:
    """What is lost of pixels that are not square, in a kind of file whose viewers take them as square."""
    aspect = spec.sample_aspect_ratio
    if not aspect or abs(aspect - 1) < _SLIGHT_ASPECT:
        return []
    shown = round(spec.width * aspect), spec.height
    return [
        f"pixels are {aspect.numerator}:{aspect.denominator} (width to height), and most programs show those of "
        f"{target.name} as squares: {spec.width}x{spec.height} instead of {shown[0]}x{shown[1]}"
    ]


def lossy_quality(crf: int) -> int:
    """The quality from 1 to 100, as JPEG and WebP count it, that stands for a crf: 16 is 90, 28 is 70."""
    return max(1, round(100 * (1 - (crf / 51) ** 2)))
