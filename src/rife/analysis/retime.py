"""At what time each picture's content belongs, where a source repeats frames to fill its frame rate.

Animation is drawn on twos or threes, and 24 frames a second are shown as 30 with every fifth repeated. Interpolated as
they stand, such videos stop and move in turn. Here repeats are left out, and the pictures that stay are placed so that
motion becomes even:

- A picture shown for up to four frames is kept once, at the time of its first frame: a single accidental repeat is
  filled by motion, and animation on twos, threes or fours moves evenly.
- A picture shown for longer is a still: its first and its last frame are kept, so that it stands as long as it did.
- Where a short pattern comes back three times or more (A B C D D | E F G H H: 24 in 30), the pictures of each cycle are
  spread evenly over it. A cycle begins after its longest picture.

Nothing is moved across a cut, and nothing by more than a cycle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rife.analysis.record import Survey

LONGEST_CADENCE = 4
"""A picture shown for more frames than this is a still."""
_LONGEST_CYCLE = 6
_FEWEST_CYCLES = 3
_NAMES = {2: "on twos", 3: "on threes", 4: "on fours"}


@dataclass(frozen=True)
class Run:
    """One picture: the numbers of the first and the last frame that show it."""

    first: int
    last: int

    @property
    def frames(self) -> int:
        """How many frames show it."""
        return self.last - self.first + 1

    @property
    def is_still(self) -> bool:
        """Whether it stands longer than any cadence."""
        return self.frames > LONGEST_CADENCE


@dataclass(frozen=True)
class Cadence:
    """A pattern of repeats that comes back.

    Attributes:
        runs: all its pictures, whole cycles.
        pictures: of one cycle.
        frames: of one cycle.
    """

    runs: tuple[Run, ...]
    pictures: int
    frames: int

    def name(self, frame_rate: Fraction) -> str:
        """What people call it: on twos, 24 in 30."""
        if self.pictures == 1:
            return _NAMES[self.frames]
        return f"{float(frame_rate * self.pictures / self.frames):.4g} in {float(frame_rate):.4g}"


def shots(survey: Survey) -> list[tuple[Run, ...]]:
    """The pictures between cuts, in order."""
    found: list[list[Run]] = [[]]
    first = 0
    for index in range(len(survey.pts)):
        interval = survey.intervals[index] if index < len(survey.intervals) else None
        ends = interval is not None and (interval.cut or interval.damaged)
        if interval is None or ends or not interval.repeated:
            found[-1].append(Run(first, index))
            first = index + 1
        if ends:
            found.append([])
    return [tuple(shot) for shot in found]


def cadences(survey: Survey) -> list[Cadence]:
    """Every pattern of repeats that comes back three times or more."""
    return [cadence for shot in shots(survey) for _, cadence in _patterns(shot)]


def stills(survey: Survey) -> list[Run]:
    """Pictures that stand longer than any cadence."""
    return [run for shot in shots(survey) for run in shot if run.is_still]


def content_times(survey: Survey) -> tuple[tuple[int, Fraction], ...]:
    """Choose the source frames to keep, and the time at which the content of each belongs.

    Args:
        survey: of the source.

    Returns:
        (frame number, time in ticks) with growing numbers and times. The first and the last frame keep their times, as
        does the first frame of every shot; the last frame is there even if it repeats the one before.
    """
    moved: dict[int, Fraction] = {}
    kept: set[int] = {len(survey.pts) - 1}
    for shot in shots(survey):
        for run in shot:
            kept |= {run.first, run.last} if run.is_still else {run.first}
        free = 0
        for place, cadence in _patterns(shot):
            if cadence.pictures > 1:
                moved |= _spread(survey, shot, place, cadence, free=free)
            free = place + len(cadence.runs)
    return tuple((frame, moved.get(frame, Fraction(survey.pts[frame]))) for frame in sorted(kept))


def _patterns(shot: tuple[Run, ...]) -> Iterator[tuple[int, Cadence]]:
    """Find the patterns of a shot, each with the place of its first picture."""
    lengths = [run.frames for run in shot]
    place = 0
    while place < len(shot):
        cadence = _pattern_at(shot, lengths, place)
        if cadence is not None:
            yield place, cadence
        place += len(cadence.runs) if cadence is not None else 1


def _pattern_at(shot: tuple[Run, ...], lengths: list[int], place: int) -> Cadence | None:
    for pictures in range(1, _LONGEST_CYCLE):
        cycle = lengths[place : place + pictures]
        frames = sum(cycle)
        if len(cycle) < pictures or frames > _LONGEST_CYCLE:
            return None
        if frames == pictures or cycle[-1] != max(cycle) or cycle[-1] > LONGEST_CADENCE:
            continue
        end = place + pictures
        while lengths[end : end + pictures] == cycle:
            end += pictures
        if end - place >= _FEWEST_CYCLES * pictures:
            return Cadence(shot[place:end], pictures, frames)
    return None


def _spread(survey: Survey, shot: tuple[Run, ...], place: int, cadence: Cadence, *, free: int) -> dict[int, Fraction]:
    """Spread the pictures of each cycle evenly, and those of a cycle begun before; before `free` nothing moves."""
    lengths = [run.frames for run in shot]
    end = place + len(cadence.runs)
    starts = list(range(place, end + 1, cadence.pictures))
    cycle = lengths[place : place + cadence.pictures]
    # A shot may begin in the middle of a cycle: its first picture keeps its time, the others lie between.
    for begun in range(min(cadence.pictures - 1, place - free), 1, -1):
        if lengths[place - begun : place] == cycle[-begun:]:
            starts.insert(0, place - begun)
            break
    times: dict[int, Fraction] = {}
    for start, stop in itertools.pairwise(starts):
        first_pts, end_pts = survey.pts[shot[start].first], _shown_at(survey, shot[stop - 1].last + 1)
        for k in range(stop - start):
            times[shot[start + k].first] = first_pts + Fraction(k * (end_pts - first_pts), stop - start)
    return times


def _shown_at(survey: Survey, frame: int) -> int:
    """Time of a frame, or of the end of the last one, in ticks."""
    return survey.pts[frame] if frame < len(survey.pts) else survey.pts[-1] + survey.last_duration
