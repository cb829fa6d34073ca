"""Picture files and pictures in memory, and their codes as plain arrays."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image

from rife.media.colour.interleave import plane_samples


def textured(index: int, *, size: tuple[int, int] = (46, 32), channels: int = 3, deep: bool = False) -> np.ndarray:
    """A square that moves over a gradient: (H, W, channels), or (H, W) for one channel."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    colours = np.stack((x * 255 // width, y * 255 // height, (x * 7 + y * 5) % 256, np.full_like(x, 255)), -1)
    top, left = min(4, height - 1), (3 * index) % width
    colours[top : top + 9, left : left + 9, :3] = (250 - 9 * (index % 20), 20, 180)
    if channels == 4:
        colours[-height // 3 :, : width // 4, 3] = 0
    codes = (colours * 257 + (x + y)[..., None] % 7 - 3).clip(0, 65535).astype(np.uint16) if deep else colours
    codes = codes.astype(np.uint16 if deep else np.uint8)
    return codes[..., 0] if channels == 1 else codes[..., :channels]


def random_codes(shape: tuple[int, ...], *, deep: bool = False, seed: int = 0) -> np.ndarray:
    maximum, dtype = (65536, np.uint16) if deep else (256, np.uint8)
    return np.random.default_rng(seed).integers(0, maximum, shape, dtype=dtype)


def planar_picture(codes: np.ndarray) -> av.VideoFrame:
    """A picture in the plain format of an array: (H, W) grey, (H, W, 3) RGB or (H, W, 4) with alpha."""
    deep = "16le" if codes.dtype == np.uint16 else ""
    channels = 1 if codes.ndim == 2 else codes.shape[2]
    picture = av.VideoFrame(codes.shape[1], codes.shape[0], {1: "gray", 3: "gbrp", 4: "gbrap"}[channels] + deep)
    for plane in range(channels):
        channel = (1, 2, 0, 3)[plane] if channels > 1 else 0
        plane_samples(picture, plane)[:] = codes if channels == 1 else codes[..., channel]
    picture.color_range = 2
    return picture


def codes_of(picture: av.VideoFrame) -> np.ndarray:
    """The inverse of `planar_picture`."""
    planes = [plane_samples(picture, index) for index in range(len(picture.planes))]
    return planes[0].copy() if len(planes) == 1 else np.stack([planes[2], planes[0], planes[1], *planes[3:]], -1)


def save_png(path: Path, index: int = 0, **how: object) -> Path:
    Image.fromarray(textured(index, **how)).save(path)  # type: ignore[arg-type]
    return path
