"""A film with a Dolby Vision record, which no encoder here writes: its box is put into an MP4 file."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np

_WAY = ((b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16), (b"hvc1", 0))
"""Boxes that lead to the sample entry, and the bytes before the boxes that they hold."""


def dolby_vision_film(path: Path, profile: int) -> Path:
    """Six frames of H.265 with a Dolby Vision configuration record."""
    with av.open(str(path), "w", format="mp4") as out:
        video = out.add_stream("libx265", rate=25, options={"x265-params": "log-level=none", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p10le"
        video.codec_context.codec_tag = "hvc1"
        for index in range(6):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 40 * index, np.uint8), format="rgb24")
            picture = picture.reformat(format="yuv420p10le")
            picture.pts = index
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
    data = bytearray(path.read_bytes())
    record = struct.pack(">BBHB19x", 1, 0, profile << 9 | 6 << 3 | 0b101, 0)
    box = struct.pack(">I4s", 8 + len(record), b"dvcC" if profile <= 7 else b"dvvC") + record
    begin, end, places = 0, len(data), []
    for name, inside in _WAY:
        place = begin
        while data[place + 4 : place + 8] != name:
            assert place < end, name
            place += int.from_bytes(data[place : place + 4], "big")
        places.append(place)
        begin, end = place + inside, place + int.from_bytes(data[place : place + 4], "big")
    data[end:end] = box  # the media data stand before the index: no other place changes
    for place in places:
        size = int.from_bytes(data[place : place + 4], "big") + len(box)
        data[place : place + 4] = size.to_bytes(4, "big")
    path.write_bytes(data)
    return path
