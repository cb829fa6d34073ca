"""Sources made of arrays, and of arrays that went through an encoder."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from rife.media.source import SourceFrame, VideoInfo


class Pictures:
    """A source of pictures at 25 frames a second."""

    def __init__(self, pictures: Sequence[av.VideoFrame]) -> None:
        self.pictures = pictures
        size = (pictures[0].width, pictures[0].height) if pictures else (0, 0)
        rate, tick = Fraction(25), Fraction(1, 100)
        self.info = VideoInfo(Path("made"), *size, rate, tick, len(pictures), len(pictures) / rate)

    def __enter__(self) -> Pictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:  # noqa: ARG002 (of `Source`)
        for index, picture in enumerate(self.pictures):
            yield SourceFrame(picture, 4 * index, 4)


def texture(seed: int, *, height: int = 180, width: int = 320, grain: int = 6) -> np.ndarray:
    """A picture that is unlike any other: (height, width, 3) float RGB, smooth over about `height / grain` pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(20, 235, (grain + 1, grain * width // height + 1, 3))
    fine = rng.uniform(-25, 25, (height // 6 + 2, width // 6 + 2, 3))
    out: np.ndarray = np.clip(stretched(coarse, height, width) + stretched(fine, height, width), 0, 255)
    return out


def stretched(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear enlargement."""
    y, x = np.linspace(0, values.shape[0] - 1.001, height), np.linspace(0, values.shape[1] - 1.001, width)
    top, left = y.astype(int), x.astype(int)
    down, right = (y - top)[:, None, None], (x - left)[None, :, None]
    rows = values[top] * (1 - down) + values[top + 1] * down
    out: np.ndarray = rows[:, left] * (1 - right) + rows[:, left + 1] * right
    return out


def frame(rgb: np.ndarray, pixel_format: str = "yuv420p", *, full_range: bool = False) -> av.VideoFrame:
    """A picture in a pixel format, from 16-bit RGB."""
    deep = np.round(np.clip(rgb, 0, 255) * 257).astype(np.uint16)
    made = av.VideoFrame.from_ndarray(deep, format="rgb48le")
    out = made.reformat(format=pixel_format, dst_color_range=2 if full_range else 1)
    out.color_range = 2 if full_range else 1
    return out


def coded(pictures: Sequence[av.VideoFrame], *, crf: int, keyframes_every: int = 5) -> list[av.VideoFrame]:
    """What x264 makes of pictures."""
    file = io.BytesIO()
    options = {"crf": str(crf), "g": str(keyframes_every), "preset": "veryfast"}
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height = pictures[0].width, pictures[0].height
        stream.pix_fmt = pictures[0].format.name
        for index, picture in enumerate(pictures):
            picture.pts = index
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        return list(container.decode(video=0))
