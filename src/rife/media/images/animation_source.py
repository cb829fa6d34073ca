"""Animated WebP, which FFmpeg does not decode. Animated GIF and PNG are video files to it, times and alpha included."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from rife.errors import MediaError, MissingExtraError, TruncatedMediaError
from rife.media.colour.interleave import plain
from rife.media.source import SourceFrame, VideoInfo

_MILLISECOND = Fraction(1, 1000)
_SHORTEST_MS = 11
_USUAL_MS = 100
_ANIMATION_FLAG, _ALPHA_FLAG = 0x02, 0x10
_CLEARED_AFTER, _NOT_BLENDED = 0x01, 0x02
_OPAQUE = 255


class AnimatedImage:
    """An animated WebP as a `Source`: every picture whole, with its own time."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            MediaError: it cannot be read.
            MissingExtraError: Pillow is not installed.
        """
        self.path = path
        with _opened(path) as image:
            durations, may_clear, lossless = _survey(path)
            # Files are marked as having alpha also where holes only let the picture before show through.
            holes = self._pixels(image, 0)[..., 3].min() < _OPAQUE
            self._pixel_format = "gbrap" if _flags(path) & _ALPHA_FLAG and (holes or may_clear) else "gbrp"
            length = sum(durations) * _MILLISECOND
            self.info = VideoInfo(
                path=path,
                width=image.width,
                height=image.height,
                frame_rate=len(durations) / length,
                time_base=_MILLISECOND,
                frames=len(durations),
                duration_seconds=length,
                lossless=lossless,
            )
        self._durations = durations

    def __enter__(self) -> AnimatedImage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # the file is open while frames are read only

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the pictures as they are shown, each drawn over those before it where the file says so.

        Args:
            from_pts: the time of the picture to begin with; those before are decoded, since it may be drawn on them.

        Raises:
            TruncatedMediaError: a picture cannot be decoded; those before are good.
            MediaError: the first one cannot, or there is none at `from_pts`.
        """
        starts = [sum(self._durations[:index]) for index in range(len(self._durations))]
        start = from_pts or 0
        if start not in starts:
            raise MediaError(f"{self.path}: no picture begins at {start}.")
        with _opened(self.path) as image:
            for index, (pts, duration) in enumerate(zip(starts, self._durations, strict=True)):
                pixels = self._pixels(image, index)
                if pts >= start:
                    packed = av.VideoFrame.from_ndarray(pixels, format="rgba")
                    yield SourceFrame(plain(packed, self._pixel_format), pts, duration)

    def _pixels(self, image: Any, index: int) -> npt.NDArray[np.uint8]:  # noqa: ANN401 (as below)
        """RGBA of a picture as it is shown, (H, W, 4)."""
        try:
            image.seek(index)
            return np.ascontiguousarray(image.convert("RGBA"))
        except (OSError, EOFError, ValueError, SyntaxError) as err:
            kind = TruncatedMediaError if index else MediaError
            raise kind(
                f"{self.path}: picture {index + 1} cannot be decoded ({err}); the file is truncated or damaged."
            ) from err


def is_animation(path: Path) -> bool:
    """Whether a file is an animation that FFmpeg cannot read: a WebP whose header says that it moves."""
    return path.is_file() and bool(_flags(path) & _ANIMATION_FLAG)


def _flags(path: Path) -> int:
    """The feature byte of an extended WebP; 0 of any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return 0  # opening it says why
    return head[20] if len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" else 0


def _survey(path: Path) -> tuple[list[int], bool, bool]:
    """Milliseconds of every picture, whether any can make a hole in what was opaque, and whether all are lossless.

    A length of 10 ms or less is shown as 100 ms, as browsers do: such files were never meant to be shown that fast.
    """
    found: list[int] = []
    may_clear, lossless = False, True
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[4:], "little")
            body = file.tell()
            if head[:4] == b"ANMF":
                about = file.read(29).ljust(29, b"\0")
                found.append(int.from_bytes(about[12:15], "little"))
                lossless &= about[16:20] == b"VP8L"
                opaque = about[16:20] == b"VP8 " or (about[16:20] == b"VP8L" and not about[28] & _ALPHA_FLAG)
                may_clear |= bool(about[15] & _CLEARED_AFTER or (about[15] & _NOT_BLENDED and not opaque))
            file.seek(body + length + length % 2)
    if not found:
        raise MediaError(f"{path}: an animated WebP without a picture; the file is damaged.")
    return [duration if duration >= _SHORTEST_MS else _USUAL_MS for duration in found], may_clear, lossless


def _opened(path: Path) -> Any:  # noqa: ANN401 (Pillow is optional; its types are not there without it)
    try:
        from PIL import Image
    except ImportError as err:
        raise MissingExtraError(library="Pillow", extra="images", purpose=f"{path}: an animated WebP") from err
    try:
        return Image.open(path)
    except (OSError, ValueError, SyntaxError) as err:
        raise MediaError(f"{path}: not a picture that can be read ({err}); it is damaged or incomplete.") from err
