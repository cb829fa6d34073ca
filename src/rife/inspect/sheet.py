"""A contact sheet that shows what interpolation added: the clip before and after, over the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rife.cache import appearing_whole
from rife.errors import JobError, MissingExtraError
from rife.media.reader import VideoReader
from rife.options import Number, parse_number, parse_path

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = npt.NDArray[np.uint8]

_ENDINGS = (".png", ".jpg")
_COLUMN_WIDTH, _LABEL, _GAP = 320, 20, 10
_ZOOM = 3
_INK, _PAPER, _MADE = (235, 235, 235), (24, 24, 27), (250, 160, 60)


@dataclass(frozen=True)
class _Moment:
    """Frames over the same stretch of time: each (seconds, picture)."""

    before: list[tuple[Fraction, Picture]]
    after: list[tuple[Fraction, Picture]]


def contact_sheet(
    before: str | Path,
    after: str | Path,
    sheet: str | Path,
    *,
    at_seconds: Number | None = None,
    overwrite: bool = False,
) -> None:
    """Draw both clips side by side over two source frames' time, with an enlarged part.

    Args:
        before: the source clip.
        after: the interpolated clip.
        sheet: PNG or JPEG to write.
        at_seconds: where to look; by default where the clip moves more than in nine tenths of its frames.
        overwrite: replace an existing sheet.

    Raises:
        MissingExtraError: Pillow is not installed.
        MediaError: a clip cannot be read.
        JobError: the clips are too short, the time lies outside, or the sheet cannot be written.
    """
    before, after, sheet = (parse_path(path, "sheet") for path in (before, after, sheet))
    if sheet.suffix.lower() not in _ENDINGS:
        raise JobError(f"{sheet}: expected a name that ends in {' or '.join(_ENDINGS)}.")
    if sheet.exists() and not overwrite:
        raise JobError(f"{sheet}: exists already. Name another file with -o, or replace it with --overwrite.")
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
    """Lay out four rows over the same times: before, after, and both enlarged where most changes."""
    from PIL import Image, ImageDraw

    source_times = {when for when, _ in moment.before}
    made = [when not in source_times for when, _ in moment.after]
    held = [max((b for b in moment.before if b[0] <= when), key=lambda b: b[0])[1] for when, _ in moment.after]
    shown = [picture for _, picture in moment.after]
    box = _busiest_box(moment.before[0][1], moment.before[1][1])
    rows = [
        ("before", held),
        ("after", shown),
        ("before, enlarged", [_crop(picture, box) for picture in held]),
        ("after, enlarged", [_crop(picture, box) for picture in shown]),
    ]
    cells = [[_cell(Image.fromarray(picture)) for picture in row] for _, row in rows]
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
            label = f"{title}: {float(moment.after[column][0]):.3f} s, {what}"
            draw.text((left, top), label, fill=ink, font_size=15)
            canvas.paste(cell, (left, top + _LABEL))
            if new and is_after:
                corner = (left + cell.width - 1, top + _LABEL + cell.height - 1)
                draw.rectangle((left, top + _LABEL, *corner), outline=_MADE, width=3)
        top += row[0].height + _LABEL + _GAP
    return canvas


def _pictures(path: Path) -> Iterator[tuple[Fraction, Picture]]:
    with VideoReader(path) as reader:
        for frame in reader.frames():
            rgb = np.asarray(frame.picture.to_ndarray(format="rgb24"), np.uint8)
            yield frame.pts * reader.info.time_base, rgb


def _liveliest(path: Path) -> Fraction:
    """Time of the frame after which the clip moves more than after nine tenths of its frames."""
    last: npt.NDArray[np.int16] | None = None
    changes: list[tuple[float, Fraction]] = []
    last_time = Fraction(0)
    for when, picture in _pictures(path):
        small = picture[::4, ::4].astype(np.int16)
        if last is not None:
            changes.append((float(np.abs(small - last).mean()), last_time))
        last, last_time = small, when
    if len(changes) < 2:
        raise JobError(f"{path}: a contact sheet needs at least three frames.")
    # The last frames have no full stretch after them; a cut is rarer than one frame in ten.
    ranked = sorted(changes[:-1])
    return ranked[int(len(ranked) * 0.9)][1]


def _moment(before: Path, after: Path, start: Fraction) -> _Moment:
    sources = [item for _, item in zip(range(3), (p for p in _pictures(before) if p[0] >= start), strict=False)]
    if len(sources) < 3:
        raise JobError(f"{before}: fewer than three frames from {float(start):.2f} s on; name an earlier time.")
    first, last = sources[0][0], sources[-1][0]
    # Containers round times to a thousandth of a second at worst.
    near = Fraction(1, 500)
    frames = []
    for when, picture in _pictures(after):
        if first - near <= when <= last + near:
            exact = next((s for s, _ in sources if abs(s - when) <= near), when)
            frames.append((exact, picture))
    if len(frames) < 3:
        raise JobError(f"{after}: has no frames from {float(first):.2f} s to {float(last):.2f} s.")
    return _Moment(sources, frames[:7])


def _busiest_box(a: Picture, b: Picture) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the part that changes most, 1/3 of the picture in each direction."""
    height, width = a.shape[0] // _ZOOM, a.shape[1] // _ZOOM
    change = np.abs(a.astype(np.int16) - b.astype(np.int16)).sum(2).astype(np.float64)
    total = np.pad(change.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left), int(top) + height, int(left) + width


def _crop(picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    top, left, bottom, right = box
    return np.ascontiguousarray(picture[top:bottom, left:right])


def _cell(image: Image) -> Image:
    return image.resize((_COLUMN_WIDTH, round(image.height * _COLUMN_WIDTH / image.width)))
