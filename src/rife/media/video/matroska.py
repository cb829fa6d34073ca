"""What FFmpeg does not write into Matroska and WebM by way of PyAV: the size at which a picture is shown.

The size (DisplayWidth and DisplayHeight, RFC 9559 section 5.1.4.1.28) is put into the header of a finished file, in the
place of padding that FFmpeg leaves behind the list of elements (SeekHead). No byte behind the header moves.
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
"""Bytes; covers and attached files stand behind the tracks."""
_LARGEST_SIDE = 1 << 14
"""Pixels; a player opens a window of the size that is written."""


@dataclass(frozen=True)
class Element:
    """An EBML element (RFC 8794).

    Attributes:
        identity: its ID, with the marker of its length.
        payload: what it holds.
        size_bytes: how many bytes its size takes, at least.
    """

    identity: int
    payload: bytes
    size_bytes: int = 1

    def encoded(self) -> bytes:
        """The element as it lies in a file."""
        needed = next(n for n in range(self.size_bytes, 9) if len(self.payload) < (1 << 7 * n) - 1)
        size = len(self.payload) | 1 << 7 * needed
        return _bytes_of(self.identity) + size.to_bytes(needed, "big") + self.payload


def elements(data: bytes) -> Iterator[Element]:
    """Yield the elements that follow each other.

    Raises:
        ValueError: not EBML, or cut off.
    """
    place = 0
    while place < len(data):
        element, place = _element(data, place)
        yield element


def display_size(width: int, height: int, sample_aspect_ratio: Fraction) -> tuple[int, int]:
    """The size at which pixels of an aspect ratio are shown: exact where a picture can be so large; no side shrinks.

    Args:
        width: of the coded picture, in pixels.
        height: of the coded picture, in pixels.
        sample_aspect_ratio: width over height of a pixel.
    """
    shown = width * sample_aspect_ratio / height
    if max(shown.numerator, shown.denominator) > _LARGEST_SIDE:
        return max(width, round(width * sample_aspect_ratio)), max(height, round(height / sample_aspect_ratio))
    times = max(-(-width // shown.numerator), -(-height // shown.denominator))
    return shown.numerator * times, shown.denominator * times


def write_display_size(path: Path, size: tuple[int, int]) -> bool:
    """Write the size at which the picture track is shown into a finished Matroska or WebM file.

    Args:
        path: a file of FFmpeg's muxer.
        size: width and height in pixels.

    Returns:
        Whether it could be written; the file is as it was if not.

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
    """What a header says of its first track, by ID; nothing where there is no track.

    Args:
        data: the beginning of a Matroska or WebM file, with its tracks.
    """
    try:
        tracks = _segment_head(data)[1][-1]
        entry = next(entry for entry in elements(tracks.payload) if entry.identity == _TRACK_ENTRY)
        return {fact.identity: fact for fact in elements(entry.payload)}
    except (ValueError, StopIteration):
        return {}


def _segment_head(data: bytes) -> tuple[int, list[Element]]:
    """Where the segment's content begins, and its elements up to the tracks."""
    place = 0
    while _number(data, place, keep_marker=True)[0] != _SEGMENT:
        _, place = _element(data, place)
    _, place = _number(data, place, keep_marker=True)
    _, start = _number(data, place)
    head: list[Element] = []
    for element in elements(data[start:]):
        head.append(element)
        if element.identity == _TRACKS:
            return start, head
        if element.identity == _CLUSTER:
            break
    raise ValueError("the tracks do not stand in the header")


def _with_display_size(head: list[Element], size: tuple[int, int]) -> bytes:
    """The elements up to the tracks, of the same length together, with the size in the tracks and less padding."""
    length = sum(len(element.encoded()) for element in head)
    padding = [element.identity for element in head].index(_VOID)
    changed = [*head[:-1], _checked(_changed_tracks(head[-1], size))]
    del changed[padding]
    room = length - sum(len(element.encoded()) for element in changed)
    changed[padding:padding] = _padding(room)
    moved = dict(zip(_places(head, leave_out=_VOID), _places(changed, leave_out=_VOID), strict=True))
    changed = [_changed_seek_head(e, moved) if e.identity == _SEEK_HEAD else e for e in changed]
    return b"".join(element.encoded() for element in changed)


def _changed_tracks(tracks: Element, size: tuple[int, int]) -> Element:
    """The tracks with the size in the first one that holds pictures."""
    entries = list(elements(tracks.payload))
    for number, entry in enumerate(entries):
        facts = list(elements(entry.payload)) if entry.identity == _TRACK_ENTRY else []
        if any(fact.identity == _TRACK_TYPE and fact.payload == _VIDEO_TYPE for fact in facts):
            entries[number] = _replaced(
                entry, [_sized(fact, size) if fact.identity == _VIDEO else fact for fact in facts]
            )
            return _replaced(tracks, entries)
    raise ValueError("no track holds pictures")


def _sized(video: Element, size: tuple[int, int]) -> Element:
    told = dict(zip((_DISPLAY_WIDTH, _DISPLAY_HEIGHT), size, strict=True))
    kept = [fact for fact in elements(video.payload) if fact.identity not in (*told, _DISPLAY_UNIT)]
    return _replaced(video, [*kept, *(Element(name, _bytes_of(value)) for name, value in told.items())])


def _changed_seek_head(seek_head: Element, moved: dict[int, int]) -> Element:
    """The list of elements, with the places of those that moved."""

    def changed(fact: Element) -> Element:
        place = int.from_bytes(fact.payload, "big")
        if fact.identity != _SEEK_POSITION or place not in moved:
            return fact
        return Element(fact.identity, moved[place].to_bytes(len(fact.payload), "big"), fact.size_bytes)

    entries = [
        _replaced(entry, [changed(fact) for fact in elements(entry.payload)]) if entry.identity == _SEEK else entry
        for entry in elements(seek_head.payload)
    ]
    return _checked(_replaced(seek_head, entries))


def _checked(element: Element) -> Element:
    """The element with the checksum of what it holds, where it holds one."""
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
        raise ValueError("the header has no room left")
    return [Element(_VOID, bytes(length - 1 - size_bytes), size_bytes)]


def _places(head: list[Element], *, leave_out: int) -> list[int]:
    """Where each element begins, but for those of one kind."""
    ends = accumulate((len(element.encoded()) for element in head), initial=0)
    return [place for place, element in zip(ends, head, strict=False) if element.identity != leave_out]


def _element(data: bytes, place: int) -> tuple[Element, int]:
    identity, place = _number(data, place, keep_marker=True)
    size, begin = _number(data, place)
    if begin + size > len(data):
        raise ValueError("an element is cut off")
    return Element(identity, data[begin : begin + size], begin - place), begin + size


def _number(data: bytes, place: int, *, keep_marker: bool = False) -> tuple[int, int]:
    """A number of variable length, and the place behind it."""
    length = 9 - data[place].bit_length() if place < len(data) else 9
    if length > 8:
        raise ValueError("not a number of EBML")
    value = int.from_bytes(data[place : place + length], "big")
    return value if keep_marker else value & (1 << 7 * length) - 1, place + length


def _bytes_of(number: int) -> bytes:
    return number.to_bytes(max(1, -(-number.bit_length() // 8)), "big")
