"""The table of containers: one row for each kind of video file that can be written, with all that is known of it.

Which streams a container holds is not listed: its muxer is asked (`rife.media.video.muxers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from rife.errors import MediaError


@dataclass(frozen=True)
class Container:
    """A kind of video file.

    Attributes:
        muxer: FFmpeg's name for the kind of file.
        codec: default encoder.
        alpha_codec: default encoder of pictures with transparency, where `codec` cannot hold it.
        tick: seconds to which times are rounded; 0 where they are kept as they are.
        stretched_audio_codec: encoder of sound that is slowed down.
        holds_alpha_beside: holds the transparency of encoders that write it as a second picture.
        stores_display_size: stores the size at which pictures are shown, not the aspect ratio of their pixels.
        hevc_tag: tag of an H.265 track; the muxer's own if not given.
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
"""Video files that can be written, by ending."""


def container_for(path: Path) -> Container:
    """The row of a file's ending.

    Raises:
        MediaError: no such file can be written.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without an ending'}; "
            f"expected one of {', '.join(CONTAINERS)}."
        ) from None
