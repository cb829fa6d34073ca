"""Metadata of a video track that no output preserves: Dolby Vision, HDR10+, spherical and stereoscopic video.

Metadata of the whole track is read from the header that FFmpeg's Matroska muxer writes for it: PyAV has no attribute
for it.
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
_STORE_VIEWS = ("matroska", "webm")
"""Muxers that store the stereo mode, from the copied metadata of the track."""

_PROFILE_WITHOUT_BASE = 5
"""Dolby Vision profile without a compatible base layer: other decoders misinterpret its IPT colours."""


def lost_records(stream: VideoStream, first: av.VideoFrame, *, muxer: str) -> list[str]:
    """Notes on metadata of the video track that the output does not preserve.

    Args:
        stream: video track of an open file.
        first: its first frame, as decoded.
        muxer: FFmpeg's name of the output's muxer.
    """
    facts = track_facts(header_of("matroska", stream))
    try:
        names = {str(entry.type.name) for entry in cast("SideDataContainer", first.side_data)}
    except ValueError:  # a kind without a name in PyAV
        names = set()
    video = _children(facts.get(_VIDEO))
    out = []
    profile = _dolby_vision_profile(facts)
    if profile is not None or names & {"DOVI_RPU_BUFFER", "DOVI_METADATA"}:
        which = f" (profile {profile})" if profile is not None else ""
        wrong = "; colours of this profile are wrong without it" if profile == _PROFILE_WITHOUT_BASE else ""
        out.append(f"Dolby Vision metadata{which} is not preserved{wrong}")
    if "DYNAMIC_HDR_PLUS" in names:
        out.append("HDR10+ metadata is not preserved")
    if _is_spherical(video.get(_PROJECTION, b"")):
        out.append("the projection (spherical video) is not preserved: players show the output flat")
    if _STEREO_MODE in video and not (muxer in _STORE_VIEWS and "stereo_mode" in stream.metadata):
        out.append("the stereo mode (stereoscopic video) is not preserved")
    return out


def _dolby_vision_profile(facts: dict[int, Element]) -> int | None:
    record = _children(facts.get(_BLOCK_ADDITION))
    if _ADDITION_TYPE not in record or record[_ADDITION_TYPE] not in _DOLBY_VISION:
        return None
    return record[_ADDITION_DATA][2] >> 1


def _is_spherical(projection: bytes) -> bool:
    """Whether a projection is not flat; a flat one only stores a rotation."""
    return any(_children(Element(_PROJECTION, projection)).get(_PROJECTION_TYPE, b""))


def _children(element: Element | None) -> dict[int, bytes]:
    return {} if element is None else {child.identity: child.payload for child in elements(element.payload)}
