"""The survey: one streaming pass over a source that finds cuts, repeated frames and the amount of change."""

from __future__ import annotations

from collections.abc import Callable

from rife.analysis.cuts import CutFinder
from rife.analysis.planes import planes_of
from rife.analysis.record import Interval, Survey, read_cuts
from rife.analysis.repeats import Change, compare, repeats
from rife.errors import MediaError
from rife.media.source import Source

__all__ = ["Interval", "Survey", "read_cuts", "survey"]


def survey(source: Source, *, on_progress: Callable[[int], None] | None = None) -> Survey:
    """Read every frame of a source once. Memory holds a few numbers per frame, and a fixed number of frames.

    Args:
        source: an open input.
        on_progress: callback with the number of frames read so far.

    Raises:
        TruncatedMediaError: the input ends before its stated end.
        MediaError: the input has no frames.
    """
    pts: list[int] = []
    damaged: list[bool] = []
    keyframes: list[int] = []
    changes: list[Change] = []
    finder = CutFinder()
    before, last_duration = None, 1
    for frame in source.frames():
        now = planes_of(frame.picture)
        if before is not None:
            changes.append(compare(before, now))
            damaged.append(frame.after_damage)
        finder.add(now)
        if frame.picture.key_frame:
            keyframes.append(len(pts))
        pts.append(frame.pts)
        last_duration = frame.duration
        before = now
        if on_progress is not None:
            on_progress(len(pts))
    if not pts:
        raise MediaError(f"{source.info.path}: expected a video, but it has no frames.")
    cuts = finder.finish()
    intervals = tuple(
        Interval(cut=cut, repeated=repeated, luma_change=change.luma_change, damaged=lost)
        for cut, repeated, change, lost in zip(cuts, repeats(changes, cuts), changes, damaged, strict=True)
    )
    return Survey(tuple(pts), last_duration, source.info.time_base, intervals, tuple(keyframes))
