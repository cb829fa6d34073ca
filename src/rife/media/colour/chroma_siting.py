"""Where chroma samples lie among luma samples, and the filters between both resolutions.

Chroma is enlarged bilinearly, with repeated borders, and brought back by the filter that inverts that exactly, so
that a frame that is not changed in between returns to its own codes. Along each axis chroma sits on the first of
two luma samples, between them, or on the second.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias, cast, get_args

import av
import torch
from av.container import InputContainer
from av.video.stream import VideoStream
from torch import Tensor

from rife.media.colour.pixel_formats import LAYOUTS

Siting: TypeAlias = Literal["left", "center", "topleft", "top", "bottomleft", "bottom"]
"""FFmpeg's names: `left` is MPEG-2's and H.264's usual one, `center` JPEG's, `topleft` that of BT.2020."""

_FIRST, _BETWEEN, _SECOND = (0.0, 0.5), (0.25, 0.25), (0.5, 0.0)
"""What the two luma samples of a chroma sample take from the chroma sample before it, and from the one after it."""

_Four: TypeAlias = tuple[float, float, float, float]

_REDUCING: dict[tuple[float, float], _Four] = {
    _FIRST: (0.0, 1.0, 0.0, 0.0),
    _BETWEEN: (-0.25, 0.75, 0.75, -0.25),
    _SECOND: (0.0, 0.0, 1.0, 0.0),
}
"""The inverse of the enlargement: its response to one chroma sample is 1 there and 0 at the neighbours."""

_IN_WIDTH = {
    "left": _FIRST,
    "topleft": _FIRST,
    "bottomleft": _FIRST,
    "center": _BETWEEN,
    "top": _BETWEEN,
    "bottom": _BETWEEN,
}
_IN_HEIGHT = {
    "left": _BETWEEN,
    "center": _BETWEEN,
    "topleft": _FIRST,
    "top": _FIRST,
    "bottomleft": _SECOND,
    "bottom": _SECOND,
}

_ENCODER_OPTION = "chroma_sample_location"

_DEFAULT_LOG_LEVEL = av.logging.INFO


def read_siting(container: InputContainer, stream: VideoStream) -> Siting | None:
    """Find out where a video says that its chroma lies, or None where it does not.

    PyAV has no attribute for it; FFmpeg's description of the file, which it writes to its log, has it.
    """
    before = av.logging.get_level()
    try:
        av.logging.set_libav_level(av.logging.VERBOSE)  # only then is the siting in it
        av.logging.set_level(av.logging.INFO)
        text: str = cast("Any", container).dumps_format()  # its stub leaves the method out
    finally:
        av.logging.set_level(before)
        av.logging.set_libav_level(_DEFAULT_LOG_LEVEL)
    # Two spaces: lines of metadata, which anyone may have written, are indented further.
    line = re.search(rf"^  Stream #0:{stream.index}\b.*: Video: (.*)$", text, flags=re.MULTILINE)
    named = line and re.search(rf"[(, ]({'|'.join(get_args(Siting))})\), ", line[1])
    return next((siting for siting in get_args(Siting) if named and siting == named[1]), None)


def siting_options(siting: Siting | None, pixel_format: str) -> dict[str, str]:
    """Encoder options that write a siting to the stream and the file, where these have a place for it."""
    layout = LAYOUTS[pixel_format]
    return {_ENCODER_OPTION: siting} if siting and (layout.half_width or layout.half_height) else {}


def enlarging_weights(siting: Siting) -> tuple[tuple[float, float], tuple[float, float]]:
    """What luma takes from its neighbours in chroma, in rows and in columns.

    The first and the second of two luma samples take so much from the chroma sample before their own and after it.
    """
    return _IN_HEIGHT[siting], _IN_WIDTH[siting]


def reducing_weights(siting: Siting) -> tuple[_Four, _Four]:
    """Weights of four luma samples in a chroma sample, in rows and in columns: one before its own two, one after."""
    return _REDUCING[_IN_HEIGHT[siting]], _REDUCING[_IN_WIDTH[siting]]


def enlarged(plane: Tensor, siting: Siting, size: tuple[int, int]) -> Tensor:
    """Bring a plane of chroma to the resolution of luma, in each axis where it has half of it.

    Args:
        plane: (N, h, w).
        siting: where its samples lie.
        size: height and width of luma: h or 2 * h - 1 or 2 * h, and likewise for w.
    """
    height, width = size
    if plane.shape[-1] != width:
        columns = plane.new_empty(*plane.shape[:2], 2 * plane.shape[2])
        _double(plane.transpose(-1, -2), _IN_WIDTH[siting], out=columns.transpose(-1, -2))
        plane = columns[:, :, :width]
    if plane.shape[-2] != height:
        rows = plane.new_empty(plane.shape[0], 2 * plane.shape[1], width)
        _double(plane, _IN_HEIGHT[siting], out=rows)
        plane = rows[:, :height]
    return plane


def reduced(plane: Tensor, siting: Siting, *, half_height: bool, half_width: bool) -> Tensor:
    """Bring a plane to half its resolution in some axes, rounded up: inverts `enlarged` exactly.

    Args:
        plane: (N, H, W).
        siting: where the samples of the result lie.
        half_height: every two rows become one.
        half_width: every two columns become one.
    """
    # Columns first where that only picks some, to leave less to do.
    if half_width:
        plane = _halved(plane.transpose(-1, -2), _IN_WIDTH[siting]).transpose(-1, -2)
    if half_height:
        plane = _halved(plane, _IN_HEIGHT[siting])
    return plane


def _double(plane: Tensor, place: tuple[float, float], *, out: Tensor) -> None:
    """Double the number of rows."""
    first, second = out[:, ::2], out[:, 1::2]
    torch.lerp(plane[:, 1:], plane[:, :-1], place[0], out=first[:, 1:])
    torch.lerp(plane[:, :-1], plane[:, 1:], place[1], out=second[:, :-1])
    first[:, 0], second[:, -1] = plane[:, 0], plane[:, -1]


def _halved(plane: Tensor, place: tuple[float, float]) -> Tensor:
    """Halve the number of rows."""
    if place == _FIRST:
        return plane[:, ::2]
    if plane.shape[1] % 2:
        plane = torch.cat((plane, _cut_off(plane, place)), 1)
    if place == _SECOND:
        return plane[:, 1::2]
    first, second = plane[:, ::2], plane[:, 1::2]
    outer, inner = _REDUCING[place][:2]
    out = (first + second).mul_(inner)
    out[:, 1:].add_(second[:, :-1], alpha=outer)
    out[:, :-1].add_(first[:, 1:], alpha=outer)
    out[:, :1].add_(first[:, :1], alpha=outer)
    out[:, -1:].add_(second[:, -1:], alpha=outer)
    return out


def _cut_off(plane: Tensor, place: tuple[float, float]) -> Tensor:
    """The row that the enlargement had dropped after the last, where luma has an odd number of rows."""
    if plane.shape[1] == 1:
        return plane
    last, before = plane[:, -1:], plane[:, -2:-1]
    return 1.5 * last - 0.5 * before if place == _BETWEEN else 2 * last - before
