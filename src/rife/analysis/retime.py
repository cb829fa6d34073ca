"""At what time each picture's content belongs, where a source repeats frames to fill its frame rate.

Animation is drawn on twos or threes, and 24 frames a second are shown as 30 with every fifth repeated. Interpolated
as it stands, such a video stops and moves in turn. Here repeats are left out, and the pictures that stay are placed so that
motion becomes even. Nothing is moved across a cut, and what stands still stays still.
"""

from __future__ import annotations

from fractions import Fraction

from rife.analysis.record import Survey

LONGEST_CADENCE = 4
"""A picture shown for more frames than this is a still."""


def content_times(survey: Survey) -> tuple[tuple[int, Fraction], ...]:
    """Choose the source frames to keep, and the time at which the content of each belongs.

    Args:
        survey: of the source.

    Returns:
        (frame number, time in ticks) with growing numbers and times; the first and the last picture keep their times.
    """
    kept: list[int] = []
    for first, last in _runs(survey):
        kept.append(first)
        if last > first and (last - first + 1 > LONGEST_CADENCE or last == len(survey.pts) - 1):
            kept.append(last)
    return tuple((frame, Fraction(survey.pts[frame])) for frame in kept)


def _runs(survey: Survey) -> list[tuple[int, int]]:
    """First and last frame of every run of one picture."""
    runs: list[tuple[int, int]] = []
    first = 0
    for index, interval in enumerate(survey.intervals):
        if interval.cut or not interval.repeated:
            runs.append((first, index))
            first = index + 1
    runs.append((first, len(survey.pts) - 1))
    return runs
