"""Chroma locations, and the filters between the resolutions of chroma and luma.

Chroma is upsampled bilinearly, with replicated borders, and downsampled by the exact inverse of that filter, so that
an unchanged frame returns to its own codes. Along each axis, a chroma sample lies on the first of two luma samples,
between them, or on the second.
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
"""FFmpeg's names of chroma locations: `left` is the default of MPEG-2 and H.264, `center` of JPEG, `topleft` of
BT.2020."""

_FIRST, _BETWEEN, _SECOND = (0.0, 0.5), (0.25, 0.25), (0.5, 0.0)
"""Weight of the previous chroma sample in the first luma sample, and of the next chroma sample in the second."""

_Four: TypeAlias = tuple[float, float, float, float]

_REDUCING: dict[tuple[float, float], _Four] = {
    _FIRST: (0.0, 1.0, 0.0, 0.0),
    _BETWEEN: (-0.25, 0.75, 0.75, -0.25),
    _SECOND: (0.0, 0.0, 1.0, 0.0),
}
"""Filters inverse to the upsampling: their response to one upsampled chroma sample is 1 there and 0 at its neighbours.
"""

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
    """Read the stated chroma location of a video; None if it states none.

    PyAV has no attribute for it; the value comes from FFmpeg's description of the file in its log.
    """
    before = av.logging.get_level()
    try:
        av.logging.set_libav_level(av.logging.VERBOSE)  # includes the chroma location
        av.logging.set_level(av.logging.INFO)
        text: str = cast("Any", container).dumps_format()  # missing in PyAV's stubs
    finally:
        av.logging.set_level(before)
        av.logging.set_libav_level(_DEFAULT_LOG_LEVEL)
    # Two spaces: lines of metadata, which have arbitrary content, are indented further.
    line = re.search(rf"^  Stream #0:{stream.index}\b.*: Video: (.*)$", text, flags=re.MULTILINE)
    named = line and re.search(rf"[(, ]({'|'.join(get_args(Siting))})\), ", line[1])
    return next((siting for siting in get_args(Siting) if named and siting == named[1]), None)


def siting_options(siting: Siting | None, pixel_format: str) -> dict[str, str]:
    """Encoder options that store a chroma location in the stream and the file, if their formats support it."""
    layout = LAYOUTS[pixel_format]
    return {_ENCODER_OPTION: siting} if siting and (layout.half_width or layout.half_height) else {}


def enlarging_weights(siting: Siting) -> tuple[tuple[float, float], tuple[float, float]]:
    """Upsampling weights of a chroma location, for rows and for columns.

    Each pair holds the weight of the previous chroma sample in the first of two luma samples, and that of the next
    chroma sample in the second. The rest of the weight is that of their own chroma sample.
    """
    return _IN_HEIGHT[siting], _IN_WIDTH[siting]


def reducing_weights(siting: Siting) -> tuple[_Four, _Four]:
    """Downsampling weights for rows and for columns: of the luma sample before a pair, the pair, and the one after."""
    return _REDUCING[_IN_HEIGHT[siting]], _REDUCING[_IN_WIDTH[siting]]


def enlarged(plane: Tensor, siting: Siting, size: tuple[int, int]) -> Tensor:
    """Upsample chroma planes to the resolution of luma, along each subsampled axis.

    Args:
        plane: (N, h, w).
        siting: chroma location.
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
    """Downsample planes to half their resolution, rounded up, along the given axes: the exact inverse of `enlarged`.

    Args:
        plane: (N, H, W).
        siting: chroma location of the result.
        half_height: every two rows become one.
        half_width: every two columns become one.
    """
    # Columns first: in the usual case they are only selected, which leaves fewer samples to filter.
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
    """The row after the last one, which upsampling drops if luma has an odd number of rows."""
    if plane.shape[1] == 1:
        return plane
    last, before = plane[:, -1:], plane[:, -2:-1]
    return 1.5 * last - 0.5 * before if place == _BETWEEN else 2 * last - before
