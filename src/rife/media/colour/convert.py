"""Conversion between decoded frames and the network's RGB tensors, in float, with a single rounding.

Source frames are written without this conversion. A new frame is converted from RGB in [0, 1] to the pixel format,
matrix, colour range and chroma location of the source frames around it, so that new and source frames match. A fourth
channel is straight alpha in [0, 1]: colours are not multiplied by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import av
import numpy as np
import torch
from torch import Tensor

from rife.errors import MediaError
from rife.frames import quantise
from rife.kernels import passes
from rife.media.colour import yuv_kernels as yuv
from rife.media.colour.chroma_siting import Siting, enlarged, reduced
from rife.media.colour.matrices import leads_to_rgb, matrix_of, usual_number
from rife.media.colour.pixel_formats import LAYOUTS, PlaneLayout, losses, pixel_format, samples, working_format
from rife.media.colour.yuv_kernels import YuvCodes

__all__ = ["LAYOUTS", "adapted", "from_rgb", "is_interlaced", "losses", "range_tag", "to_rgb", "working_format"]

_RGB_MATRIX = 0
_LIMITED_RANGE, _FULL_RANGE = 1, 2


@dataclass(frozen=True)
class _Scale:
    """Quantisation of a channel: the value 0 has the code `zero`, the value 1 the code `zero` + `span`."""

    zero: float
    span: float

    def decode(self, codes: Tensor) -> Tensor:
        # A division: its result for white is exactly 1; a multiplication with the reciprocal may miss it.
        return (codes.sub_(self.zero) if self.zero else codes).div_(self.span)

    def encode(self, values: Tensor) -> Tensor:
        return values.mul_(self.span).add_(self.zero)


def to_rgb(picture: av.VideoFrame, *, siting: Siting | None = None) -> Tensor:
    """Convert a frame in one of `LAYOUTS` to RGB.

    Args:
        picture: a frame with tags for its matrix and colour range.
        siting: its chroma location; the default of its colour range if not given.

    Returns:
        (1, 3, H, W) float32, in [0, 1] for codes inside of the colour range; codes outside of it give values outside of
        [0, 1], which convert back without loss. (1, 4, H, W) if the format has alpha.
    """
    layout = LAYOUTS[picture.format.name]
    compiled = yuv.decodes(layout) and _kernels_are_right(picture.format.name)
    return _to_rgb(picture, siting or _usual_siting(picture, layout), compiled=compiled)


def _to_rgb(picture: av.VideoFrame, place: Siting, *, compiled: bool) -> Tensor:
    """Convert a frame to RGB, with the kernels or with PyTorch."""
    layout = LAYOUTS[picture.format.name]
    scales = _scales(picture, layout)
    if compiled:
        rgb = torch.empty(4 if layout.alpha else 3, picture.height, picture.width)
        yuv.decode(picture, _yuv_codes(scales), place, out=rgb[:3])
        if layout.alpha:
            rgb[3] = scales[3].decode(torch.from_numpy(samples(picture)[3].astype(np.float32)))
        return rgb[None]
    # All operations after the conversion to float are in place: these are the largest arrays of a job.
    planes = [torch.from_numpy(plane.astype(np.float32)) for plane in samples(picture)]
    planes = [scale.decode(plane) for scale, plane in zip(scales, planes, strict=True)]
    if layout.rgb:
        return torch.stack(planes)[None]
    luma = planes[0]
    rgb = luma.new_empty(4 if layout.alpha else 3, *luma.shape)
    if layout.alpha:
        rgb[3] = planes[-1]
    if layout.grey:
        rgb[:3] = luma
        return rgb[None]
    # The chroma terms of red, green and blue are computed at the resolution of chroma, and upsampled then.
    added = torch.stack([_weighted(planes[1:3], weights) for weights in matrix_of(picture).decode])
    torch.add(enlarged(added, place, (picture.height, picture.width)), luma, out=rgb[:3])
    return rgb[None]


def from_rgb(rgb: Tensor, like: av.VideoFrame, *, siting: Siting | None = None) -> av.VideoFrame:
    """Convert RGB to a frame in the pixel format, matrix and colour range of another.

    Args:
        rgb: (1, 3, H, W) on any device, in [0, 1]; with alpha (1, 4, H, W). In a format with alpha, three channels are
            opaque; a format without alpha drops the fourth.
        like: a frame of the same size in one of `LAYOUTS`.
        siting: its chroma location; the default of its colour range if not given.
    """
    layout = LAYOUTS[like.format.name]
    compiled = yuv.encodes(layout, like) and _kernels_are_right(like.format.name)
    return _from_rgb(rgb, like, siting or _usual_siting(like, layout), compiled=compiled)


def _from_rgb(rgb: Tensor, like: av.VideoFrame, place: Siting, *, compiled: bool) -> av.VideoFrame:
    """Convert RGB to a frame, with the kernels or with PyTorch."""
    layout, scales = LAYOUTS[like.format.name], _scales(like, LAYOUTS[like.format.name])
    channels = rgb[0].to("cpu", torch.float32)
    colours = channels[:3]
    values: list[Tensor] = []
    out = av.VideoFrame(like.width, like.height, like.format.name)
    _tag(out, like)
    if compiled:
        yuv.encode(colours, _yuv_codes(scales), place, out=out)
    elif layout.rgb:
        values = [colour.clone() for colour in colours]
    else:
        matrix = matrix_of(like)
        values = [_weighted(list(colours), matrix.encode[0])]
        if not layout.grey:
            near = reduced(colours, place, half_height=layout.half_height, half_width=layout.half_width)
            values += [_weighted(list(near), weights) for weights in matrix.encode[1:]]
    if layout.alpha:
        values.append(channels[3].clone() if len(channels) == 4 else torch.ones_like(channels[0]))
    # The remaining channels: all of them, or alpha alone.
    left = len(layout.channels) - len(values)
    for plane, scale, value in zip(samples(out)[left:], scales[left:], values, strict=True):
        plane[:] = quantise(scale.encode(value), 2**layout.bits - 1).numpy()
    return out


@cache
def _kernels_are_right(name: str) -> bool:
    """Compare the kernels of a pixel format with PyTorch on a small frame, in both directions: milliseconds."""

    def self_test() -> bool:
        picture, layout = av.VideoFrame(16, 8, name), LAYOUTS[name]
        for index, plane in enumerate(samples(picture)):
            plane[:] = (np.arange(plane.size).reshape(plane.shape) * (37 + index)) % 2**layout.bits
        rgb, expected = (_to_rgb(picture, "left", compiled=way) for way in (True, False))
        # No colour is halfway between two codes, where both roundings are correct.
        changed = expected * 0.73 + 0.11
        back, expected_back = (_from_rgb(changed, picture, "left", compiled=way) for way in (True, False))
        off_codes = max(
            int(np.abs(ours.astype(int) - theirs).max())
            for ours, theirs in zip(samples(back), samples(expected_back), strict=True)
        )
        return torch.allclose(rgb, expected, rtol=0, atol=1e-5) and off_codes <= 1

    return passes(f"colours ({name})", self_test)


def adapted(picture: av.VideoFrame, target: str, *, siting: Siting | None = None) -> av.VideoFrame:
    """Convert a decoded frame to a pixel format of `LAYOUTS`; the frame itself if it has that format.

    From YUV to YUV, matrix and colour range are preserved. From RGB or grey to YUV, the result has the matrix that
    players assume for its size, limited range, and the tags for both.

    Args:
        picture: the frame as decoded.
        target: name of the pixel format.
        siting: chroma location of both frames; the default of the colour range if not given.

    Raises:
        MediaError: the target needs RGB, and no matrix converts the colours to RGB.
    """
    if picture.format.name == target:
        return picture
    near = _repacked(picture)
    before, after = LAYOUTS[near.format.name], LAYOUTS[target]
    like = av.VideoFrame(picture.width, picture.height, target)
    _tag(like, picture)
    if not before.rgb and not after.rgb and before.grey == after.grey:
        return _recoded(near, like, siting)
    if not before.rgb and not before.grey and not leads_to_rgb(picture):
        raise MediaError(
            f"a frame with colour matrix {picture.colorspace} (ITU-T H.273) cannot be converted to {target}: expected "
            "a matrix that leads to RGB. Write to a format that takes YUV, or convert the colours first."
        )
    if after.rgb:
        like.colorspace, like.color_range = _RGB_MATRIX, _FULL_RANGE
    elif before.rgb or before.grey:
        like.colorspace = usual_number(picture.width, picture.height)
        like.color_range = _FULL_RANGE if after.grey else _LIMITED_RANGE
    return from_rgb(to_rgb(near, siting=siting), like, siting=siting)


def range_tag(picture: av.VideoFrame) -> int:
    """FFmpeg's number of the colour range: the frame's tag; full range for grey without a tag."""
    unnamed = picture.color_range not in (_LIMITED_RANGE, _FULL_RANGE)
    # Grey frames without a tag come from photographs and graphics, which use all codes.
    return _FULL_RANGE if unnamed and len(picture.format.components) <= 2 else picture.color_range


def is_interlaced(picture: av.VideoFrame) -> bool:
    """Whether a decoded frame is marked as interlaced."""
    return bool(picture.interlaced_frame)


def _tag(picture: av.VideoFrame, like: av.VideoFrame) -> None:
    picture.colorspace, picture.color_range = like.colorspace, like.color_range
    picture.color_primaries, picture.color_trc = like.color_primaries, like.color_trc


def _scales(picture: av.VideoFrame, layout: PlaneLayout) -> list[_Scale]:
    """Quantisation of each channel of a frame."""
    span = float(2**layout.bits - 1)
    unit = 2.0 ** (layout.bits - 8)
    full = _Scale(0.0, span)
    if layout.rgb:
        # Players assume full range for RGB and ignore the tag, which encoders leave at limited.
        return [full] * len(layout.channels)
    if layout.full_range or range_tag(picture) == _FULL_RANGE:
        luma, chroma = full, _Scale(128 * unit, span)
    else:
        luma, chroma = _Scale(16 * unit, 219 * unit), _Scale(128 * unit, 224 * unit)
    by_letter = {"y": luma, "u": chroma, "v": chroma, "a": full}
    return [by_letter[letter] for letter in layout.channels]


def _yuv_codes(scales: list[_Scale]) -> YuvCodes:
    luma, chroma = scales[:2]
    return YuvCodes((luma.zero, chroma.zero), (luma.span, chroma.span))


def _usual_siting(picture: av.VideoFrame, layout: PlaneLayout) -> Siting:
    """Chroma location that players assume: JPEG's for full range, MPEG's for limited range."""
    return "center" if layout.full_range or range_tag(picture) == _FULL_RANGE else "left"


def _weighted(planes: list[Tensor], weights: tuple[float, ...]) -> Tensor:
    """Weighted sum of planes; planes with weight 0 are skipped."""
    terms = [(plane, weight) for plane, weight in zip(planes, weights, strict=True) if weight]
    total = terms[0][0] * terms[0][1]
    for plane, weight in terms[1:]:
        total.add_(plane, alpha=weight)
    return total


def _repacked(picture: av.VideoFrame) -> av.VideoFrame:
    """The frame in the nearest format of `LAYOUTS` of its own colour family: RGB, grey or YUV."""
    name = picture.format.name
    if name in LAYOUTS:
        return picture
    source = pixel_format(name)
    colours = [component for component in source.components if not component.is_alpha]
    is_rgb = source.is_rgb or source.has_palette or name.startswith("xyz")
    is_grey = len(colours) == 1 and not is_rgb
    family = [key for key, layout in LAYOUTS.items() if (layout.rgb, layout.grey) == (is_rgb, is_grey)]
    out = picture.reformat(format=working_format(name, family, size=(0, 0)))
    _tag(out, picture)
    return out


def _recoded(picture: av.VideoFrame, like: av.VideoFrame, siting: Siting | None) -> av.VideoFrame:
    """Convert YUV to YUV, or grey to grey, with the same matrix: bit depth, subsampling, colour range and alpha."""
    before, after = LAYOUTS[picture.format.name], LAYOUTS[like.format.name]
    place = siting or _usual_siting(picture, before)
    if after.full_range or before.full_range:
        like.color_range = _FULL_RANGE
    out = av.VideoFrame(like.width, like.height, like.format.name)
    _tag(out, like)
    size = (picture.height, picture.width)
    source = dict(zip(before.channels, zip(samples(picture), _scales(picture, before), strict=True), strict=True))
    for letter, plane, scale in zip(after.channels, samples(out), _scales(like, after), strict=True):
        if letter not in source:
            plane[:] = scale.span
            continue
        codes, own_scale = source[letter]
        values = own_scale.decode(torch.from_numpy(codes.astype(np.float32)))[None]
        if letter in "uv" and (before.half_width, before.half_height) != (after.half_width, after.half_height):
            values = enlarged(values, place, size)
            values = reduced(values, place, half_height=after.half_height, half_width=after.half_width)
        plane[:] = quantise(scale.encode(values[0].contiguous()), 2**after.bits - 1).numpy()
    return out
