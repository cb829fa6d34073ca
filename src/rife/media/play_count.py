"""Play counts of GIF, animated PNG and animated WebP.

A GIF stores the number of repetitions, the others the number of plays; 0 is infinite in all three. A GIF without a
number plays once (Netscape's application extension; PNG 3rd edition, section 11.3.6.1; WebP container, ANIM).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

FOREVER = 0
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_LOOP_EXTENSIONS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def plays_of(path: Path) -> int | None:
    """Read the play count of an animation.

    Args:
        path: any file.

    Returns:
        The number of plays, 0 for infinite; None if the file is no GIF, animated PNG or animated WebP, or cannot be
        read.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(12)
            if magic[:6] in (b"GIF87a", b"GIF89a"):
                return _gif_plays(file)
            if magic.startswith(_PNG_MAGIC):
                return _png_plays(file)
            if magic[:4] == b"RIFF" and magic[8:] == b"WEBP":
                return _webp_plays(file)
    except OSError:
        pass  # opening the source reports the error
    return None


def _gif_plays(file: BinaryIO) -> int:
    """Read the blocks before the first picture, where browsers look for the extension."""
    file.seek(10)
    flags = file.read(1)
    file.seek(13 + _table_bytes(flags))
    while file.read(1) == b"!":
        label = file.read(1)
        blocks = _sub_blocks(file)
        name = next(blocks, b"")
        content = list(blocks)
        if label == b"\xff" and name in _LOOP_EXTENSIONS and content and content[0][:1] == b"\x01":
            repeats = int.from_bytes(content[0][1:3], "little")
            return repeats + 1 if repeats else FOREVER
    return 1


def _table_bytes(flags: bytes) -> int:
    """Length of a colour table, from the flags before it (GIF89a, section 18)."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _sub_blocks(file: BinaryIO) -> Iterator[bytes]:
    while (size := file.read(1)) not in (b"", b"\0"):
        yield file.read(size[0])


def _png_plays(file: BinaryIO) -> int | None:
    file.seek(len(_PNG_MAGIC))
    while len(head := file.read(8)) == 8:
        if head[4:] == b"acTL":
            return int.from_bytes(file.read(8)[4:], "big")
        if head[4:] == b"IDAT":
            return None
        file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return None


def _webp_plays(file: BinaryIO) -> int | None:
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"ANIM":
            return int.from_bytes(file.read(6)[4:], "little")
        file.seek(size + size % 2, 1)
    return None
