"""Between decoded pictures and what networks take, in float, rounded once.

Source frames never pass through here on their way out. A new frame is made from RGB in [0, 1] and goes back
to the pixel format, matrix and range of the source frames around it, so that the two kinds of frame match.

Chroma is upsampled bilinearly and brought back by the filter that inverts that exactly, so a frame that is
not changed in between returns to its own codes: in width chroma sits on the even luma columns (the MPEG
siting), in height between two luma rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rife.errors import MediaError
from rife.frames import quantise

_Samples: TypeAlias = npt.NDArray[Any]

_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Weights of red and blue in luma by the number that FFmpeg gives a matrix (ITU-T H.273, table 4)."""

_LIMITED_RANGE, _FULL_RANGE = 1, 2
_HD_HEIGHT = 720


@dataclass(frozen=True)
class PlaneLayout:
    """How a pixel format that frames are made in lies in memory.

    Attributes:
        bits: per sample.
        rgb: planes are G, B, R; otherwise Y, U, V or Y alone.
        grey: one plane.
        half_width: chroma has half the columns.
        half_height: chroma has half the rows.
        full_range: the format itself says that codes span the full range.
    """

    bits: int
    rgb: bool = False
    grey: bool = False
    half_width: bool = False
    half_height: bool = False
    full_range: bool = False


def _layouts() -> dict[str, PlaneLayout]:
    known: dict[str, PlaneLayout] = {}
    for bits in (8, 10, 12, 14, 16):
        suffix = "" if bits == 8 else f"{bits}le"
        known[f"yuv420p{suffix}"] = PlaneLayout(bits, half_width=True, half_height=True)
        known[f"yuv422p{suffix}"] = PlaneLayout(bits, half_width=True)
        known[f"yuv444p{suffix}"] = PlaneLayout(bits)
        known[f"gray{suffix}"] = PlaneLayout(bits, grey=True)
        known[f"gbrp{suffix}"] = PlaneLayout(bits, rgb=True)
    known["yuvj420p"] = PlaneLayout(8, half_width=True, half_height=True, full_range=True)
    known["yuvj422p"] = PlaneLayout(8, half_width=True, full_range=True)
    known["yuvj444p"] = PlaneLayout(8, full_range=True)
    return known


LAYOUTS = _layouts()
"""Pixel formats that frames can be read from and made in without loss beyond one rounding."""


def working_format(source: str, encoder_formats: Sequence[str], *, size: tuple[int, int]) -> str:
    """Choose the pixel format of the output: the source's own where possible, else the nearest.

    Args:
        source: FFmpeg name of the source's pixel format.
        encoder_formats: formats that the encoder takes.
        size: width and height that the encoder must be able to halve for subsampled chroma; (0, 0) if it need not.

    Raises:
        MediaError: the encoder takes none that frames can be made in.
    """
    width, height = size
    usable = [
        name
        for name in encoder_formats
        if name in LAYOUTS
        and not (LAYOUTS[name].half_width and width % 2)
        and not (LAYOUTS[name].half_height and height % 2)
    ]
    if source in usable:
        return source
    if not usable:
        raise MediaError(f"the encoder takes only {', '.join(encoder_formats)}; expected one of {', '.join(LAYOUTS)}.")
    wanted = _format(source)
    bits = max(component.bits for component in wanted.components)
    has_chroma = len(wanted.components) >= 3 and not wanted.is_rgb
    # RGB goes to 4:2:0, which every player shows; a YUV source keeps the resolution of its chroma.
    fine_width = has_chroma and wanted.chroma_width(64) > 32
    fine_height = has_chroma and wanted.chroma_height(64) > 32
    full_range = source.startswith("yuvj")

    def cost(name: str) -> tuple[int, ...]:
        layout = LAYOUTS[name]
        lost_chroma = (layout.half_width and fine_width) + (layout.half_height and fine_height)
        wasted = (not layout.half_width and not fine_width) + (not layout.half_height and not fine_height)
        lost_bits = max(0, bits - layout.bits)
        return (layout.grey, lost_bits, lost_chroma, layout.full_range != full_range, layout.bits, wasted, layout.rgb)

    return min(usable, key=cost)


def losses(source: str, target: str) -> list[str]:
    """Name what a picture loses on its way from one pixel format to another."""
    before, after = _format(source), LAYOUTS[target]
    bits = max(component.bits for component in before.components)
    out = []
    if any(component.is_alpha for component in before.components):
        out.append(f"transparency ({source}) is not kept: the output is {target}")
    if bits > after.bits:
        out.append(f"{bits} bits a sample ({source}) become {after.bits}: the encoder takes {target}")
    if before.is_rgb and not after.rgb:
        out.append(f"RGB ({source}) becomes {target}")
    return out


def adapted(picture: av.VideoFrame, target: str) -> av.VideoFrame:
    """Convert a decoded picture to a pixel format of `LAYOUTS`; the picture itself if it has that format.

    A picture that changes from RGB or grey to YUV gets the matrix that players assume for its size, limited
    range, and the tags that say so.
    """
    if picture.format.name == target:
        return picture
    source = _format(picture.format.name)
    has_matrix = len(source.components) >= 3 and not source.is_rgb and not source.has_palette
    if has_matrix and not LAYOUTS[target].rgb:
        out = picture.reformat(format=target)
        _tag(out, picture)
        return out
    near = [name for name, layout in LAYOUTS.items() if layout.rgb or (layout.grey and len(source.components) <= 2)]
    if source.has_palette:
        near = ["gbrp"]
    family = picture.reformat(format=working_format(source.name, near, size=(0, 0)))
    like = av.VideoFrame(picture.width, picture.height, target)
    _tag(like, picture)
    like.colorspace = 1 if picture.height >= _HD_HEIGHT else 6
    like.color_range = _LIMITED_RANGE
    return from_rgb(to_rgb(family), like)


def range_tag(picture: av.VideoFrame) -> int:
    """FFmpeg's number for the range of codes: what the picture says; full for grey that says nothing."""
    unnamed = picture.color_range not in (_LIMITED_RANGE, _FULL_RANGE)
    # Grey without a word about its range comes from photographs and graphics, which use all codes.
    return _FULL_RANGE if unnamed and len(picture.format.components) <= 2 else picture.color_range


def _format(name: str) -> av.VideoFormat:
    try:
        return av.VideoFormat(name)
    except ValueError as err:
        raise MediaError(f"pixel format {name!r} is not known.") from err


def _tag(picture: av.VideoFrame, like: av.VideoFrame) -> None:
    picture.colorspace, picture.color_range = like.colorspace, like.color_range
    picture.color_primaries, picture.color_trc = like.color_primaries, like.color_trc


def to_rgb(picture: av.VideoFrame) -> Tensor:
    """Convert a picture in one of `LAYOUTS` to RGB.

    Returns:
        (1, 3, H, W) float32, in [0, 1] for the codes that its range allows; others lie outside and survive
        the way back.
    """
    layout = LAYOUTS[picture.format.name]
    planes = [torch.from_numpy(_plane(picture, i, layout).astype(np.float32)) for i in range(len(picture.planes))]
    maximum = float(2**layout.bits - 1)
    if layout.rgb:
        green, blue, red = (plane / maximum for plane in planes)
        return torch.stack((red, green, blue))[None]
    luma_zero, luma_span, chroma_zero, chroma_span = _code_range(picture, layout)
    luma = (planes[0] - luma_zero) / luma_span
    if layout.grey:
        return luma.expand(1, 3, -1, -1)
    size = (picture.height, picture.width)
    blue_minus, red_minus = ((_chroma_up(plane, layout, size) - chroma_zero) / chroma_span for plane in planes[1:])
    red_weight, blue_weight = _matrix(picture)
    red = luma + 2 * (1 - red_weight) * red_minus
    blue = luma + 2 * (1 - blue_weight) * blue_minus
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return torch.stack((red, green, blue))[None]


def from_rgb(rgb: Tensor, like: av.VideoFrame) -> av.VideoFrame:
    """Make a picture in the format, matrix and range of another.

    Args:
        rgb: (1, 3, H, W) on any device, in [0, 1].
        like: a picture of the same size in one of `LAYOUTS`.
    """
    layout = LAYOUTS[like.format.name]
    maximum = 2**layout.bits - 1
    red, green, blue = rgb[0].to("cpu", torch.float32)
    out = av.VideoFrame(like.width, like.height, like.format.name)
    _tag(out, like)
    if layout.rgb:
        coded = [plane * maximum for plane in (green, blue, red)]
    else:
        luma_zero, luma_span, chroma_zero, chroma_span = _code_range(like, layout)
        red_weight, blue_weight = _matrix(like)
        luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
        coded = [luma * luma_span + luma_zero]
        if not layout.grey:
            for colour, weight in ((blue, blue_weight), (red, red_weight)):
                difference = _chroma_down((colour - luma) / (2 * (1 - weight)), layout)
                coded.append(difference * chroma_span + chroma_zero)
    for index, plane in enumerate(coded):
        _plane(out, index, layout)[:] = quantise(plane, maximum).numpy()
    return out


def _plane(picture: av.VideoFrame, index: int, layout: PlaneLayout) -> _Samples:
    """View one plane of a picture, without the padding at the end of its lines."""
    plane = picture.planes[index]
    dtype = np.dtype(np.uint8 if layout.bits == 8 else "<u2")
    lines: _Samples = np.frombuffer(memoryview(plane), dtype)
    return lines.reshape(plane.height, plane.line_size // dtype.itemsize)[:, : plane.width]


def _code_range(picture: av.VideoFrame, layout: PlaneLayout) -> tuple[float, float, float, float]:
    """Code of black, codes from black to white, code of no colour, codes from -0.5 to 0.5 of chroma."""
    unit = 2 ** (layout.bits - 8)
    if layout.full_range or range_tag(picture) == _FULL_RANGE:
        span = float(2**layout.bits - 1)
        return 0.0, span, 128.0 * unit, span
    return 16.0 * unit, 219.0 * unit, 128.0 * unit, 224.0 * unit


def _matrix(picture: av.VideoFrame) -> tuple[float, float]:
    """Weights of red and blue in luma; a file that names no matrix is taken as players take it, by size."""
    unnamed = 1 if picture.height >= _HD_HEIGHT else 6
    return _LUMA_WEIGHTS.get(picture.colorspace, _LUMA_WEIGHTS[unnamed])


def _chroma_up(plane: Tensor, layout: PlaneLayout, size: tuple[int, int]) -> Tensor:
    height, width = size
    if layout.half_height:
        above, below = _shifted_rows(plane, -1), _shifted_rows(plane, 1)
        rows = torch.stack((0.75 * plane + 0.25 * above, 0.75 * plane + 0.25 * below), dim=1)
        plane = rows.flatten(0, 1)[:height]
    if layout.half_width:
        right = torch.cat((plane[:, 1:], plane[:, -1:]), 1)
        plane = torch.stack((plane, (plane + right) / 2), dim=2).flatten(1, 2)[:, :width]
    return plane


def _chroma_down(plane: Tensor, layout: PlaneLayout) -> Tensor:
    if layout.half_width:
        plane = plane[:, ::2]
    if layout.half_height:
        if plane.shape[0] % 2:
            # The last chroma row has one luma row only: its other one is what the enlargement had dropped.
            missing = 1.5 * plane[-1:] - 0.5 * plane[-2:-1] if plane.shape[0] > 1 else plane
            plane = torch.cat((plane, missing), 0)
        rows = torch.cat((plane[:1], plane, plane[-1:]), 0)
        # Inverts the bilinear enlargement: its response to one chroma row is 1 there and 0 at the neighbours.
        plane = 0.75 * (rows[1:-2:2] + rows[2:-1:2]) - 0.25 * (rows[0:-3:2] + rows[3::2])
    return plane


def _shifted_rows(plane: Tensor, by: int) -> Tensor:
    """Row i of the result is row i + by of the plane, the border row repeated."""
    if by < 0:
        return torch.cat((plane[:1], plane[:-1]), 0)
    return torch.cat((plane[1:], plane[-1:]), 0)
