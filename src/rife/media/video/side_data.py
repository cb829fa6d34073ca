"""Side data of decoded pictures: what FFmpeg keeps beside the samples, such as rotation, EXIF and HDR metadata.

PyAV lists side data by a fixed enumeration, and fails for a whole picture where FFmpeg has given it one kind more. The
readers of side data go through this module, which takes the unknown kinds off a reference to the picture first.
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
"""Numbers of kinds that are looked at: FFmpeg 8 has 33 of them, counted from 0."""

_VIEW_ID = 29
"""AV_FRAME_DATA_VIEW_ID, which PyAV has no name for: numbers of kinds are fixed by FFmpeg's binary interface."""


def side_data(picture: av.VideoFrame) -> dict[str, bytes]:
    """Read the side data of a decoded picture that PyAV has a name for.

    Returns:
        Content by name of the kind, such as DISPLAYMATRIX.
    """
    try:
        return _named(picture)
    except ValueError:
        known = {int(kind.value) for kind in Type}  # type: ignore[call-overload]
        unknown = (number for number in range(_MOST_KINDS) if number not in known)
        kept = _filtered(picture, (f"mode=delete:type={number}" for number in unknown))
        return {} if kept is None else _named(kept)


def has_other_view(picture: av.VideoFrame) -> bool:
    """Whether a decoded picture is the base view of a stream with several views (MV-HEVC, spatial video).

    The decoder marks pictures with the number of their view only in such streams.
    """
    return _filtered(picture, [f"mode=select:type={_VIEW_ID}"]) is not None


def display_matrix_of(picture: av.VideoFrame) -> tuple[int, ...] | None:
    """Rotation and mirroring of a decoded picture as FFmpeg's nine numbers, or None."""
    matrix = side_data(picture).get("DISPLAYMATRIX")
    return None if matrix is None else tuple(np.frombuffer(matrix, "=i4").tolist())


def _named(picture: av.VideoFrame) -> dict[str, bytes]:
    # The attribute's stub knows one kind of side data only.
    found = cast("SideDataContainer", picture.side_data)
    return {found[index].type.name: bytes(found[index]) for index in range(len(found))}


def _filtered(picture: av.VideoFrame, settings: Iterable[str]) -> av.VideoFrame | None:
    """Pass a reference to a picture through FFmpeg's `sidedata` filters; None where they do not let it through."""
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
