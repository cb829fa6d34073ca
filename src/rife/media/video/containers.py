"""The table of containers: one row for each kind of video file that can be written, with all its properties.

The codecs of a container are not listed: its muxer is queried (`rife.media.video.muxers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from rife.errors import MediaError


@dataclass(frozen=True)
class Container:
    """A container format.

    Attributes:
        muxer: FFmpeg's name of the muxer.
        codec: default encoder.
        alpha_codec: default encoder of frames with alpha, if `codec` does not support it.
        tick: seconds to which the muxer rounds times; 0 if it preserves them.
        stretched_audio_codec: encoder of stretched audio.
        holds_alpha_beside: supports encoders that write alpha as a second frame.
        stores_display_size: stores the display size, not the sample aspect ratio.
        hevc_tag: tag of an H.265 track; the muxer's default if not given.
    """

    muxer: str
    codec: str
    alpha_codec: str | None = None
    tick: Fraction = Fraction(0)
    stretched_audio_codec: str = "aac"
    holds_alpha_beside: bool = False
    stores_display_size: bool = False
    hevc_tag: str | None = None


_MILLISECOND = Fraction(1, 1000)
_PLAYED_BY_APPLE = "hvc1"
_MP4 = Container("mp4", "libx264", hevc_tag=_PLAYED_BY_APPLE)
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", "libx264", alpha_codec="prores_ks", hevc_tag=_PLAYED_BY_APPLE),
    ".mkv": Container(
        "matroska",
        "libx264",
        alpha_codec="ffv1",
        tick=_MILLISECOND,
        holds_alpha_beside=True,
        stores_display_size=True,
    ),
    ".webm": Container(
        "webm",
        "libvpx-vp9",
        alpha_codec="libvpx-vp9",
        tick=_MILLISECOND,
        stretched_audio_codec="libopus",
        holds_alpha_beside=True,
        stores_display_size=True,
    ),
    ".3gp": Container("3gp", "libx264"),
    ".3g2": Container("3g2", "libx264"),
}
"""Containers that can be written, by extension."""


def container_for(path: Path) -> Container:
    """The container of a file, by its extension.

    Raises:
        MediaError: no container has this extension.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without an extension'}; "
            f"expected one of {', '.join(CONTAINERS)}."
        ) from None
