"""Animated WebP as an input. FFmpeg does not decode it, unlike animated GIF and PNG, which are read as video files."""

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
    """An animated WebP as a `Source`: complete frames with their times."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            MediaError: the file cannot be read.
            MissingExtraError: Pillow is not installed.
        """
        self.path = path
        with _opened(path) as image:
            durations, may_clear, lossless = _survey(path)
            # The alpha flag is also set if transparent pixels only show the previous frame.
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
        pass  # the file is open only while frames are read

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the frames as displayed, blended with the previous frames if the file requires it.

        Args:
            from_pts: pts of the first frame; the frames before it are decoded too, since it may be blended with them.

        Raises:
            TruncatedMediaError: a frame cannot be decoded; the frames before it are valid.
            MediaError: the first frame cannot be decoded, or there is none at `from_pts`.
        """
        starts = [sum(self._durations[:index]) for index in range(len(self._durations))]
        start = from_pts or 0
        if start not in starts:
            raise MediaError(f"{self.path}: no frame begins at {start}.")
        with _opened(self.path) as image:
            for index, (pts, duration) in enumerate(zip(starts, self._durations, strict=True)):
                pixels = self._pixels(image, index)
                if pts >= start:
                    packed = av.VideoFrame.from_ndarray(pixels, format="rgba")
                    yield SourceFrame(plain(packed, self._pixel_format), pts, duration)

    def _pixels(self, image: Any, index: int) -> npt.NDArray[np.uint8]:  # noqa: ANN401 (as below)
        """RGBA of a frame as displayed, (H, W, 4)."""
        try:
            image.seek(index)
            return np.ascontiguousarray(image.convert("RGBA"))
        except (OSError, EOFError, ValueError, SyntaxError) as err:
            kind = TruncatedMediaError if index else MediaError
            raise kind(
                f"{self.path}: frame {index + 1} cannot be decoded ({err}); the file is truncated or damaged."
            ) from err


def is_animation(path: Path) -> bool:
    """Whether a file is an animated WebP, by its header."""
    return path.is_file() and bool(_flags(path) & _ANIMATION_FLAG)


def _flags(path: Path) -> int:
    """The feature flags of an extended WebP; 0 for any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return 0  # opening the file reports the error
    return head[20] if len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" else 0


def _survey(path: Path) -> tuple[list[int], bool, bool]:
    """Durations in ms, whether a frame can make opaque pixels transparent, and whether all frames are lossless.

    A duration of 10 ms or less becomes 100 ms, as in browsers: such files were not made to be shown that fast.
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
        raise MediaError(f"{path}: an animated WebP without a frame; the file is damaged.")
    return [duration if duration >= _SHORTEST_MS else _USUAL_MS for duration in found], may_clear, lossless


def _opened(path: Path) -> Any:  # noqa: ANN401 (Pillow is optional, and so are its types)
    try:
        from PIL import Image
    except ImportError as err:
        raise MissingExtraError(library="Pillow", extra="images", purpose=f"{path}: an animated WebP") from err
    try:
        return Image.open(path)
    except (OSError, ValueError, SyntaxError) as err:
        raise MediaError(f"{path}: not a readable image ({err}); it is damaged or incomplete.") from err
