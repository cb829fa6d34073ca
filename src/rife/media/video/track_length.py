"""Stated end of the video track: the duration of a packet is not always that of its frame.

In MP4 and QuickTime, the duration of a sample is counted in decoding order. With B-frames, the last frame in
presentation order is not the last one in decoding order, and only the track header determines its duration (ISO/IEC
14496-12, 8.3.2). Matroska need not store the duration of a frame; FFmpeg and mkvmerge write the end of each track into
its DURATION tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer
from av.stream import Stream

_MOST_BOXES = 100_000


def counts_in_decoding_order(container: InputContainer) -> bool:
    """Whether the duration of a packet is the time to the next packet in decoding order."""
    return "mov" in container.format.name.split(",")


def stated_end_seconds(path: Path, container: InputContainer, stream: Stream) -> Fraction | None:
    """Stated end of a track on the file's own clock; None if the header does not state it."""
    if counts_in_decoding_order(container):
        try:
            with path.open("rb") as file:
                return _track_header_end(file, path.stat().st_size, stream.id)
        except (OSError, ValueError):
            return None
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)\0*", stream.metadata.get("DURATION", ""))
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3])


def _track_header_end(file: BinaryIO, size: int, track_id: int) -> Fraction | None:
    """Duration in a track header, in seconds: the sum of the track's edits."""
    for kind, first, end in _boxes(file, 0, size):
        if kind != b"moov":
            continue
        scale = 0
        for inner, start, stop in _boxes(file, first, end):
            if inner == b"mvhd":
                scale = _fields(file, start, stop, after_times=True)[0]
            if inner == b"trak" and scale:
                for box, a, b in _boxes(file, start, stop):
                    if box == b"tkhd":
                        number, duration = _fields(file, a, b, after_times=False)
                        if number == track_id:
                            return Fraction(duration, scale) if duration else None
    return None


def _boxes(file: BinaryIO, first: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, the first byte and the end of the content of each box in a part of a file."""
    for _ in range(_MOST_BOXES):
        if first + 8 > end:
            return
        file.seek(first)
        header = file.read(16)
        length, start = int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, start = int.from_bytes(header[8:16], "big"), 16
        elif length == 0:
            length = end - first
        if length < start or first + length > end:
            return
        yield header[4:8], first + start, first + length
        first += length


def _fields(file: BinaryIO, first: int, end: int, *, after_times: bool) -> tuple[int, int]:
    """The two fields after the times of a movie header (time scale, duration) or a track header (ID, duration)."""
    file.seek(first)
    data = file.read(min(end - first, 40))
    wide = data[:1] == b"\1"
    time_bytes = 8 if wide else 4
    offset = 4 + 2 * time_bytes
    number = int.from_bytes(data[offset : offset + 4], "big")
    offset += 4 if after_times else 8  # a track header has a reserved field between the two
    duration = int.from_bytes(data[offset : offset + time_bytes], "big")
    return number, 0 if duration == (1 << 8 * time_bytes) - 1 else duration
