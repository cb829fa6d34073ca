"""Rotation of frames by a display matrix, for outputs that cannot store one: animations, image files, y4m."""

from __future__ import annotations

import math
from collections.abc import Sequence

import av

from rife.media.colour.chroma_siting import Siting
from rife.media.colour.convert import adapted
from rife.media.colour.interleave import turned
from rife.media.colour.pixel_formats import LAYOUTS, PlaneLayout

_ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
"""EXIF orientation (TIFF 6.0, tag 274) by the signs of a display matrix: x' = a x + c y, y' = b x + d y."""

_SLIGHT = 0.01
"""Share of the largest entry below which an entry counts as zero."""


def orientation_of(matrix: Sequence[int] | None) -> int | None:
    """EXIF orientation, 1 to 8, of a display matrix; 1 for None, None for an angle that is no multiple of 90 degrees.

    Args:
        matrix: FFmpeg's nine numbers.
    """
    if matrix is None:
        return 1
    entries = [matrix[0], matrix[1], matrix[3], matrix[4]]
    least = _SLIGHT * max(abs(entry) for entry in entries)
    a, b, c, d = ((entry > least) - (entry < -least) for entry in entries)
    return _ORIENTATIONS.get((a, b, c, d))


def swaps_sides(orientation: int) -> bool:
    """Whether an EXIF orientation exchanges width and height."""
    return orientation > 4


def degrees_of(matrix: Sequence[int]) -> float:
    """Clockwise rotation of a display matrix in degrees, 0 to 360."""
    return math.degrees(math.atan2(matrix[1], matrix[0])) % 360


def upright(picture: av.VideoFrame, orientation: int, *, siting: Siting | None = None) -> av.VideoFrame:
    """Rotate and mirror a frame.

    Codes are moved, not changed, except for subsampled chroma whose location changes by the rotation: it is upsampled,
    rotated, and downsampled to the default chroma location.

    Args:
        picture: a frame in a planar format of `LAYOUTS`.
        orientation: EXIF orientation, 1 to 8.
        siting: its chroma location; the default of its colour range if not given.

    Returns:
        A frame of the same format; the frame itself for orientation 1.
    """
    if orientation == 1:
        return picture
    name = picture.format.name
    layout = LAYOUTS[name]
    if not (layout.half_width or layout.half_height) or _lies_evenly(picture, layout, siting):
        return turned(picture, orientation)
    whole = name.replace("420", "444").replace("422", "444")
    return adapted(turned(adapted(picture, whole, siting=siting), orientation), name)


def _lies_evenly(picture: av.VideoFrame, layout: PlaneLayout, siting: Siting | None) -> bool:
    """Whether chroma is centred among its luma samples, as in JPEG, so that a rotation preserves its location."""
    centred = siting == "center" or (siting is None and layout.full_range)
    return centred and layout.half_width == layout.half_height and not (picture.width % 2 or picture.height % 2)
