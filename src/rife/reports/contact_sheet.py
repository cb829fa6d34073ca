"""The contact sheet: a clip before and after interpolation, over the same time span."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rife.analysis.planes import planes_of
from rife.atomic import appearing_whole
from rife.errors import REPLACE, JobError, MissingExtraError
from rife.media.colour.convert import adapted
from rife.media.colour.pixel_formats import has_alpha, samples
from rife.media.images.upright import orientation_of, swaps_sides, upright
from rife.media.open_source import open_source
from rife.media.source import OneSize, SourceFrame
from rife.media.video.side_data import display_matrix_of
from rife.options import Number, parse_number, parse_path

if TYPE_CHECKING:
    from PIL.Image import Image

RgbArray = npt.NDArray[np.uint8]

_ENDINGS = (".png", ".jpg")
_COLUMN_WIDTH, _LABEL, _GAP = 320, 20, 10
_ZOOM = 3
_INK, _PAPER, _MADE = (235, 235, 235), (24, 24, 27), (250, 160, 60)
_GROUND = 128
"""Code of the grey background of transparent pixels."""

_LEAST_ROUNDING, _MOST_ROUNDING = Fraction(1, 900), Fraction(1, 160)
"""Bounds, in seconds, of the rounding of a time by a container."""


@dataclass(frozen=True)
class _Shown:
    """A frame as displayed: upright, with a plain background where it is transparent.

    Attributes:
        seconds: presentation time.
        picture: (H, W, 3) RGB.
        aspect: sample aspect ratio, width over height of a pixel.
    """

    seconds: Fraction
    picture: RgbArray
    aspect: Fraction


@dataclass(frozen=True)
class _Moment:
    """Frames of both clips over the same time span."""

    before: list[_Shown]
    after: list[_Shown]


def contact_sheet(
    before: str | Path,
    after: str | Path,
    sheet: str | Path,
    *,
    at_seconds: Number | None = None,
    overwrite: bool = False,
) -> None:
    """Draw both clips side by side over the time of two source frames, with an enlarged part.

    Args:
        before: the source clip.
        after: the interpolated clip.
        sheet: PNG or JPEG to write.
        at_seconds: start of the time span; by default where the clip moves more than in nine tenths of its frames.
        overwrite: replace an existing sheet.

    Raises:
        MissingExtraError: Pillow is not installed.
        MediaError: a clip cannot be read.
        JobError: the clips are too short, the time is outside of them, or the sheet cannot be written.
    """
    before, after, sheet = (parse_path(path, "sheet") for path in (before, after, sheet))
    if sheet.suffix.lower() not in _ENDINGS:
        raise JobError(f"{sheet}: expected a file name with the extension {' or '.join(_ENDINGS)}.")
    if sheet.exists() and not overwrite:
        raise JobError(f"{sheet}: exists already.", hint=REPLACE)
    at = None if at_seconds is None else parse_number(at_seconds, "at", expected="a number of seconds")
    try:
        import PIL  # noqa: F401
    except ImportError as err:
        raise MissingExtraError(library="Pillow", extra="inspect", purpose="a contact sheet") from err
    start = _liveliest(before) if at is None else at
    picture = _drawn(_moment(before, after, start))
    try:
        with appearing_whole(sheet) as temporary:
            picture.save(temporary, optimize=True, quality=88)
    except OSError as err:
        raise JobError(f"{sheet}: cannot be written ({err.strerror or err}).") from err


def _drawn(moment: _Moment) -> Image:
    """Draw four rows over the same times: before, after, and both enlarged in the region of the largest change."""
    from PIL import Image, ImageDraw

    source_times = {frame.seconds for frame in moment.before}
    made = [frame.seconds not in source_times for frame in moment.after]
    held = [max((b for b in moment.before if b.seconds <= a.seconds), key=lambda b: b.seconds) for a in moment.after]
    shown = moment.after
    box = _busiest_box(moment.before[0].picture, moment.before[1].picture)
    rows = [
        ("before", held),
        ("after", shown),
        ("before, enlarged", [_enlarged(frame, box) for frame in held]),
        ("after, enlarged", [_enlarged(frame, box) for frame in shown]),
    ]
    cells = [[_cell(Image.fromarray(frame.picture), frame.aspect) for frame in row] for _, row in rows]
    size = (_GAP + len(made) * (_COLUMN_WIDTH + _GAP), _GAP + sum(row[0].height + _LABEL + _GAP for row in cells))
    canvas = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(canvas)
    top = _GAP
    for (title, _), row in zip(rows, cells, strict=True):
        is_after = title.startswith("after")
        for column, cell in enumerate(row):
            left = _GAP + column * (_COLUMN_WIDTH + _GAP)
            new = made[column]
            what = "source" if not new else "made" if is_after else "shown again"
            ink = _MADE if new and is_after else _INK
            label = f"{title}: {float(moment.after[column].seconds):.3f} s, {what}"
            draw.text((left, top), label, fill=ink, font_size=15)
            canvas.paste(cell, (left, top + _LABEL))
            if new and is_after:
                corner = (left + cell.width - 1, top + _LABEL + cell.height - 1)
                draw.rectangle((left, top + _LABEL, *corner), outline=_MADE, width=3)
        top += row[0].height + _LABEL + _GAP
    return canvas


def _frames(path: Path) -> Iterator[tuple[Fraction, SourceFrame]]:
    """Yield the frames of an input with their times in seconds."""
    with open_source(path) as source:
        for frame in OneSize(source).frames():
            yield frame.pts * source.info.time_base, frame


def _pictures(path: Path, *, first: Fraction, last: Fraction | None = None) -> Iterator[_Shown]:
    """Yield the frames of a time span, as displayed."""
    with open_source(path) as source:
        tick, aspect = source.info.time_base, source.info.sample_aspect_ratio or Fraction(1)
        turn = 0
        for frame in OneSize(source).frames():
            # A stream may store its display matrix with the first frame only.
            turn = turn or orientation_of(display_matrix_of(frame.picture)) or 1
            when = frame.pts * tick
            if last is not None and when > last:
                return
            if when >= first:
                yield _Shown(when, _rgb(frame, turn), 1 / aspect if swaps_sides(turn) else aspect)


def _rgb(frame: SourceFrame, turn: int) -> RgbArray:
    name = "gbrap" if has_alpha(frame.picture.format.name) else "gbrp"
    channels = samples(upright(adapted(frame.picture, name), turn))
    rgb = np.stack(channels[:3], -1)
    if len(channels) < 4:
        return rgb
    alpha = channels[3][..., None].astype(np.float32) / 255
    return np.asarray((rgb * alpha + _GROUND * (1 - alpha)).round(), np.uint8)


def _liveliest(path: Path) -> Fraction:
    """Time of the frame after which the clip moves more than after nine tenths of its frames."""
    last: npt.NDArray[np.float32] | None = None
    changes: list[tuple[float, Fraction]] = []
    last_time = Fraction(0)
    for when, frame in _frames(path):
        found = planes_of(frame.picture)
        small = found.planes[0][::4, ::4].astype(np.float32) * found.unit
        if last is not None:
            changes.append((float(np.abs(small - last).mean()), last_time))
        last, last_time = small, when
    if len(changes) < 2:
        raise JobError(f"{path}: expected at least three frames for a contact sheet, got fewer.")
    # The last frames have no full time span after them; a cut is rarer than one frame in ten.
    ranked = sorted(changes[:-1])
    return ranked[int(len(ranked) * 0.9)][1]


def _moment(before: Path, after: Path, start: Fraction) -> _Moment:
    sources = list(islice(_pictures(before, first=start), 3))
    if len(sources) < 3:
        raise JobError(f"{before}: fewer than three frames from {float(start):.2f} s on. Name an earlier time.")
    first, last = sources[0].seconds, sources[-1].seconds
    # A GIF rounds times to hundredths of a second, other files to thousandths; at high rates, new frames are closer.
    near = max(_LEAST_ROUNDING, min(_MOST_ROUNDING, (last - first) / 32))
    frames = []
    for frame in _pictures(after, first=first - near, last=last + near):
        exact = next((source.seconds for source in sources if abs(source.seconds - frame.seconds) <= near), None)
        frames.append(frame if exact is None else replace(frame, seconds=exact))
    if len(frames) < 3:
        raise JobError(f"{after}: has no frames from {float(first):.2f} s to {float(last):.2f} s.")
    return _Moment(sources, frames[:7])


def _busiest_box(a: RgbArray, b: RgbArray) -> tuple[float, float]:
    """Top and left, as shares of the frame's size, of the region that changes most: a third of the height and width."""
    height, width = a.shape[0] // _ZOOM, a.shape[1] // _ZOOM
    change = np.abs(a.astype(np.int16) - b.astype(np.int16)).sum(2).astype(np.float64)
    total = np.pad(change.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return float(top / a.shape[0]), float(left / a.shape[1])


def _enlarged(frame: _Shown, box: tuple[float, float]) -> _Shown:
    height, width = frame.picture.shape[:2]
    top, left = round(box[0] * height), round(box[1] * width)
    part = frame.picture[top : top + height // _ZOOM, left : left + width // _ZOOM]
    return replace(frame, picture=np.ascontiguousarray(part))


def _cell(image: Image, aspect: Fraction) -> Image:
    return image.resize((_COLUMN_WIDTH, max(1, round(image.height * _COLUMN_WIDTH / (image.width * aspect)))))
