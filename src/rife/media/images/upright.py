"""Pictures turned as a display matrix says, for outputs that cannot hold one: animations, picture files, y4m."""

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
"""EXIF's number (TIFF 6.0, tag 274) by the signs of a display matrix: x' = a x + c y, y' = b x + d y."""

_SLIGHT = 0.01
"""Share of the largest entry below which an entry is rounding."""


def orientation_of(matrix: Sequence[int] | None) -> int | None:
    """EXIF's number, 1 to 8, of a display matrix; 1 of none, None of a matrix that is no quarter turn.

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
    """Whether width and height change places."""
    return orientation > 4


def degrees_of(matrix: Sequence[int]) -> float:
    """Degrees, 0 to 360, by which a display matrix turns a picture clockwise."""
    return math.degrees(math.atan2(matrix[1], matrix[0])) % 360


def upright(picture: av.VideoFrame, orientation: int, *, siting: Siting | None = None) -> av.VideoFrame:
    """Turn and mirror a picture.

    Codes are moved, never changed, but for chroma of a lower resolution that lies elsewhere after the turn: it is
    enlarged, turned and brought back to where the format has it by convention.

    Args:
        picture: in one of `LAYOUTS` with a plane for each channel.
        orientation: EXIF's number, 1 to 8.
        siting: where its chroma lies; the usual for its range if not given.

    Returns:
        A picture of the same format; the picture itself if there is nothing to turn.
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
    """Whether chroma lies in the middle of its luma samples, as JPEG has it: then a turn keeps it there."""
    centred = siting == "center" or (siting is None and layout.full_range)
    return centred and layout.half_width == layout.half_height and not (picture.width % 2 or picture.height % 2)
