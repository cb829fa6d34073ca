"""The size at which a picture is shown, written into finished Matroska and WebM files."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rife.media.video.matroska import Element, display_size, elements, track_facts, write_display_size
from support.tracks import sound_file

SEGMENT, SEEK_HEAD, SEEK, SEEK_ID, SEEK_POSITION, CRC32 = 0x18538067, 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC, 0xBF


def segment(data: bytes) -> tuple[list[tuple[int, Element]], bytes]:
    """The elements of a segment, each with its place, and the segment's content."""
    content = next(element for element in elements(data) if element.identity == SEGMENT).payload
    place, found = 0, []
    for element in elements(content):
        found.append((place, element))
        place += len(element.encoded())
    return found, content


def check_whole(path: Path) -> None:
    """Every place in the list of elements leads to its element, and every checksum is right."""
    found, content = segment(path.read_bytes())
    seek_head = next(element for _, element in found if element.identity == SEEK_HEAD)
    assert sum(len(element.encoded()) for _, element in found) == len(content)
    for entry in elements(seek_head.payload):
        if entry.identity == SEEK:
            told = {fact.identity: fact.payload for fact in elements(entry.payload)}
            place = int.from_bytes(told[SEEK_POSITION], "big")
            assert content[place : place + len(told[SEEK_ID])] == told[SEEK_ID]
    for _, element in found:
        if element.payload[:2] == b"\xbf\x84":
            assert zlib.crc32(element.payload[6:]).to_bytes(4, "little") == element.payload[2:6]


@pytest.mark.parametrize(("suffix", "picture", "sound"), [(".mkv", "ffv1", "flac"), (".webm", "libvpx-vp9", "libopus")])
def test_the_size_is_written_and_nothing_else_moves(suffix: str, picture: str, sound: str, tmp_path: Path) -> None:
    path = sound_file(tmp_path / f"film{suffix}", sound, picture=picture)
    check_whole(path)
    before = path.read_bytes()
    assert write_display_size(path, (93, 48))
    assert path.stat().st_size == len(before)
    check_whole(path)
    with av.open(str(path)) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(93, 64)
        assert len(list(file.decode(video=0))) == 13
    assert write_display_size(path, (64, 48))  # in the place of the first one
    check_whole(path)
    with av.open(str(path)) as file:
        assert file.streams.video[0].sample_aspect_ratio in (None, 1)
    clusters = before.index(bytes.fromhex("1f43b675"))
    assert path.read_bytes()[clusters:] == before[clusters:]


def test_what_is_no_matroska_file_or_is_cut_off_stays_as_it_is(tmp_path: Path) -> None:
    whole = sound_file(tmp_path / "film.mkv", "flac").read_bytes()
    tracks = whole.index(bytes.fromhex("1654ae6b"))
    for content in (
        b"",
        b"\0" * 100,
        b"no film at all",
        whole[:50],
        whole[: tracks + 30],
        whole[whole.index(b"\xec") :],
    ):
        path = tmp_path / "other.mkv"
        path.write_bytes(content)
        assert not write_display_size(path, (640, 480))
        assert path.read_bytes() == content
        assert track_facts(content) == {}


def test_a_header_without_room_stays_as_it_is(tmp_path: Path) -> None:
    whole = sound_file(tmp_path / "film.mkv", "flac").read_bytes()
    void = whole.index(b"\xec\x01\0\0\0\0\0\0")
    length = int.from_bytes(whole[void + 2 : void + 9], "big")
    path = tmp_path / "full.mkv"
    path.write_bytes(whole[:void] + whole[void + 9 + length :])
    assert not write_display_size(path, (640, 480))


@given(
    st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
    st.fractions(min_value=Fraction(1, 8), max_value=8, max_denominator=200),
)
def test_the_shown_size_has_the_aspect_ratio_and_no_side_shrinks(size: tuple[int, int], ratio: Fraction) -> None:
    width, height = size
    shown = display_size(width, height, ratio)
    assert shown[0] >= width
    assert shown[1] >= height
    got = Fraction(shown[0] * height, shown[1] * width)
    assert got == ratio or max(shown) < 8 * 4096 + 1
    assert abs(got / ratio - 1) <= Fraction(1, min(size))


@given(st.integers(0, 300), st.integers(1, 8))
def test_elements_are_read_as_they_are_written(length: int, size_bytes: int) -> None:
    element = Element(0x1654AE6B, bytes(length), size_bytes)
    (read,) = elements(element.encoded())
    assert (read.identity, read.payload) == (element.identity, element.payload)
    assert read.encoded() == element.encoded()
