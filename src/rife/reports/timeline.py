"""The timeline: a plot of a survey, with the change over time, the cuts and the repeated frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rife.analysis.record import Survey
from rife.atomic import appearing_whole
from rife.errors import REPLACE, JobError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_WIDTH, _HEIGHT = 1280, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 46, 62
_STRIP, _STRIP_GAP = 10, 6
_PAPER, _INK, _GRID = (24, 24, 27), (235, 235, 235), (58, 58, 64)
_CHANGE, _CUT, _REPEAT = (96, 165, 250), (248, 113, 113), (250, 160, 60)
_SMALL, _TITLE = 13, 16
_STEPS_SECONDS = (0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
_LABEL_PX = 80


def draw_timeline(survey: Survey, plot: Path, *, title: str, overwrite: bool = False) -> None:
    """Write a plot of a survey.

    Args:
        survey: survey of a source.
        plot: PNG file to write.
        title: title of the plot.
        overwrite: replace an existing file.

    Raises:
        MissingExtraError: Pillow is not installed.
        JobError: the extension is not .png, the file exists, or it cannot be written.
    """
    check_plot(plot, overwrite=overwrite)
    picture = _drawn(survey, title)
    try:
        with appearing_whole(plot) as temporary:
            picture.save(temporary, optimize=True)
    except OSError as err:
        raise JobError(f"{plot}: cannot be written ({err.strerror or err}).") from err


def check_plot(plot: Path, *, overwrite: bool) -> None:
    """Check early that the plot can be written.

    Raises:
        MissingExtraError: Pillow is not installed.
        JobError: the extension is not .png, or the file exists.
    """
    if plot.suffix.lower() != ".png":
        raise JobError(f"{plot}: expected a file name with the extension .png.")
    if plot.exists() and not overwrite:
        raise JobError(f"{plot}: exists already.", hint=REPLACE)
    try:
        import PIL  # noqa: F401
    except ImportError as err:
        raise MissingExtraError(library="Pillow", extra="inspect", purpose="a plot") from err


class _Scale:
    """Mapping of times and changes to pixels of the plot."""

    def __init__(self, survey: Survey) -> None:
        self.start = float(survey.seconds(0))
        self.seconds = float((survey.pts[-1] + survey.last_duration - survey.pts[0]) * survey.time_base)
        # A cut changes far more than motion does; the axis is scaled for motion, and larger values are clipped.
        moving = sorted(100 * interval.luma_change for interval in survey.intervals if not interval.cut)
        self.top = _round_up(max(moving[int(0.99 * (len(moving) - 1))] * 1.15, 0.1)) if moving else 1.0
        self.floor = _HEIGHT - _BOTTOM

    def x(self, seconds: float) -> float:
        return _LEFT + (seconds - self.start) / self.seconds * (_WIDTH - _LEFT - _RIGHT)

    def y(self, percent: float) -> float:
        return self.floor - min(percent / self.top, 1.0) * (self.floor - _TOP)


def _drawn(survey: Survey, title: str) -> Image:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    scale = _Scale(survey)
    _draw_axes(draw, scale)
    strip = scale.floor + _STRIP_GAP
    for index, interval in enumerate(survey.intervals):
        left, right = (scale.x(float(survey.seconds(frame))) for frame in (index, index + 1))
        # Every interval is at least one pixel wide, so that all are visible in a long film.
        box = (left, max(left, right - (1 if right - left > 4 else 0)))
        if not interval.cut and interval.luma_change > 0:
            draw.rectangle((box[0], scale.y(100 * interval.luma_change), box[1], scale.floor), fill=_CHANGE)
        if interval.repeated:
            draw.rectangle((box[0], strip, box[1], strip + _STRIP), fill=_REPEAT)
    for frame in survey.cuts:
        x = scale.x(float(survey.seconds(frame)))
        draw.line((x, _TOP, x, strip + _STRIP), fill=_CUT, width=2)
    _draw_legend(draw, survey, title)
    return image


def _draw_axes(draw: ImageDraw, scale: _Scale) -> None:
    for part in range(5):
        percent = scale.top * part / 4
        y = scale.y(percent)
        draw.line((_LEFT, y, _WIDTH - _RIGHT, y), fill=_GRID)
        draw.text((_LEFT - 8, y), f"{percent:.3g}%", fill=_INK, anchor="rm", font_size=_SMALL)
    most = (_WIDTH - _LEFT - _RIGHT) / _LABEL_PX
    step = next((s for s in _STEPS_SECONDS if scale.seconds / s <= most), _STEPS_SECONDS[-1])
    # The tolerance includes a mark at the very start that rounding put just before it.
    mark = math.ceil(scale.start / step - 1e-9) * step
    while mark <= scale.start + scale.seconds + 1e-9:
        x = scale.x(mark)
        draw.line((x, _TOP, x, scale.floor), fill=_GRID)
        draw.text((x, _HEIGHT - 30), _clock(mark, step), fill=_INK, anchor="mm", font_size=_SMALL)
        mark += step
    draw.text((_WIDTH - _RIGHT, _HEIGHT - 12), "time", fill=_INK, anchor="rm", font_size=_SMALL)


def _draw_legend(draw: ImageDraw, survey: Survey, title: str) -> None:
    repeated = sum(interval.repeated for interval in survey.intervals)
    draw.text((_LEFT, 16), title, fill=_INK, anchor="lm", font_size=_TITLE)
    x: float = _WIDTH - _RIGHT
    entries = (
        (_REPEAT, f"repeated frames: {repeated}"),
        (_CUT, f"cuts: {len(survey.cuts)}"),
        (_CHANGE, "mean change of luma, black to white = 100%"),
    )
    for colour, text in entries:
        draw.text((x, 16), text, fill=_INK, anchor="rm", font_size=_SMALL)
        x -= draw.textlength(text, font_size=_SMALL) + 16
        draw.rectangle((x, 11, x + 10, 21), fill=colour)
        x -= 18


def _clock(seconds: float, step: float) -> str:
    whole = round(seconds, 2)
    if step < 1:
        return f"{whole:.2f} s"
    if whole < 60 and step < 60:
        return f"{whole:.0f} s"
    minutes, rest = divmod(round(whole), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _round_up(value: float) -> float:
    """The next larger of 1, 2, 4, 8 times a power of ten: quarters of it are short numbers."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 4, 8, 10, 20) if factor * power >= value)
