"""One streaming pass over a source: where it cuts, which frames repeat the one before, how much changes."""

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
    """Look at every frame of a source once. Memory does not grow with its length, but for a few numbers a frame.

    Args:
        source: an open input.
        on_progress: called with the number of frames that have been read.

    Raises:
        TruncatedMediaError: the input ends before the end that it announces.
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
