"""Image files: reading of the header, and decoding to an upright frame in a planar format.

The decoder gets the bytes of a file. FFmpeg does not interpret the file name: `%`, `:` and `[` have no meaning in it.
The first bytes of the file determine the decoder, not the extension, as in viewers.

Formats other than YUV are decoded to grey, or to planes G, B, R (and alpha), of 8 or 16 bits, by copying codes:
palettes are resolved, grey with alpha becomes RGB with alpha, and bits become codes 0 and 255. Linear light (OpenEXR)
gets the sRGB transfer function.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from rife.errors import MediaError
from rife.media.colour.interleave import plain, plain_like, plain_name, turned
from rife.media.source import check_size

PICTURE_ENDINGS = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".exr": "exr",
}
"""Extensions of image files, in lower case, and their formats."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "mjpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"BM", "bmp"),
    (b"\x76\x2f\x31\x01", "exr"),
)
_HEADER_BYTES = 65536


@dataclass(frozen=True)
class PictureFacts:
    """Facts of an image file: its upright size, and the pixel format of `decode_picture`."""

    width: int
    height: int
    pixel_format: str


def picture_facts(path: Path) -> PictureFacts:
    """Read the header of an image file.

    Raises:
        MediaError: the file cannot be read, or is no image.
    """
    data = _read(path, _HEADER_BYTES)
    found = _header(data)
    if found is None and len(data) == _HEADER_BYTES:
        data = _read(path, None)
        found = _header(data)
    if found is None:
        raise MediaError(f"{path}: not a readable image; it is {_guess(data)}.")
    width, height, name = found
    check_size(path, width, height)
    if orientation(data) > 4:
        width, height = height, width
    return PictureFacts(width, height, _plain_format(path, name, data, size=(found[0], found[1])))


def decode_picture(path: Path, *, pixel_format: str | None = None) -> av.VideoFrame:
    """Decode an image file to an upright frame, by its EXIF orientation.

    Args:
        path: the file.
        pixel_format: grey or planar RGB format of the result, which holds the file's own without loss; the file's own
            if not given.

    Raises:
        MediaError: the file cannot be read, is no image, or is truncated.
    """
    data = _read(path, None)
    codec = _codec(data)
    if codec is None or _is_cut_off(data, codec):
        raise MediaError(f"{path}: the image cannot be decoded; it is {_guess(data)}.")
    context = _context(codec)
    try:
        pictures = context.decode(av.Packet(data)) + context.decode(None)
    except av.FFmpegError as err:
        raise MediaError(f"{path}: the image cannot be decoded ({err.strerror}); it is {_guess(data)}.") from err
    if not pictures:
        raise MediaError(f"{path}: the image cannot be decoded; it is {_guess(data)}.")
    picture = pictures[0]
    turn = orientation(data)
    name = _plain_format(path, picture.format.name, data, size=(picture.width, picture.height))
    upright = turned(plain(picture, name), turn)
    return upright if pixel_format is None or pixel_format == name else plain(upright, pixel_format)


def richest(formats: set[str]) -> str:
    """The plain format that holds several formats without loss, except for their YUV form."""
    if len(formats) == 1:
        return next(iter(formats))
    known = [av.VideoFormat(name) for name in formats]
    alpha = any(component.is_alpha for known_format in known for component in known_format.components)
    deep = any(component.bits > 8 for known_format in known for component in known_format.components)
    grey = all(len(known_format.components) == 1 for known_format in known)
    return plain_name(grey=grey, alpha=alpha, deep=deep)


def orientation(data: bytes) -> int:
    """EXIF orientation of an image file, 1 to 8; 1 if it has none."""
    block = next((content for name, content in _chunks(data) if name in (b"Exif", b"eXIf", b"EXIF")), b"")
    if data[:4] in (b"II*\0", b"MM\0*"):
        block = data
    block = block.removeprefix(b"Exif\0\0")
    order = "<" if block[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (entries,) = struct.unpack_from(order + "H", block, start)
        for entry in range(entries):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * entry)
            if (tag, kind) == (0x0112, 3) and 1 <= value <= 8:
                return int(value)
    except struct.error:
        pass  # no EXIF data, or damaged: no rotation, as in viewers
    return 1


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG (up to its pixels), a WebP or a JPEG (up to its pixels), by name."""
    codec, at = _codec(data), {"png": 8, "webp": 12, "mjpeg": 2}.get(_codec(data) or "", len(data))
    while at + 8 <= len(data):
        if codec == "mjpeg":
            marker, size = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
            if marker[0] != 0xFF or marker == b"\xff\xda" or size < 2:
                return
            yield data[at + 4 : at + 8], data[at + 4 : at + 2 + size]
            at += 2 + size
            continue
        size = int.from_bytes(data[at : at + 4], "big") if codec == "png" else 0
        name, head = (data[at + 4 : at + 8], at + 8) if codec == "png" else (data[at : at + 4], at + 8)
        if codec == "webp":
            size = int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"IDAT":
            return
        yield name, data[head : head + size]
        at = head + size + (4 if codec == "png" else size % 2)


def _read(path: Path, most: int | None) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read() if most is None else file.read(most)
            # In a WebP, the EXIF data follow the image.
            return data + file.read() if data[:4] == b"RIFF" or data[:4] in (b"II*\0", b"MM\0*") else data
    except OSError as err:
        raise MediaError(f"{path}: cannot be read ({err.strerror or err}).") from err


def _codec(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((codec for magic, codec in _MAGIC if data.startswith(magic)), None)


def _context(codec: str) -> VideoCodecContext:
    context = av.CodecContext.create(codec, "r")
    if not isinstance(context, VideoCodecContext):
        raise MediaError(f"{codec} is no image decoder.")
    context.thread_count = 1
    return context


def _header(data: bytes) -> tuple[int, int, str] | None:
    """Coded size and pixel format; None if the data are no image, or too short."""
    codec = _codec(data)
    if codec is None:
        return None
    context = _context(codec)
    context.skip_frame = "ALL"  # image decoders then stop after the header
    with suppress(av.FFmpegError):  # the header may be decoded nevertheless
        context.decode(av.Packet(data))
    if context.pix_fmt is None or context.width <= 0:
        return None
    return context.width, context.height, context.pix_fmt


def _is_cut_off(data: bytes, codec: str) -> bool:
    """Whether the end of a file is missing, for formats whose decoder replaces missing data without an error."""
    if codec == "mjpeg":
        return not _jpeg_has_end(data)
    if codec == "bmp":
        return int.from_bytes(data[2:6], "little") > len(data)
    return codec == "exr" and not _exr_has_end(data)


def _jpeg_has_end(data: bytes) -> bool:
    """Whether the image's own end marker exists; cameras append arbitrary data after it."""
    at = 2
    while (found := re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]").search(data, at)) is not None:
        if found[0] == b"\xff\xd9":
            return True
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return False


def _exr_has_end(data: bytes) -> bool:
    """Whether the last block exists, by the table of offsets after the header (OpenEXR file layout)."""
    tiled, at = bool(int.from_bytes(data[5:6], "little") & 0x02), 8
    attribute = re.compile(rb"[^\0]+\0[^\0]+\0(.{4})", re.DOTALL)  # its name, its type, its size
    while (found := attribute.match(data, at)) is not None:
        at = found.end() + int.from_bytes(found[1], "little")
    at += 1
    first = last = int.from_bytes(data[at : at + 8], "little")
    while at < first and at < len(data):
        offset = int.from_bytes(data[at : at + 8], "little")
        first, last, at = min(first, offset), max(last, offset), at + 8
    size_at = last + (16 if tiled else 4)
    return size_at + 4 + int.from_bytes(data[size_at : size_at + 4], "little") <= len(data)


def _guess(data: bytes) -> str:
    if not data:
        return "empty"
    if _codec(data) is None:
        return "of another format than PNG, JPEG, WebP, TIFF, BMP, OpenEXR"
    return "truncated, damaged, or of an unknown variant"


def _plain_format(path: Path, name: str, data: bytes, *, size: tuple[int, int]) -> str:
    """The pixel format of `decode_picture` for a decoder's pixel format."""
    if name.startswith("yuv"):
        format_ = av.VideoFormat(name)
        square = format_.chroma_width(64) == format_.chroma_height(64)
        whole = format_.chroma_width(64) == 64 or not (size[0] % 2 or size[1] % 2)
        if orientation(data) > 1 and not (square and whole):
            return plain_name(grey=False, alpha="a" in name, deep=False)  # a rotation would change the chroma location
        return name
    if name == "gbrap" and _codec(data) == "mjpeg":
        return "gbrp"  # CMYK, for which the decoder invents alpha
    if name == "argb":
        return plain_name(grey=False, alpha=_webp_has_alpha(data), deep=False)
    found = plain_like(name, palette_has_alpha=any(chunk == b"tRNS" for chunk, _ in _chunks(data)))
    if found is None:
        raise MediaError(f"{path}: the pixel format {name} is not supported. Save the image as 8 or 16 bit PNG.")
    return found


def _webp_has_alpha(data: bytes) -> bool:
    """Whether a WebP's header states alpha: the lossless decoder always outputs it. Bits as in the WebP container."""
    if data[12:16] == b"VP8L" and len(data) > 24:
        return bool(data[24] & 0x10)
    return not (data[12:16] == b"VP8X" and len(data) > 20 and not data[20] & 0x10)
