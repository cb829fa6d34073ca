"""Static HDR metadata: what a film was mastered on and how bright it gets, from one file to another.

It describes the whole film, so that it is as right for made frames as for the source's. Encoders write it into the
stream when told to in a language of their own; others have no way to be told.
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
"""Units to 1, and to 1 cd/m2, in which H.264 and H.265 write (SMPTE ST 2086)."""


@dataclass(frozen=True)
class MasteringDisplay:
    """The display that a film was mastered on (SMPTE ST 2086).

    Attributes:
        red: its primary.
        green: its primary.
        blue: its primary.
        white: its white.
        darkest: in cd/m2.
        brightest: in cd/m2.
    """

    red: Point
    green: Point
    blue: Point
    white: Point
    darkest: Fraction
    brightest: Fraction


@dataclass(frozen=True)
class ContentLight:
    """How bright a film gets (CTA-861.3), in cd/m2; 0 where that is not known.

    Attributes:
        brightest_pixel: MaxCLL.
        brightest_frame: MaxFALL, the mean of a frame.
    """

    brightest_pixel: int
    brightest_frame: int


@dataclass(frozen=True)
class StaticHdr:
    """HDR10's static metadata, as far as a film has it; at least one of both."""

    mastering: MasteringDisplay | None
    content_light: ContentLight | None


def read_static_hdr(picture: av.VideoFrame) -> StaticHdr | None:
    """Find static HDR metadata beside a decoded picture.

    Streams may carry it at their key frames only: ask the first picture.

    Returns:
        None if there is none; a description of a display that is incomplete counts as none.
    """
    beside = side_data(picture)
    display, light = beside.get("MASTERING_DISPLAY_METADATA"), beside.get("CONTENT_LIGHT_LEVEL")
    mastering = None if display is None else _mastering(display)
    levels = (0, 0) if light is None else struct.unpack_from("=2I", light)
    content_light = ContentLight(*levels) if any(levels) else None  # x265 writes zeros where it was told none
    if mastering is None and content_light is None:
        return None
    return StaticHdr(mastering, content_light)


def hdr_settings(hdr: StaticHdr, names: HdrOptions) -> str:
    """The value of the option that makes an encoder write static HDR metadata: settings joined by colons.

    Args:
        hdr: what to write.
        names: how the encoder is told.
    """
    settings = list(names.always)
    if hdr.mastering is not None:
        display = _in_decimals(hdr.mastering) if names.decimals else _in_steps(hdr.mastering)
        settings.append(f"{names.mastering}={display}")
    if hdr.content_light is not None:
        settings.append(f"{names.light}={hdr.content_light.brightest_pixel},{hdr.content_light.brightest_frame}")
    return ":".join(settings)


def _mastering(record: bytes) -> MasteringDisplay | None:
    """Read FFmpeg's AVMasteringDisplayMetadata: ten fractions, and whether the first eight and last two are known."""
    *numbers, has_primaries, has_luminance = struct.unpack_from("=22i", record)
    parts = list(zip(numbers[::2], numbers[1::2], strict=True))
    if not (has_primaries and has_luminance) or any(denominator == 0 for _, denominator in parts):
        return None
    values = [Fraction(*part) for part in parts]
    red, green, blue, white = zip(values[:8:2], values[1:8:2], strict=True)
    return MasteringDisplay(red, green, blue, white, darkest=values[8], brightest=values[9])


def _in_steps(display: MasteringDisplay) -> str:
    """In whole steps, as x264 and x265 take it."""
    named = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    points = "".join(f"{name}({','.join(str(round(v * _CHROMATICITY_STEPS)) for v in point)})" for name, point in named)
    bright, dark = (round(value * _LUMINANCE_STEPS) for value in (display.brightest, display.darkest))
    return f"{points}L({bright},{dark})"


def _in_decimals(display: MasteringDisplay) -> str:
    """In decimals, as SVT-AV1 takes it."""
    named = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    points = "".join(f"{name}({float(x):.7f},{float(y):.7f})" for name, (x, y) in named)
    return f"{points}L({float(display.brightest):.7f},{float(display.darkest):.7f})"
