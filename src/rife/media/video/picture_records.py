"""Records beside a picture track that no output gets: Dolby Vision, HDR10+, spherical and stereoscopic video.

A record of the whole track is read from the header that FFmpeg's Matroska muxer writes for it: PyAV has no name for it.
"""

from __future__ import annotations

from typing import cast

import av
from av.sidedata.sidedata import SideDataContainer
from av.video.stream import VideoStream

from rife.media.video.matroska import Element, elements, track_facts
from rife.media.video.muxers import header_of

_VIDEO, _PROJECTION, _PROJECTION_TYPE, _STEREO_MODE = 0xE0, 0x7670, 0x7671, 0x53B8
_BLOCK_ADDITION, _ADDITION_TYPE, _ADDITION_DATA = 0x41E4, 0x41E7, 0x41ED
_DOLBY_VISION = (b"dvcC", b"dvvC", b"dvwC")
_TELL_VIEWS = ("matroska", "webm")
"""Muxers that write how views lie in a picture from the track's metadata, which are copied."""

_PROFILE_WITHOUT_BASE = 5
"""Its colours are of a space of its own (IPT), which plain decoders take for another one."""


def lost_records(stream: VideoStream, first: av.VideoFrame, *, muxer: str) -> list[str]:
    """Name what a source says of its pictures and the output does not carry on.

    Args:
        stream: the picture track of an open file.
        first: its first picture, as decoded.
        muxer: FFmpeg's name for the kind of the output file.
    """
    facts = track_facts(header_of("matroska", stream))
    try:
        names = {str(entry.type.name) for entry in cast("SideDataContainer", first.side_data)}
    except ValueError:  # PyAV has no name for one of them
        names = set()
    video = _children(facts.get(_VIDEO))
    out = []
    profile = _dolby_vision_profile(facts)
    if profile is not None or names & {"DOVI_RPU_BUFFER", "DOVI_METADATA"}:
        which = f" (profile {profile})" if profile is not None else ""
        wrong = "; colours of this profile are wrong without it" if profile == _PROFILE_WITHOUT_BASE else ""
        out.append(f"Dolby Vision metadata{which} is not carried over{wrong}")
    if "DYNAMIC_HDR_PLUS" in names:
        out.append("HDR10+ metadata is not carried over")
    if _is_spherical(video.get(_PROJECTION, b"")):
        out.append("the projection (spherical video) is not carried over: players show the output flat")
    if _STEREO_MODE in video and not (muxer in _TELL_VIEWS and "stereo_mode" in stream.metadata):
        out.append("how two views lie in a picture (stereoscopic video) is not carried over")
    return out


def _dolby_vision_profile(facts: dict[int, Element]) -> int | None:
    record = _children(facts.get(_BLOCK_ADDITION))
    if _ADDITION_TYPE not in record or record[_ADDITION_TYPE] not in _DOLBY_VISION:
        return None
    return record[_ADDITION_DATA][2] >> 1


def _is_spherical(projection: bytes) -> bool:
    """Whether a projection is not the flat one, which is written for a rotation."""
    return any(_children(Element(_PROJECTION, projection)).get(_PROJECTION_TYPE, b""))


def _children(element: Element | None) -> dict[int, bytes]:
    return {} if element is None else {child.identity: child.payload for child in elements(element.payload)}
