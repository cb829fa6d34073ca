"""Retiming of sources with repeated frames, so that motion becomes even.

Animation is drawn on twos or threes, and 24 frames a second are shown as 30 with every fifth frame repeated. Without
retiming, an interpolated video alternates between standing still and moving. Retiming drops the repeats and chooses the
times of the remaining frames:

- A picture shown for up to four frames is used once, at the time of its first frame: motion fills a single accidental
  repeat, and animation on twos, threes or fours moves evenly.
- A picture shown for longer is a still: its first and its last frame are used, so that its duration is preserved.
- In a short pattern that occurs three times or more in a row (A B C D D | E F G H H: 24 in 30), the pictures of each
  cycle are spaced evenly. A cycle begins after its longest picture.

No frame moves across a cut, or by more than one cycle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rife.analysis.record import Survey

LONGEST_CADENCE = 4
"""Longest duration of a picture, in frames, that is not a still."""
_LONGEST_CYCLE = 6
_FEWEST_CYCLES = 3
_NAMES = {2: "on twos", 3: "on threes", 4: "on fours"}


@dataclass(frozen=True)
class Run:
    """A picture and the frames that show it: the numbers of the first and the last one."""

    first: int
    last: int

    @property
    def frames(self) -> int:
        """Number of frames that show the picture."""
        return self.last - self.first + 1

    @property
    def is_still(self) -> bool:
        """Whether the picture is shown for longer than in any cadence."""
        return self.frames > LONGEST_CADENCE


@dataclass(frozen=True)
class Cadence:
    """A recurring pattern of repeats.

    Attributes:
        runs: the pictures of all its cycles; cycles are whole.
        pictures: number of pictures per cycle.
        frames: number of frames per cycle.
    """

    runs: tuple[Run, ...]
    pictures: int
    frames: int

    def name(self, frame_rate: Fraction) -> str:
        """The usual name of the pattern: on twos, 24 in 30."""
        if self.pictures == 1:
            return _NAMES[self.frames]
        return f"{float(frame_rate * self.pictures / self.frames):.4g} in {float(frame_rate):.4g}"


def shots(survey: Survey) -> list[tuple[Run, ...]]:
    """The pictures of each shot, in order."""
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
    """Every pattern of repeats that occurs three times or more in a row."""
    return [cadence for shot in shots(survey) for _, cadence in _patterns(shot)]


def stills(survey: Survey) -> list[Run]:
    """Pictures that are shown for longer than in any cadence."""
    return [run for shot in shots(survey) for run in shot if run.is_still]


def content_times(survey: Survey) -> tuple[tuple[int, Fraction], ...]:
    """Choose the source frames to use, and the time of each one's content.

    Args:
        survey: the survey of the source.

    Returns:
        (frame number, time in ticks), both increasing. The times of the first and the last frame are preserved, and so
        is that of the first frame of every shot; the last frame is included even if it repeats the one before.
    """
    moved: dict[int, Fraction] = {}
    used: set[int] = {len(survey.pts) - 1}
    for shot in shots(survey):
        for run in shot:
            used |= {run.first, run.last} if run.is_still else {run.first}
        free = 0
        for index, cadence in _patterns(shot):
            if cadence.pictures > 1:
                moved |= _spread(survey, shot, index, cadence, free=free)
            free = index + len(cadence.runs)
    return tuple((frame, moved.get(frame, Fraction(survey.pts[frame]))) for frame in sorted(used))


def _patterns(shot: tuple[Run, ...]) -> Iterator[tuple[int, Cadence]]:
    """Find the patterns of a shot, each with the index of its first picture."""
    lengths = [run.frames for run in shot]
    index = 0
    while index < len(shot):
        cadence = _pattern_at(shot, lengths, index)
        if cadence is not None:
            yield index, cadence
        index += len(cadence.runs) if cadence is not None else 1


def _pattern_at(shot: tuple[Run, ...], lengths: list[int], index: int) -> Cadence | None:
    for pictures in range(1, _LONGEST_CYCLE):
        cycle = lengths[index : index + pictures]
        frames = sum(cycle)
        if len(cycle) < pictures or frames > _LONGEST_CYCLE:
            return None
        if frames == pictures or cycle[-1] != max(cycle) or cycle[-1] > LONGEST_CADENCE:
            continue
        end = index + pictures
        while lengths[end : end + pictures] == cycle:
            end += pictures
        if end - index >= _FEWEST_CYCLES * pictures:
            return Cadence(shot[index:end], pictures, frames)
    return None


def _spread(survey: Survey, shot: tuple[Run, ...], index: int, cadence: Cadence, *, free: int) -> dict[int, Fraction]:
    """Space the pictures of each cycle and of a partial first cycle evenly; pictures before `free` do not move."""
    lengths = [run.frames for run in shot]
    end = index + len(cadence.runs)
    starts = list(range(index, end + 1, cadence.pictures))
    cycle = lengths[index : index + cadence.pictures]
    # A shot may begin in the middle of a cycle: the time of its first picture is preserved, the others follow evenly.
    for begun in range(min(cadence.pictures - 1, index - free), 1, -1):
        if lengths[index - begun : index] == cycle[-begun:]:
            starts.insert(0, index - begun)
            break
    times: dict[int, Fraction] = {}
    for start, stop in itertools.pairwise(starts):
        first_pts, end_pts = survey.pts[shot[start].first], _shown_at(survey, shot[stop - 1].last + 1)
        for k in range(stop - start):
            times[shot[start + k].first] = first_pts + Fraction(k * (end_pts - first_pts), stop - start)
    return times


def _shown_at(survey: Survey, frame: int) -> int:
    """Time of a frame, in ticks; for the number after the last frame, the end of the last frame."""
    return survey.pts[frame] if frame < len(survey.pts) else survey.pts[-1] + survey.last_duration
