"""What every kind of input is to the rest of the house: pictures with their times, from any of them on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av

from rife.errors import MediaError

_MOST_PIXELS = 16384 * 8192
"""Four times an 8K picture; a damaged header must not fill the memory."""


@dataclass(frozen=True)
class VideoInfo:
    """What an input says of its pictures before they are decoded.

    Attributes:
        path: the file, folder or pattern.
        frame_rate: average frames per second.
        time_base: seconds per tick of every `pts`.
        frames: how many frames it announces, or None.
        duration_seconds: how long it says it is, or None.
        sample_aspect_ratio: width over height of a pixel, or None where it is not told.
        can_rewind: whether it can be read more than once, and from the middle; a pipe cannot.
        lossless: the file is of a kind that can lose something (WebP), and this one has lost nothing.
    """

    path: Path
    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    frames: int | None
    duration_seconds: Fraction | None
    sample_aspect_ratio: Fraction | None = None
    can_rewind: bool = True
    lossless: bool = False


@dataclass(frozen=True)
class SourceFrame:
    """A decoded picture.

    Attributes:
        picture: as the decoder gave it.
        pts: its time in ticks.
        duration: its length in ticks, at least 1.
        name: of the file that it comes from, without the ending, in a sequence of images.
        after_damage: what comes before it is lost, and the frame before it is held instead.
    """

    picture: av.VideoFrame
    pts: int
    duration: int
    name: str | None = None
    after_damage: bool = False


class Source(Protocol):
    """An open input: a context manager that gives its pictures in order."""

    info: VideoInfo

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield pictures with growing times.

        Args:
            from_pts: the pts of a frame of an earlier pass to begin with; the first frame if not given.

        Raises:
            TruncatedMediaError: the input ends, or cannot be decoded any further, before the end that it announces;
                what was yielded before is good.
            MediaError: no frame can be had, or there is none at `from_pts` any more.
        """


def check_size(name: Path | str, width: int, height: int) -> None:
    """Refuse a picture that is too large to be one.

    Args:
        name: of the input, for the message.
        width: as its header says.
        height: as its header says.

    Raises:
        MediaError: it has more pixels than any picture that can be read.
    """
    if width * height > _MOST_PIXELS:
        raise MediaError(
            f"{name}: has pictures of {width}x{height}; expected at most {_MOST_PIXELS // 1_000_000} "
            "million pixels. If they are not that large, the file is damaged."
        )


class OneSize:
    """A source whose pictures are all as large as its first one, or are refused."""

    def __init__(self, source: Source) -> None:
        """Watch an open source, which is closed by its owner."""
        self.info = source.info
        self._source = source

    def __enter__(self) -> OneSize:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the source open: it is not this one's to close."""

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the pictures of the source.

        Raises:
            MediaError: a picture has another size than the first; and as `Source.frames`.
        """
        first: av.VideoFrame | None = None
        for count, frame in enumerate(self._source.frames(from_pts=from_pts)):
            picture = frame.picture
            first = first or picture
            if (picture.width, picture.height) != (first.width, first.height):
                raise MediaError(
                    f"{self.info.path}: the picture changes from {first.width}x{first.height} to "
                    f"{picture.width}x{picture.height} after {count} frames; expected one size."
                )
            yield frame
