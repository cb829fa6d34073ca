"""Pixel formats: memory layouts, and the choice of an output's format."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from rife.errors import MediaError

Samples: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class PlaneLayout:
    """Memory layout of a pixel format for new frames.

    Attributes:
        bits: bits per sample.
        rgb: channels are red, green and blue; otherwise Y, U, V or Y alone.
        grey: Y alone.
        alpha: straight alpha after the colours: colours are not multiplied by it.
        half_width: chroma has half the columns.
        half_height: chroma has half the rows.
        full_range: the format implies full range.
        order: one letter for each plane; for each sample of a pixel if the format is packed.
        packed: the samples of a pixel are interleaved in one plane.
        big_endian: the high byte of a sample comes first.
    """

    bits: int
    rgb: bool = False
    grey: bool = False
    alpha: bool = False
    half_width: bool = False
    half_height: bool = False
    full_range: bool = False
    order: str = "yuv"
    packed: bool = False
    big_endian: bool = False

    @property
    def is_yuv(self) -> bool:
        """Whether the format is planar YUV in native byte order, on a little-endian machine."""
        return not (self.rgb or self.grey or self.packed or self.big_endian) and sys.byteorder == "little"

    @property
    def channels(self) -> str:
        """Letters of the channels in the order of `samples`."""
        return ("y" if self.grey else "rgb" if self.rgb else "yuv") + ("a" if self.alpha else "")


def _exists(name: str) -> bool:
    """Whether FFmpeg has a pixel format: some combinations of bit depth and alpha are missing."""
    try:
        av.VideoFormat(name)
    except ValueError:
        return False
    return True


def _layouts() -> dict[str, PlaneLayout]:
    known: dict[str, PlaneLayout] = {}
    for bits in (8, 9, 10, 12, 14, 16):
        suffix = "" if bits == 8 else f"{bits}le"
        for letter, alpha in (("", False), ("a", True)):
            yuv = f"yuv{letter}"
            known[f"yuv{letter}420p{suffix}"] = PlaneLayout(
                bits, alpha=alpha, half_width=True, half_height=True, order=yuv
            )
            known[f"yuv{letter}422p{suffix}"] = PlaneLayout(bits, alpha=alpha, half_width=True, order=yuv)
            known[f"yuv{letter}444p{suffix}"] = PlaneLayout(bits, alpha=alpha, order=yuv)
            known[f"gbr{letter}p{suffix}"] = PlaneLayout(bits, rgb=True, alpha=alpha, order=f"gbr{letter}")
        known[f"gray{suffix}"] = PlaneLayout(bits, grey=True, order="y")
    for order in ("rgb", "bgr", "rgba", "bgra", "argb", "abgr"):
        alpha = "a" in order
        known[order if alpha else f"{order}24"] = PlaneLayout(8, rgb=True, alpha=alpha, order=order, packed=True)
        for ending, big in (("le", False), ("be", True)):
            wide = PlaneLayout(16, rgb=True, alpha=alpha, order=order, packed=True, big_endian=big)
            known[f"{order}{64 if alpha else 48}{ending}"] = wide
    known["ya8"] = PlaneLayout(8, grey=True, alpha=True, order="ya", packed=True)
    for ending, big in (("le", False), ("be", True)):
        known[f"ya16{ending}"] = PlaneLayout(16, grey=True, alpha=True, order="ya", packed=True, big_endian=big)
    known["gray16be"] = PlaneLayout(16, grey=True, order="y", big_endian=True)
    known["yuvj420p"] = PlaneLayout(8, half_width=True, half_height=True, full_range=True)
    known["yuvj422p"] = PlaneLayout(8, half_width=True, full_range=True)
    known["yuvj444p"] = PlaneLayout(8, full_range=True)
    return {name: layout for name, layout in known.items() if _exists(name)}


LAYOUTS = _layouts()
"""Pixel formats of new frames, by FFmpeg's names; conversion to and from RGB loses no more than one rounding."""


def samples(picture: av.VideoFrame) -> list[Samples]:
    """View the samples of a frame in one of `LAYOUTS`, without line padding.

    Returns:
        One array (height, width) for each letter of the layout's `channels`; writing to them changes the frame.
    """
    layout = LAYOUTS[picture.format.name]
    found: dict[str, Samples] = {}
    for index, (plane, lines) in enumerate(zip(picture.planes, padded_planes(picture), strict=True)):
        if layout.packed:
            step = len(layout.order)
            row = lines[:, : plane.width * step]
            found.update({letter: row[:, i::step] for i, letter in enumerate(layout.order)})
        else:
            found[layout.order[index]] = lines[:, : plane.width]
    return [found[letter] for letter in layout.channels]


def padded_planes(picture: av.VideoFrame) -> list[Samples]:
    """View the planes of a frame in one of `LAYOUTS`, with line padding."""
    layout = LAYOUTS[picture.format.name]
    dtype = np.dtype(np.uint8 if layout.bits == 8 else ">u2" if layout.big_endian else "<u2")
    return [np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1) for plane in picture.planes]


def has_alpha(name: str) -> bool:
    """Whether a pixel format has alpha; the colours of a palette may have alpha."""
    wanted = pixel_format(name)
    return wanted.has_palette or any(component.is_alpha for component in wanted.components)


def working_format(
    source: str, encoder_formats: Sequence[str], *, size: tuple[int, int], keep_rgb: bool = False
) -> str:
    """Choose the pixel format of the output: the source's own if possible, else the nearest.

    Args:
        source: FFmpeg's name of the source's pixel format.
        encoder_formats: formats of the encoder.
        size: width and height, if the encoder requires even sizes for subsampled chroma; else (0, 0).
        keep_rgb: preserve RGB if the encoder takes it; otherwise RGB becomes 4:2:0, which every player supports.

    Raises:
        MediaError: the encoder takes no format of `LAYOUTS`.
    """
    width, height = size
    usable = [
        name
        for name in encoder_formats
        if name in LAYOUTS
        and not (LAYOUTS[name].half_width and width % 2)
        and not (LAYOUTS[name].half_height and height % 2)
    ]
    if source in usable:
        return source
    if not usable:
        raise MediaError(f"the encoder takes only {', '.join(encoder_formats)}; expected one of {', '.join(LAYOUTS)}.")
    wanted = pixel_format(source)
    alpha = has_alpha(source)
    colours = [component for component in wanted.components if not component.is_alpha]
    bits = max(component.bits for component in wanted.components)
    has_chroma = len(colours) >= 3 and not wanted.is_rgb
    is_grey = len(colours) == 1 and not wanted.has_palette
    is_rgb = wanted.is_rgb or wanted.has_palette
    fine_width = has_chroma and wanted.chroma_width(64) > 32
    fine_height = has_chroma and wanted.chroma_height(64) > 32
    full_range = source.startswith("yuvj")

    def cost(name: str) -> tuple[int, ...]:
        layout = LAYOUTS[name]
        lost_chroma = (layout.half_width and fine_width) + (layout.half_height and fine_height)
        wasted = (not layout.half_width and not fine_width) + (not layout.half_height and not fine_height)
        lost_bits = max(0, bits - layout.bits)
        lost_alpha = alpha and not layout.alpha
        lost_colour = layout.grey and not is_grey
        wasted_alpha = layout.alpha and not alpha
        return (
            lost_colour,
            lost_alpha,
            lost_bits,
            lost_chroma,
            keep_rgb and is_rgb and not layout.rgb,
            layout.full_range != full_range,
            wasted_alpha,
            layout.bits,
            layout.grey != is_grey,
            wasted,
            layout.rgb,
        )

    return min(usable, key=cost)


def losses(source: str, target: str) -> list[str]:
    """Describe the losses of a conversion between two pixel formats."""
    before, after = pixel_format(source), LAYOUTS[target]
    bits = max(component.bits for component in before.components)
    out = []
    if has_alpha(source) and not after.alpha:
        what = f"transparency ({source}){', if there is any,' if before.has_palette else ''}"
        out.append(f"{what} is not preserved: the output is {target}")
    if bits > after.bits:
        out.append(f"{bits} bits per sample ({source}) become {after.bits}: the encoder takes {target}")
    if before.is_rgb and not after.rgb:
        out.append(f"RGB ({source}) becomes {target}")
    return out


def pixel_format(name: str) -> av.VideoFormat:
    """FFmpeg's description of a pixel format.

    Raises:
        MediaError: FFmpeg has no pixel format of this name.
    """
    try:
        return av.VideoFormat(name)
    except ValueError as err:
        raise MediaError(f"pixel format {name!r} is unknown to FFmpeg.") from err
