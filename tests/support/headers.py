"""Damage of headers: what a container says of its tracks, and not what is in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

_MP4 = b"ftyp moov mvhd trak tkhd edts elst mdia mdhd hdlr minf vmhd smhd dinf stbl stsd stts ctts stsc stsz stco stss"
_MP4_ENTRIES = (
    b"avc1 avcC mp4a esds mp4v s263 samr d263 damr colr pasp btrt udta meta ilst covr chpl sgpd sbgp iloc iinf"
)
_MP4_AVIF = b"ispe pixi av1C av01 iprp ipco ipma pitm infe iref"
_RIFF = b"RIFF AVI LIST hdrl avih strl strh strf vids auds movi idx1 indx vprp JUNK INFO"
_WEBP = b"WEBP VP8X ANIM ANMF ALPH VP8L EXIF"
_PNG = b"IHDR acTL fcTL fdAT IDAT eXIf PLTE IEND pHYs gAMA"
_FLV = b"FLV onMetaData duration width height framerate videocodecid audiocodecid"
_ASF = (
    bytes.fromhex("3026b2758e66cf11"),  # header
    bytes.fromhex("a1dcab8c47a9cf11"),  # file properties
    bytes.fromhex("9107dcb7b7a9cf11"),  # stream properties
    bytes.fromhex("b503bf5f2ea9cf11"),  # header extension
    bytes.fromhex("3626b2758e66cf11"),  # data
    bytes.fromhex("c0ef19bc4d5bcf11"),  # video media
    bytes.fromhex("409e69f84d5bcf11"),  # audio media
)
_EBML_IDS = (
    "1a45dfa3 18538067 114d9b74 1549a966 2ad7b1 4489 1654ae6b 73c5 23e383 63a2 54b0 54ba 55b0 53b8 1c53bb6b 1f43b675 "
    "1941a469 61a7 465c 1043a770"
)
_EBML = tuple(map(bytes.fromhex, _EBML_IDS.split()))
_MPEG = tuple(bytes.fromhex(f"000001{code}") for code in ("ba", "bb", "b3", "b5", "b8", "00", "c0", "e0"))
_TS = tuple(bytes.fromhex(begin) for begin in ("474000", "475000", "474100", "474011"))
_GIF = (b"GIF89a", b"\x21\xf9\x04", b"\x21\xff\x0b", b"\x2c\x00\x00")
_Y4M = (b"YUV4MPEG2", b" W", b" H", b" F", b" I", b" A", b" C", b"FRAME")

_MARKS: tuple[bytes, ...] = (
    *b" ".join((_MP4, _MP4_ENTRIES, _MP4_AVIF, _RIFF, _WEBP, _PNG, _FLV)).split(),
    *_ASF,
    *_EBML,
    *_MPEG,
    *_TS,
    *_GIF,
    *_Y4M,
)
"""Where parts of headers begin, in every container."""

_CODECS = re.compile(
    rb"avc1|hvc1|hev1|av01|vp09|mp4v|mp4a|s263|samr|jpeg|tx3g|"
    rb"V_[A-Z0-9]+|A_[A-Z0-9]+|S_TEXT|FMP4|XVID|H264|h264|MJPG|WMV[123]|WVC1|MP4[23]|GIF8|VP8[LX ]"
)
_REACH_BYTES = 48
_HEAD_BYTES = 2048
_EXTREMES = (0, 1, 0x7F, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HIDDEN_TRACKS = ((b"trak", b"free"), (b"strl", b"JUNK"), (b"fcTL", b"teXt"), (b"ANMF", b"XXXX"))


def _part(data: bytearray, chance: Random) -> int:
    """Where a part of the headers begins; the kinds are equally likely, however many there are of each."""
    found = [places for mark in _MARKS if (places := [hit.start() for hit in re.finditer(re.escape(mark), data)][:8])]
    return chance.choice(chance.choice(found)) if found else 0


def _flipped(data: bytearray, chance: Random) -> bytearray:
    """Bits of the first 2 KB, or behind the beginning of a part of the headers."""
    for _ in range(chance.choice((1, 4, 12))):
        if chance.random() < 0.3:
            place = chance.randrange(min(_HEAD_BYTES, len(data)))
        else:
            place = min(len(data) - 1, _part(data, chance) + chance.randrange(_REACH_BYTES))
        data[place] ^= 1 << chance.randrange(8)
    return data


def _number(data: bytearray, chance: Random) -> bytearray:
    """A size, time base, rate, count or duration of 0, 1, or as large as its field."""
    for _ in range(chance.choice((1, 2))):
        place, width = _part(data, chance) + chance.randrange(4, _REACH_BYTES), chance.choice((1, 2, 4))
        value = chance.choice(_EXTREMES) & ((1 << 8 * width) - 1)
        data[place : place + width] = value.to_bytes(width, chance.choice(("big", "little")))
    return data


def _number_of_text(data: bytearray, chance: Random) -> bytearray:
    """A number of the first 200 bytes that is written in digits, as in y4m; else as in `_number`."""
    found = list(re.finditer(rb"(?<= [WHFAI])\d+|(?<=:)\d+", data[:200]))
    if not found:
        return _number(data, chance)
    hit = chance.choice(found)
    data[hit.start() : hit.end()] = chance.choice((b"0", b"-1", b"", b"1", b"x", b"99999", b"4294967296", b"9" * 30))
    return data


def _unknown_codec(data: bytearray, chance: Random) -> bytearray:
    """A codec that nobody knows in place of one of the file's, or of all."""
    found = sorted({hit.group() for hit in _CODECS.finditer(data)})
    if not found:
        return _number(data, chance)
    every = chance.random() < 0.3
    for name in found if every else [chance.choice(found)]:
        data = data.replace(name, (b"zzz1" + b"Z" * len(name))[: len(name)])
    return data


def _hidden_part(data: bytearray, chance: Random) -> bytearray:
    """A part of the headers, such as a track, under a name that readers pass over."""
    tracks = [(name, other) for name, other in _HIDDEN_TRACKS if name in data]
    if tracks and chance.random() < 0.5:
        name, other = chance.choice(tracks)
        place = chance.choice([hit.start() for hit in re.finditer(re.escape(name), data)])
    else:
        place, other = _part(data, chance), b"free"
    data[place : place + 4] = other
    return data


def _swapped_parts(data: bytearray, chance: Random) -> bytearray:
    """The beginning of one part where another one is expected."""
    one, two, length = _part(data, chance), _part(data, chance), chance.choice((4, 16, 40))
    data[one : one + length] = data[two : two + length]
    return data


HEADERS: dict[str, Callable[[bytearray, Random], bytearray]] = {
    "header flipped": _flipped,
    "header number": _number,
    "header text": _number_of_text,
    "unknown codec": _unknown_codec,
    "hidden part": _hidden_part,
    "swapped parts": _swapped_parts,
}
"""Damages of headers, of the same form as those of bytes."""
