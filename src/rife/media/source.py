"""The interface of every input: frames with their times, from any frame on."""

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
"""Four times an 8K frame; a damaged header must not fill the memory."""


@dataclass(frozen=True)
class VideoInfo:
    """Properties of an input's frames, known before decoding.

    Attributes:
        path: path of the file, folder or pattern.
        frame_rate: average frames per second.
        time_base: seconds per tick of every `pts`.
        frames: stated number of frames, or None.
        duration_seconds: stated duration, or None.
        sample_aspect_ratio: width over height of a pixel; None if not stated.
        can_rewind: whether the input can be read more than once, and from the middle; false for a pipe.
        lossless: the format has lossy and lossless compression (WebP), and this file is lossless.
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
    """A decoded frame with its time.

    Attributes:
        picture: the frame as decoded.
        pts: presentation time in ticks.
        duration: duration in ticks, at least 1.
        name: stem of its file name, in an image sequence.
        after_damage: frames before this one are lost, and the previous frame is held instead.
    """

    picture: av.VideoFrame
    pts: int
    duration: int
    name: str | None = None
    after_damage: bool = False


class Source(Protocol):
    """An open input: a context manager that yields frames in presentation order."""

    info: VideoInfo

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield frames with increasing times.

        Args:
            from_pts: pts of the first frame, known from an earlier pass; the beginning if not given.

        Raises:
            TruncatedMediaError: the input ends, or decoding fails, before its stated end; all frames yielded before
                are valid.
            MediaError: no frame can be decoded, or there is none at `from_pts`.
        """


def check_size(name: Path | str, width: int, height: int) -> None:
    """Check that the stated size of a frame is plausible.

    Args:
        name: name of the input, for messages.
        width: width in its header.
        height: height in its header.

    Raises:
        MediaError: the size exceeds the largest supported one.
    """
    if width * height > _MOST_PIXELS:
        raise MediaError(
            f"{name}: has frames of {width}x{height}; expected at most {_MOST_PIXELS // 1_000_000} "
            "million pixels. If the actual frames are smaller, the file is damaged."
        )


class OneSize:
    """A source with a check that all frames have the size of the first one."""

    def __init__(self, source: Source) -> None:
        """Wrap an open source; its owner closes it."""
        self.info = source.info
        self._source = source

    def __enter__(self) -> OneSize:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the source open: its owner closes it."""

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the frames of the source.

        Raises:
            MediaError: a frame has another size than the first one, or as `Source.frames`.
        """
        first: av.VideoFrame | None = None
        for count, frame in enumerate(self._source.frames(from_pts=from_pts)):
            picture = frame.picture
            first = first or picture
            if (picture.width, picture.height) != (first.width, first.height):
                raise MediaError(
                    f"{self.info.path}: the frame size changes from {first.width}x{first.height} to "
                    f"{picture.width}x{picture.height} after {count} frames; expected one size."
                )
            yield frame
