"""Measures for the check of a finished file: thumbnails, mean luma, checksums of samples, and time spans of tracks."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.stream import Stream

_RGB_WEIGHTS = (0.7152, 0.0722, 0.2126)
"""Luma weights of the planes of planar RGB, in the order G, B, R."""

_MOST_CELLS, _CELL_PX = 8, 16
"""A thumbnail has at most 8x8 cells of at least 16x16 pixels: lossy encoders preserve the mean of such cells."""

_LEAST_GAP_SECONDS = Fraction(3, 20)
_LEAST_GAP_STEPS = 3
"""A track has a gap where the time from one packet to the next exceeds both: packets of PCM last a second."""

Cells: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Thumbnail:
    """Thumbnail of a frame, to recognise the frame after lossy encoding.

    Attributes:
        cells: (N,) mean of each cell in 8-bit codes: cells of the first plane in row order, then half as many in each
            direction for the other two planes. Alpha is ignored.
        luma: mean luma in 8-bit codes.
    """

    cells: Cells
    luma: float


def thumbnail(picture: av.VideoFrame) -> Thumbnail:
    """Compute the thumbnail of a frame of any bit depth and pixel format."""
    picture = _planar(picture)
    unit = float(2 ** (picture.format.components[0].bits - 8))
    # A plane with two interleaved components is not separated: a file has one pixel format throughout.
    count = min(3, len(picture.planes))
    rows, columns = (min(_MOST_CELLS, max(1, side // _CELL_PX)) for side in (picture.height, picture.width))
    cells, means = list[npt.NDArray[np.float64]](), list[float]()
    for index in range(count):
        if index == 1:
            rows, columns = max(1, rows // 2), max(1, columns // 2)
        samples = _samples(picture, index)
        sums, sizes = _cell_sums(samples, rows, columns)
        cells.append(sums / sizes)
        means.append(float(sums.sum()) / samples.size)
    weights = _RGB_WEIGHTS if picture.format.name.startswith("gbr") else (1.0,)
    codes = np.concatenate([part.ravel() for part in cells]) / unit
    luma = sum(weight * mean for weight, mean in zip(weights, means, strict=False)) / unit
    return Thumbnail(codes.round().astype(np.uint8), luma)


def samples_crc32(picture: av.VideoFrame) -> int:
    """Checksum of the samples of all planes, without line padding."""
    crc = 0
    for index in range(len(picture.planes)):
        crc = zlib.crc32(np.ascontiguousarray(_samples(picture, index)).data, crc)
    return crc


@dataclass(frozen=True)
class TrackSpan:
    """Time span of a track.

    Attributes:
        start: time of its first packet, in seconds.
        seconds: duration from the start to the end of its last packet.
        tolerance: largest difference of a copy in start and duration, in seconds.
        last_seconds: duration of the last packet; 0 if the file does not state it.
        resumes: time of the first packet after each gap, in seconds.
        onsets: times, in seconds, at which audio becomes audible again after silence that replaces a gap.
    """

    start: Fraction
    seconds: Fraction
    tolerance: Fraction = Fraction(1, 20)
    last_seconds: Fraction = Fraction(0)
    resumes: tuple[Fraction, ...] = ()
    onsets: tuple[Fraction, ...] = ()


@dataclass
class _SpanBuilder:
    """State of a track while its packets are read."""

    first: Fraction
    latest: Fraction
    end: Fraction
    last_seconds: Fraction = Fraction(0)
    packets: int = 1
    gaps: list[tuple[Fraction, Fraction]] = field(default_factory=list)

    def add(self, when: Fraction, seconds: Fraction) -> None:
        """Add the next packet."""
        if when - self.latest > _LEAST_GAP_SECONDS:
            self.gaps.append((when, when - self.latest))
        if when >= self.latest:
            self.latest, self.last_seconds = when, seconds
        self.first, self.end = min(self.first, when), max(self.end, when + seconds)
        self.packets += 1

    def span(self) -> TrackSpan:
        """The time span of the packets so far."""
        usual = self.packets - 1 - len(self.gaps)
        long = sum((gap for _, gap in self.gaps), Fraction(0))
        # If all packets are equally far apart, there is no gap.
        step = (self.latest - self.first - long) / usual if usual else min((gap for _, gap in self.gaps), default=long)
        resumes = tuple(when for when, gap in self.gaps if gap > _LEAST_GAP_STEPS * step)
        return TrackSpan(self.first, self.end - self.first, last_seconds=self.last_seconds, resumes=resumes)


def track_spans(packets: Iterable[Packet[Stream]]) -> dict[int, TrackSpan]:
    """The time span of each track, by stream index."""
    builders: dict[int, _SpanBuilder] = {}
    for packet in packets:
        if packet.pts is None:
            continue
        when, seconds = packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base
        builder = builders.get(packet.stream.index)
        if builder is None:
            builders[packet.stream.index] = _SpanBuilder(when, when, when + seconds, seconds)
        else:
            builder.add(when, seconds)
    return {index: builder.span() for index, builder in builders.items()}


def _planar(picture: av.VideoFrame) -> av.VideoFrame:
    packed = not picture.format.is_planar and len(picture.format.components) >= 3
    return picture.reformat(format="gbrp") if packed or picture.format.has_palette else picture


def _cell_sums(
    samples: npt.NDArray[Any], rows: int, columns: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum and number of the samples in each cell."""
    height, width = samples.shape
    tops, lefts = np.arange(rows) * height // rows, np.arange(columns) * width // columns
    lines = np.stack([samples[top:bottom].sum(0, dtype=np.uint32) for top, bottom in _spans(tops, height)])
    sums = np.add.reduceat(lines.astype(np.float64), lefts, axis=1)
    sizes = np.outer(np.diff(tops, append=height), np.diff(lefts, append=width)).astype(np.float64)
    return sums, sizes


def _spans(starts: npt.NDArray[np.int64], end: int) -> Iterable[tuple[int, int]]:
    return zip(starts.tolist(), [*starts[1:].tolist(), end], strict=True)


def _samples(picture: av.VideoFrame, index: int) -> npt.NDArray[Any]:
    plane = picture.planes[index]
    wide = picture.format.components[0].bits > 8
    dtype = np.dtype("<u2") if wide else np.dtype(np.uint8)
    lines: npt.NDArray[Any] = np.frombuffer(memoryview(plane), dtype).reshape(
        plane.height, plane.line_size // dtype.itemsize
    )
    per_pixel = 1 if picture.format.is_planar else max(1, plane.line_size // dtype.itemsize // max(plane.width, 1))
    return lines[:, : plane.width * per_pixel]
