"""Numbers that tell one picture from another: its mean luma, a checksum of its samples; and the length of a track."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.stream import Stream

_RGB_WEIGHTS = (0.7152, 0.0722, 0.2126)
"""Of the planes of planar RGB, which lie in the order G, B, R."""


def mean_luma(picture: av.VideoFrame) -> float:
    """Mean luma in codes of 8 bit, whatever the picture's depth."""
    packed = not picture.format.is_planar and len(picture.format.components) >= 3
    if packed or picture.format.has_palette:
        picture = picture.reformat(format="gbrp")
    unit = float(2 ** (picture.format.components[0].bits - 8))
    planar_rgb = picture.format.name.startswith("gbr")
    weights = _RGB_WEIGHTS if planar_rgb else (1.0,)
    return sum(w * float(_samples(picture, i).mean()) for i, w in enumerate(weights)) / unit


def samples_crc32(picture: av.VideoFrame) -> int:
    """Checksum of the samples of all planes, without the padding of their lines."""
    crc = 0
    for index in range(len(picture.planes)):
        crc = zlib.crc32(np.ascontiguousarray(_samples(picture, index)).data, crc)
    return crc


@dataclass(frozen=True)
class TrackSpan:
    """When a track is heard or seen.

    Attributes:
        start: seconds of its first packet.
        seconds: from there to the end of its last packet.
        tolerance: seconds by which a copy may differ, in both.
    """

    start: Fraction
    seconds: Fraction
    tolerance: Fraction = Fraction(1, 20)


def track_spans(packets: Iterable[Packet[Stream]]) -> dict[int, TrackSpan]:
    """Where each track lies in time, by stream index."""
    first: dict[int, Fraction] = {}
    end: dict[int, Fraction] = {}
    for packet in packets:
        if packet.pts is None:
            continue
        index, when = packet.stream.index, packet.pts * packet.time_base
        first[index] = min(first.get(index, when), when)
        end[index] = max(end.get(index, when), when + (packet.duration or 0) * packet.time_base)
    return {index: TrackSpan(first[index], end[index] - first[index]) for index in end}


def _samples(picture: av.VideoFrame, index: int) -> npt.NDArray[Any]:
    plane = picture.planes[index]
    wide = picture.format.components[0].bits > 8
    dtype = np.dtype("<u2") if wide else np.dtype(np.uint8)
    lines: npt.NDArray[Any] = np.frombuffer(memoryview(plane), dtype).reshape(
        plane.height, plane.line_size // dtype.itemsize
    )
    per_pixel = 1 if picture.format.is_planar else max(1, plane.line_size // dtype.itemsize // max(plane.width, 1))
    return lines[:, : plane.width * per_pixel]
