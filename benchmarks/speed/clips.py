"""What contestants are given: real motion at the sizes that are timed, and frames to hold out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from rife.assets.samples import sample_path
from rife.frames import quantise
from rife.media.colour.convert import LAYOUTS, adapted, from_rgb, to_rgb, working_format

_MOVING = "bigbuckbunny"
_FIRST = 20
"""Of the clip's frames, the first that is used: something moves from there on, and no cut follows."""

Array = np.ndarray[Any, Any]


def frames_at(width: int, height: int, count: int) -> Array:
    """Frames of the moving clip at a size: (count, height, width, 3) uint8, cropped to its shape, then scaled."""
    return np.stack([p.to_ndarray(format="rgb24") for p in islice(_scaled(width, height), count)])


def write_clip(path: Path, width: int, height: int, count: int) -> None:
    """Write frames of the moving clip at a size as a video, at 25 frames a second."""
    _write(path, list(islice(_scaled(width, height), count)), Fraction(25), crf="10")


def held_out(clip: str, count: int) -> tuple[Array, list[int]]:
    """Take triples of a sample clip, evenly spread over it.

    Returns:
        (count, 3, H, W, 3) uint8 RGB: before, hidden, after; and the index of each hidden frame, all of them odd.
    """
    pictures = list(_decoded(sample_path(clip)))
    last = (len(pictures) - 2) // 2
    hidden = [2 * round(k * (last - 1) / max(count - 1, 1)) + 1 for k in range(min(count, last))]
    return np.stack([np.stack([_rgb(pictures[i + d]) for d in (-1, 0, 1)]) for i in hidden]), hidden


def write_halved(clip: str, path: Path) -> Fraction:
    """Write every second frame of a sample clip without loss; return the clip's own frame rate."""
    with av.open(str(sample_path(clip))) as container:
        rate = container.streams.video[0].average_rate or Fraction(25)
    _write(path, list(_decoded(sample_path(clip)))[::2], rate / 2, qp="0")
    return rate


def frames_by_time(path: Path, times: list[Fraction]) -> Array:
    """Read the frames that a video shows at given seconds after its first: (N, H, W, 3) uint8."""
    shown: list[tuple[Fraction, Array]] = []
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base or Fraction(1)
        for picture in container.decode(video=0):
            shown.append(((picture.pts or 0) * base, _rgb(picture)))
    return np.stack([min(shown, key=lambda item: abs(item[0] - time))[1] for time in times])


def delivered(made: Array, clip: str) -> Array:
    """Take frames through the clip's own pixel format, as its file would hold them: float in, uint8 out, RGB."""
    import torch

    like = next(_decoded(sample_path(clip)))
    like = adapted(like, working_format(like.format.name, list(LAYOUTS), size=(0, 0)))
    return np.stack([_rgb(from_rgb(torch.from_numpy(x).permute(2, 0, 1)[None], like)) for x in made])


def _rgb(picture: av.VideoFrame) -> Array:
    target = working_format(picture.format.name, list(LAYOUTS), size=(0, 0))
    rgb = to_rgb(adapted(picture, target))
    return quantise(rgb[0] * 255, 255).permute(1, 2, 0).numpy()


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def _scaled(width: int, height: int) -> Iterator[av.VideoFrame]:
    for picture in islice(_decoded(sample_path(_MOVING)), _FIRST, None):
        rgb = picture.to_ndarray(format="rgb24")
        full_height, full_width = rgb.shape[:2]
        crop_width = min(full_width, full_height * width // height)
        crop_height = min(full_height, full_width * height // width)
        top, left = (full_height - crop_height) // 2, (full_width - crop_width) // 2
        cropped = np.ascontiguousarray(rgb[top : top + crop_height, left : left + crop_width], dtype=np.uint8)
        yield av.VideoFrame.from_ndarray(cropped, format="rgb24").reformat(width, height, interpolation="BICUBIC")


def _write(path: Path, pictures: list[av.VideoFrame], rate: Fraction, **options: str) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"preset": "veryfast", **options})
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        for index, picture in enumerate(pictures):
            picture = picture.reformat(format="yuv420p")
            picture.pts, picture.time_base = index, 1 / rate
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
