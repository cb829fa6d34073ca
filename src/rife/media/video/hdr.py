"""Copying of static HDR metadata: the mastering display and the content light level.

The metadata describes the whole film, and therefore applies to new frames as well as to source frames. Each encoder has
its own syntax for it; some encoders cannot write it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import av

from rife.media.video.encoder_table import HdrOptions
from rife.media.video.side_data import side_data

Point: TypeAlias = tuple[Fraction, Fraction]
"""Chromaticity (x, y)."""

_CHROMATICITY_STEPS, _LUMINANCE_STEPS = 50_000, 10_000
"""Units per 1, and per 1 cd/m2, of H.264 and H.265 (SMPTE ST 2086)."""


@dataclass(frozen=True)
class MasteringDisplay:
    """The mastering display of a film (SMPTE ST 2086).

    Attributes:
        red: red primary.
        green: green primary.
        blue: blue primary.
        white: white point.
        darkest: minimum luminance in cd/m2.
        brightest: maximum luminance in cd/m2.
    """

    red: Point
    green: Point
    blue: Point
    white: Point
    darkest: Fraction
    brightest: Fraction


@dataclass(frozen=True)
class ContentLight:
    """Content light level of a film (CTA-861.3), in cd/m2; 0 if unknown.

    Attributes:
        brightest_pixel: MaxCLL.
        brightest_frame: MaxFALL, the mean of a frame.
    """

    brightest_pixel: int
    brightest_frame: int


@dataclass(frozen=True)
class StaticHdr:
    """HDR10's static metadata of a film; at least one of both is set."""

    mastering: MasteringDisplay | None
    content_light: ContentLight | None


def read_static_hdr(picture: av.VideoFrame) -> StaticHdr | None:
    """Read static HDR metadata from the side data of a decoded frame.

    A stream may store it at its key frames only: use the first frame.

    Returns:
        The metadata; None if there is none. An incomplete description of a display counts as none.
    """
    beside = side_data(picture)
    display, light = beside.get("MASTERING_DISPLAY_METADATA"), beside.get("CONTENT_LIGHT_LEVEL")
    mastering = None if display is None else _mastering(display)
    levels = (0, 0) if light is None else struct.unpack_from("=2I", light)
    content_light = ContentLight(*levels) if any(levels) else None  # x265 writes zeros if none were set
    if mastering is None and content_light is None:
        return None
    return StaticHdr(mastering, content_light)


def hdr_settings(hdr: StaticHdr, names: HdrOptions) -> str:
    """Value of an encoder's option for static HDR metadata: settings joined by colons.

    Args:
        hdr: the metadata.
        names: options of the encoder.
    """
    settings = list(names.always)
    if hdr.mastering is not None:
        display = _in_decimals(hdr.mastering) if names.decimals else _in_steps(hdr.mastering)
        settings.append(f"{names.mastering}={display}")
    if hdr.content_light is not None:
        settings.append(f"{names.light}={hdr.content_light.brightest_pixel},{hdr.content_light.brightest_frame}")
    return ":".join(settings)


def _mastering(record: bytes) -> MasteringDisplay | None:
    """Read FFmpeg's AVMasteringDisplayMetadata: ten fractions, and flags for the first eight and the last two."""
    *numbers, has_primaries, has_luminance = struct.unpack_from("=22i", record)
    parts = list(zip(numbers[::2], numbers[1::2], strict=True))
    if not (has_primaries and has_luminance) or any(denominator == 0 for _, denominator in parts):
        return None
    values = [Fraction(*part) for part in parts]
    red, green, blue, white = zip(values[:8:2], values[1:8:2], strict=True)
    return MasteringDisplay(red, green, blue, white, darkest=values[8], brightest=values[9])


def _in_steps(display: MasteringDisplay) -> str:
    """The mastering display in whole units, the syntax of x264 and x265."""
    named = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    points = "".join(f"{name}({','.join(str(round(v * _CHROMATICITY_STEPS)) for v in point)})" for name, point in named)
    bright, dark = (round(value * _LUMINANCE_STEPS) for value in (display.brightest, display.darkest))
    return f"{points}L({bright},{dark})"


def _in_decimals(display: MasteringDisplay) -> str:
    """The mastering display in decimals, the syntax of SVT-AV1."""
    named = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    points = "".join(f"{name}({float(x):.7f},{float(y):.7f})" for name, (x, y) in named)
    return f"{points}L({float(display.brightest):.7f},{float(display.darkest):.7f})"
