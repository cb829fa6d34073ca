"""Conversion between planar and interleaved pixel formats by copying codes, without a scaler.

FFmpeg's scaler converts 8-bit codes to 16 bits of another family by a shift, so that white is no longer white, and it
does not support palettes with alpha. This module maps 255 to 65535, and copies codes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from rife.errors import MediaError
from rife.media.colour.convert import from_rgb, to_rgb

_Samples: TypeAlias = npt.NDArray[Any]
_Channels: TypeAlias = dict[str, _Samples]

_LIMITED_RANGE, _FULL_RANGE, _RGB_MATRIX, _UNKNOWN_MATRIX = 1, 2, 0, 2
_INTERLEAVED = {
    "rgb24": "RGB", "bgr24": "BGR", "rgb0": "RGB_", "bgr0": "BGR_", "0rgb": "_RGB", "0bgr": "_BGR",
    "rgba": "RGBA", "bgra": "BGRA", "argb": "ARGB", "abgr": "ABGR", "gray": "Y", "ya8": "YA",
    "gray16": "Y", "ya16": "YA", "rgb48": "RGB", "bgr48": "BGR", "rgba64": "RGBA", "bgra64": "BGRA",
}  # fmt: skip
"""Channels of interleaved formats in memory order; the names of 16-bit formats have the suffix le or be."""

_PLANES = {"gray": "Y", "gbrp": "GBR", "gbrap": "GBRA", "grayf32": "Y", "gbrpf32": "GBR", "gbrapf32": "GBRA"}


def plain_name(*, grey: bool, alpha: bool, deep: bool) -> str:
    """Name of a plain format: grey, or planes G, B, R and optionally alpha, of 8 or (deep) 16 bits."""
    family = "gbrap" if alpha else "gray" if grey else "gbrp"
    return family + ("16le" if deep else "")


def plain_like(name: str, *, palette_has_alpha: bool = False) -> str | None:
    """The plain format that holds a pixel format without loss; None if the pixel format is not supported."""
    if name == "pal8":
        return plain_name(grey=False, alpha=palette_has_alpha, deep=False)
    if name in ("monob", "monow"):
        return "gray"
    base, deep = _base(name)
    channels = _INTERLEAVED.get(base) or _PLANES.get(base)
    if channels is None:
        return None
    return plain_name(grey=channels == "Y", alpha="A" in channels, deep=deep)


def plain(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    """Copy a frame to a plain format that holds it without loss, or a YUV frame to its own format.

    Args:
        picture: a frame in a format that `plain_like` supports, or in YUV.
        name: name of a plain format, or of the frame's own format.

    Returns:
        A new frame without side data. RGB and grey have full range.
    """
    if picture.format.name == name and name.startswith("yuv"):
        return _copied(picture)
    if picture.format.name.startswith("yuv"):
        picture = _rgb_of(picture)
    channels = _channels(picture)
    deep = name.endswith("16le")
    wanted = _PLANES[name.removesuffix("16le")]
    out = av.VideoFrame(picture.width, picture.height, name)
    out.color_range = _FULL_RANGE
    out.colorspace = _UNKNOWN_MATRIX if wanted == "Y" else _RGB_MATRIX
    out.color_primaries, out.color_trc = picture.color_primaries, picture.color_trc
    full = np.full((1, 1), 65535 if deep else 255, np.uint16 if deep else np.uint8)
    for index, channel in enumerate(wanted):
        codes = channels.get(channel, full if channel == "A" else channels.get("Y", full))
        widened = codes.astype(np.uint16) * 257 if deep and codes.dtype == np.uint8 else codes
        plane_samples(out, index)[:] = widened
    return out


def interleaved(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    """Copy a plain frame to an interleaved format of the same channels and bit depth: rgb24, rgba, rgb48be, ..."""
    channels = _channels(picture)
    base, deep = _base(name)
    order = _INTERLEAVED[base]
    dtype = np.dtype((">u2" if name.endswith("be") else "<u2") if deep else np.uint8)
    out = av.VideoFrame(picture.width, picture.height, name)
    out.colorspace, out.color_range = picture.colorspace, _FULL_RANGE
    out.color_primaries, out.color_trc = picture.color_primaries, picture.color_trc
    lines = np.frombuffer(memoryview(out.planes[0]), dtype)
    pixels = lines.reshape(out.height, -1)[:, : out.width * len(order)].reshape(out.height, out.width, -1)
    for index, channel in enumerate(order):
        full = 65535 if deep else 255
        pixels[..., index] = channels.get(channel, full if channel == "A" else channels.get("Y", full))
    return out


def turned(picture: av.VideoFrame, orientation: int) -> av.VideoFrame:
    """Rotate and mirror a frame in a planar format by an EXIF orientation, 1 to 8."""
    swaps = orientation > 4
    size = (picture.height, picture.width) if swaps else (picture.width, picture.height)
    out = av.VideoFrame(*size, picture.format.name)
    _copy_tags(out, picture)
    for index in range(len(picture.planes)):
        codes = plane_samples(picture, index)
        codes = codes.T if swaps else codes
        # Row and column of the first stored pixel by orientation: TIFF 6.0, tag 274.
        flip_rows, flip_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
        plane_samples(out, index)[:] = codes[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return out


def plane_samples(picture: av.VideoFrame, index: int) -> _Samples:
    """View a plane of a planar frame as (H, W) codes, without line padding."""
    plane = picture.planes[index]
    bits = max(component.bits for component in picture.format.components)
    dtype = np.dtype("<f4" if bits == 32 else np.uint8 if bits == 8 else "<u2")
    lines: _Samples = np.frombuffer(memoryview(plane), dtype)
    return lines.reshape(plane.height, -1)[:, : plane.width]


def _channels(picture: av.VideoFrame) -> _Channels:
    """Codes of every channel, 8 or 16 bit."""
    name = picture.format.name
    if name == "pal8":
        colours = np.frombuffer(memoryview(picture.planes[1]), np.uint32)[:256]
        codes = colours[_bytes(picture)[:, : picture.width]]
        return {
            key: (codes >> shift & 255).astype(np.uint8) for key, shift in (("A", 24), ("R", 16), ("G", 8), ("B", 0))
        }
    if name in ("monob", "monow"):
        bits = np.unpackbits(_bytes(picture), axis=1)[:, : picture.width]
        return {"Y": (bits if name == "monob" else 1 - bits) * np.uint8(255)}
    base, deep = _base(name)
    if name in ("gray", "gray16le") and picture.color_range == _LIMITED_RANGE:
        full = av.VideoFrame(picture.width, picture.height, name)
        full.color_range = _FULL_RANGE  # image files have full range only; grey from a video may have limited range
        picture = from_rgb(to_rgb(picture), full)
    if base in _PLANES and not (base == "gray" and name.endswith("be")):
        planes = {key: plane_samples(picture, index) for index, key in enumerate(_PLANES[base])}
        return {key: _display(codes, linear=key != "A") if "f32" in base else codes for key, codes in planes.items()}
    order = _INTERLEAVED.get(base)
    if order is None:
        raise MediaError(f"the pixel format {name} is not supported here.")
    dtype = np.dtype((">u2" if name.endswith("be") else "<u2") if deep else np.uint8)
    lines = np.frombuffer(memoryview(picture.planes[0]), dtype).reshape(picture.height, -1)
    pixels = lines[:, : picture.width * len(order)].reshape(picture.height, picture.width, -1)
    return {key: pixels[..., index].astype(dtype.newbyteorder("=")) for index, key in enumerate(order) if key != "_"}


def _display(values: _Samples, *, linear: bool) -> _Samples:
    """16-bit codes of float values: linear light gets the sRGB transfer function (IEC 61966-2-1), alpha does not."""
    x = np.nan_to_num(values.astype(np.float64), nan=0.0).clip(0.0, 1.0)
    if linear:
        x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(x, 1 / 2.4) - 0.055)
    codes: _Samples = np.rint(x * 65535).astype(np.uint16)
    return codes


def _bytes(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    return np.frombuffer(memoryview(picture.planes[0]), np.uint8).reshape(picture.height, -1)


def _base(name: str) -> tuple[str, bool]:
    """A format's name without byte order and bit depth, and whether it is deep."""
    deep = name.endswith(("le", "be"))
    base = name[:-2] if deep else name
    return (base[:-2] if base in ("gbrp16", "gbrap16") else "gray" if base == "gray16" else base), deep


def _rgb_of(picture: av.VideoFrame) -> av.VideoFrame:
    """A YUV frame in G, B, R, with alpha if it has one, 8 or 16 bits."""
    deep = any(component.bits > 8 for component in picture.format.components)
    alpha = any(component.is_alpha for component in picture.format.components)
    colours = picture
    if alpha:
        colours = av.VideoFrame(picture.width, picture.height, picture.format.name.replace("yuva", "yuv"))
        _copy_tags(colours, picture)
        for index in range(3):
            plane_samples(colours, index)[:] = plane_samples(picture, index)
    like = av.VideoFrame(picture.width, picture.height, plain_name(grey=False, alpha=False, deep=deep))
    rgb = from_rgb(to_rgb(colours), like)
    if not alpha:
        return rgb
    out = av.VideoFrame(picture.width, picture.height, plain_name(grey=False, alpha=True, deep=deep))
    for index in range(3):
        plane_samples(out, index)[:] = plane_samples(rgb, index)
    plane_samples(out, 3)[:] = plane_samples(picture, 3)
    return out


def _copied(picture: av.VideoFrame) -> av.VideoFrame:
    """A copy without side data: EXIF data must not rotate the frame a second time."""
    return turned(picture, 1)


def _copy_tags(picture: av.VideoFrame, like: av.VideoFrame) -> None:
    picture.colorspace, picture.color_range = like.colorspace, like.color_range
    picture.color_primaries, picture.color_trc = like.color_primaries, like.color_trc
