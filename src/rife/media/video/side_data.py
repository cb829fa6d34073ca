"""Side data of decoded frames, such as rotation, EXIF and HDR metadata.

PyAV lists side data by a fixed enumeration, and fails for a frame with a kind of side data that it does not know. This
module removes the unknown kinds from a reference to the frame first; all readers of side data use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer, Type

_MOST_KINDS = 64
"""Number of kinds that are searched: FFmpeg 8 has 33, counted from 0."""

_VIEW_ID = 29
"""AV_FRAME_DATA_VIEW_ID, which PyAV has no name for; FFmpeg's binary interface fixes the numbers of kinds."""


def side_data(picture: av.VideoFrame) -> dict[str, bytes]:
    """Read the side data of a decoded frame, for the kinds that PyAV knows.

    Returns:
        Content by name of the kind, such as DISPLAYMATRIX.
    """
    try:
        return _named(picture)
    except ValueError:
        known = {int(kind.value) for kind in Type}  # type: ignore[call-overload]
        unknown = (number for number in range(_MOST_KINDS) if number not in known)
        filtered = _filtered(picture, (f"mode=delete:type={number}" for number in unknown))
        return {} if filtered is None else _named(filtered)


def has_other_view(picture: av.VideoFrame) -> bool:
    """Whether a decoded frame is the base view of a stream with several views (MV-HEVC, spatial video).

    Only in such streams, the decoder marks frames with the number of their view.
    """
    return _filtered(picture, [f"mode=select:type={_VIEW_ID}"]) is not None


def display_matrix_of(picture: av.VideoFrame) -> tuple[int, ...] | None:
    """Display matrix of a decoded frame as FFmpeg's nine numbers, or None."""
    matrix = side_data(picture).get("DISPLAYMATRIX")
    return None if matrix is None else tuple(np.frombuffer(matrix, "=i4").tolist())


def _named(picture: av.VideoFrame) -> dict[str, bytes]:
    # PyAV's stubs declare only one kind of side data.
    found = cast("SideDataContainer", picture.side_data)
    return {found[index].type.name: bytes(found[index]) for index in range(len(found))}


def _filtered(picture: av.VideoFrame, settings: Iterable[str]) -> av.VideoFrame | None:
    """Pass a reference to a frame through FFmpeg's `sidedata` filters; None if they drop it."""
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base or Fraction(1)
    )
    last = source
    for setting in settings:
        step = graph.add("sidedata", setting)
        last.link_to(step)
        last = step
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    graph.push(picture)
    try:
        return cast("av.VideoFrame", graph.pull())
    except (av.BlockingIOError, av.EOFError):
        return None
