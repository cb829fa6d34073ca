"""The display size in Matroska and WebM, which FFmpeg does not write through PyAV.

The size (DisplayWidth and DisplayHeight, RFC 9559 section 5.1.4.1.28) is written into the header of a finished file, in
place of the padding that FFmpeg leaves after the list of elements (SeekHead). No byte after the header moves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

_SEGMENT, _SEEK_HEAD, _CLUSTER, _TRACKS = 0x18538067, 0x114D9B74, 0x1F43B675, 0x1654AE6B
_SEEK, _SEEK_POSITION = 0x4DBB, 0x53AC
_TRACK_ENTRY, _TRACK_TYPE, _VIDEO = 0xAE, 0x83, 0xE0
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_VOID, _CRC32 = 0xEC, 0xBF
_VIDEO_TYPE = b"\1"
_LARGEST_HEADER = 1 << 24
"""Bytes up to the end of the tracks; covers and attached files follow the tracks."""
_LARGEST_SIDE = 1 << 14
"""Pixels; a player opens a window of the stored size."""


@dataclass(frozen=True)
class Element:
    """An EBML element (RFC 8794).

    Attributes:
        identity: its ID, with the length marker.
        payload: its content.
        size_bytes: smallest length of its size field, in bytes.
    """

    identity: int
    payload: bytes
    size_bytes: int = 1

    def encoded(self) -> bytes:
        """The bytes of the element."""
        needed = next(n for n in range(self.size_bytes, 9) if len(self.payload) < (1 << 7 * n) - 1)
        size = len(self.payload) | 1 << 7 * needed
        return _bytes_of(self.identity) + size.to_bytes(needed, "big") + self.payload


def elements(data: bytes) -> Iterator[Element]:
    """Yield consecutive elements.

    Raises:
        ValueError: the data are no EBML, or truncated.
    """
    offset = 0
    while offset < len(data):
        element, offset = _element(data, offset)
        yield element


def display_size(width: int, height: int, sample_aspect_ratio: Fraction) -> tuple[int, int]:
    """Display size for a sample aspect ratio: not smaller than the coded size, and exact unless it is too large.

    Args:
        width: coded width in pixels.
        height: coded height in pixels.
        sample_aspect_ratio: width over height of a pixel.
    """
    shown = width * sample_aspect_ratio / height
    if max(shown.numerator, shown.denominator) > _LARGEST_SIDE:
        return max(width, round(width * sample_aspect_ratio)), max(height, round(height / sample_aspect_ratio))
    times = max(-(-width // shown.numerator), -(-height // shown.denominator))
    return shown.numerator * times, shown.denominator * times


def write_display_size(path: Path, size: tuple[int, int]) -> bool:
    """Write the display size of the video track into a finished Matroska or WebM file.

    Args:
        path: a file of FFmpeg's muxer.
        size: width and height in pixels.

    Returns:
        Whether the size was written; if not, the file is unchanged.

    Raises:
        OSError: the file cannot be read or written.
    """
    with path.open("r+b") as file:
        data = file.read(_LARGEST_HEADER)
        try:
            start, head = _segment_head(data)
            changed = _with_display_size(head, size)
        except ValueError:
            return False
        file.seek(start)
        file.write(changed)
    return True


def track_facts(data: bytes) -> dict[int, Element]:
    """Elements of the first track entry of a header, by ID; empty if there is no track.

    Args:
        data: the beginning of a Matroska or WebM file, up to the end of its tracks.
    """
    try:
        tracks = _segment_head(data)[1][-1]
        entry = next(entry for entry in elements(tracks.payload) if entry.identity == _TRACK_ENTRY)
        return {fact.identity: fact for fact in elements(entry.payload)}
    except (ValueError, StopIteration):
        return {}


def _segment_head(data: bytes) -> tuple[int, list[Element]]:
    """Offset of the segment's content, and its elements up to the tracks."""
    offset = 0
    while _number(data, offset, keep_marker=True)[0] != _SEGMENT:
        _, offset = _element(data, offset)
    _, offset = _number(data, offset, keep_marker=True)
    _, start = _number(data, offset)
    head: list[Element] = []
    for element in elements(data[start:]):
        head.append(element)
        if element.identity == _TRACKS:
            return start, head
        if element.identity == _CLUSTER:
            break
    raise ValueError("the header holds no tracks")


def _with_display_size(head: list[Element], size: tuple[int, int]) -> bytes:
    """The elements up to the tracks with the display size and less padding; their total length is unchanged."""
    length = sum(len(element.encoded()) for element in head)
    padding = [element.identity for element in head].index(_VOID)
    changed = [*head[:-1], _checked(_changed_tracks(head[-1], size))]
    del changed[padding]
    room = length - sum(len(element.encoded()) for element in changed)
    changed[padding:padding] = _padding(room)
    moved = dict(zip(_offsets(head, leave_out=_VOID), _offsets(changed, leave_out=_VOID), strict=True))
    changed = [_changed_seek_head(e, moved) if e.identity == _SEEK_HEAD else e for e in changed]
    return b"".join(element.encoded() for element in changed)


def _changed_tracks(tracks: Element, size: tuple[int, int]) -> Element:
    """The tracks with the display size in the first video track."""
    entries = list(elements(tracks.payload))
    for number, entry in enumerate(entries):
        facts = list(elements(entry.payload)) if entry.identity == _TRACK_ENTRY else []
        if any(fact.identity == _TRACK_TYPE and fact.payload == _VIDEO_TYPE for fact in facts):
            entries[number] = _replaced(
                entry, [_sized(fact, size) if fact.identity == _VIDEO else fact for fact in facts]
            )
            return _replaced(tracks, entries)
    raise ValueError("there is no video track")


def _sized(video: Element, size: tuple[int, int]) -> Element:
    sizes = dict(zip((_DISPLAY_WIDTH, _DISPLAY_HEIGHT), size, strict=True))
    others = [fact for fact in elements(video.payload) if fact.identity not in (*sizes, _DISPLAY_UNIT)]
    return _replaced(video, [*others, *(Element(name, _bytes_of(value)) for name, value in sizes.items())])


def _changed_seek_head(seek_head: Element, moved: dict[int, int]) -> Element:
    """The list of elements, with the new offsets of the elements that moved."""

    def changed(fact: Element) -> Element:
        offset = int.from_bytes(fact.payload, "big")
        if fact.identity != _SEEK_POSITION or offset not in moved:
            return fact
        return Element(fact.identity, moved[offset].to_bytes(len(fact.payload), "big"), fact.size_bytes)

    entries = [
        _replaced(entry, [changed(fact) for fact in elements(entry.payload)]) if entry.identity == _SEEK else entry
        for entry in elements(seek_head.payload)
    ]
    return _checked(_replaced(seek_head, entries))


def _checked(element: Element) -> Element:
    """The element with a new checksum of its content, if it holds a checksum."""
    first, *rest = elements(element.payload)
    if first.identity != _CRC32:
        return element
    content = b"".join(other.encoded() for other in rest)
    checksum = zlib.crc32(content).to_bytes(4, "little")
    return Element(element.identity, Element(_CRC32, checksum).encoded() + content, element.size_bytes)


def _replaced(element: Element, children: list[Element]) -> Element:
    return Element(element.identity, b"".join(child.encoded() for child in children), element.size_bytes)


def _padding(length: int) -> list[Element]:
    if length == 0:
        return []
    size_bytes = 8 if length > 9 else 1
    if length < 1 + size_bytes:
        raise ValueError("the header has no space left")
    return [Element(_VOID, bytes(length - 1 - size_bytes), size_bytes)]


def _offsets(head: list[Element], *, leave_out: int) -> list[int]:
    """Offsets of the elements, except for those with the ID `leave_out`."""
    ends = accumulate((len(element.encoded()) for element in head), initial=0)
    return [offset for offset, element in zip(ends, head, strict=False) if element.identity != leave_out]


def _element(data: bytes, offset: int) -> tuple[Element, int]:
    identity, offset = _number(data, offset, keep_marker=True)
    size, begin = _number(data, offset)
    if begin + size > len(data):
        raise ValueError("an element is truncated")
    return Element(identity, data[begin : begin + size], begin - offset), begin + size


def _number(data: bytes, offset: int, *, keep_marker: bool = False) -> tuple[int, int]:
    """A number of variable length, and the offset after it."""
    length = 9 - data[offset].bit_length() if offset < len(data) else 9
    if length > 8:
        raise ValueError("not an EBML number")
    value = int.from_bytes(data[offset : offset + length], "big")
    return value if keep_marker else value & (1 << 7 * length) - 1, offset + length


def _bytes_of(number: int) -> bytes:
    return number.to_bytes(max(1, -(-number.bit_length() // 8)), "big")
