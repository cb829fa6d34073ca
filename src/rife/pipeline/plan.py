"""The plan of a job: every output frame, before any is rendered.

A plan is computed from the survey of the source and the clock of the output alone: it is the same for a job that runs
without interruption and for one that is continued. It divides the job into segments, to be rendered in any order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain, islice

from rife.analysis.retime import content_times
from rife.analysis.survey import Survey
from rife.errors import Hint, JobError
from rife.options import AtCut, Duplicates
from rife.timing import Clock

_PIXELS_OF_A_SEGMENT = 120_000_000
_FEWEST_FRAMES, _MOST_FRAMES = 24, 240
"""An interruption loses the segment that is being rendered, and every segment costs a key frame: a compromise."""

_LARGE_PIXELS = 10_000_000
_PIXELS_MADE_OF_A_SEGMENT = 40_000_000
"""A segment of frames larger than 4K, each of which takes half a minute, has a new frame or two: 1 at 7680x4320."""

_MOST_FRAMES_OF_AN_INTERVAL = 100_000
"""Half an hour at 60 frames a second: a damaged timestamp must not fill the disk with one picture."""


@dataclass(frozen=True)
class PlannedFrame:
    """One output frame.

    Attributes:
        first: number of the source frame before it, or at its time.
        second: number of the source frame after it; None where `first` is shown unchanged.
        timestep: its position between the two, 0 <= timestep < 1.
        pts: its time in output ticks.
        blend: mix the two frames without motion: they lie on both sides of a cut.
    """

    first: int
    second: int | None
    timestep: Fraction
    pts: int
    blend: bool = False


@dataclass(frozen=True)
class Segment:
    """A part of the job that is rendered and stored as one file, by source intervals.

    Attributes:
        number: from 0.
        start: number of the source frame that its first interval begins with.
        end: number of the source frame that its last interval ends with (or the number of all frames).
        frames: number of output frames.
        skipped: how many output frames of its first interval belong to segments before it.
    """

    number: int
    start: int
    end: int
    frames: int
    skipped: int = 0


@dataclass(frozen=True)
class Plan:
    """All output frames of a job.

    Attributes:
        survey: what one pass over the source found.
        clock: the times of the output frames.
        at_cut: what is shown between the two sides of a cut.
        duplicates: whether repeated source frames stay, or are replaced by motion.
        size: width and height.
        checksums: of every source frame, to recognise it where the source is read from the middle; empty if not known:
            the source is read from its beginning then.
    """

    survey: Survey
    clock: Clock
    at_cut: AtCut
    duplicates: Duplicates
    size: tuple[int, int]
    checksums: Sequence[int] = ()

    def __post_init__(self) -> None:
        """Check that the source has frames to interpolate between."""
        if len(self.survey.pts) < 2:
            raise JobError("the source has one frame; making frames in between needs at least two.")
        if not self.segments:
            raise JobError("at this frame rate no frame falls within the source; take a higher one.")
        for i in range(len(self.survey.pts)):
            frames = self.clock.frames_in(*self._span(i), source_frames=1)
            if frames > _MOST_FRAMES_OF_AN_INTERVAL:
                start, end = (float(pts * self.survey.time_base) for pts in self._span(i))
                raise JobError(
                    f"source frame {i} at {start:.2f} s is shown until {end:.2f} s, which would need {frames} frames "
                    f"at this rate; expected at most {_MOST_FRAMES_OF_AN_INTERVAL}. The times of the file are damaged, "
                    "or it is a slide show.",
                    hint=Hint("Take {factor}, which makes a fixed number of frames in each gap."),
                )

    @property
    def end_pts(self) -> int:
        """End of the last source frame, in source ticks."""
        return self.survey.pts[-1] + self.survey.last_duration

    @property
    def duration_seconds(self) -> Fraction:
        """Length of the output."""
        return (self.end_pts - self.survey.pts[0]) * self.survey.time_base * self.clock.slowdown

    @property
    def shown_seconds(self) -> Fraction:
        """From the first output frame to the end of the last. At a constant rate, all frames are shown equally long.

        The source may end before that, and begin before its first output frame.
        """
        return (self.last_end_pts - self.first_pts) * self.clock.tick

    @property
    def output_frames(self) -> int:
        """How many frames the output has."""
        return sum(segment.frames for segment in self.segments)

    @property
    def first_pts(self) -> int:
        """Time of the first output frame, in output ticks."""
        return next(self.all_frames()).pts

    @property
    def last_end_pts(self) -> int:
        """End of the last output frame, in output ticks: at least one tick after its beginning."""
        end = self.end_pts * self.survey.time_base * self.clock.slowdown / self.clock.tick
        *_, last = self.frames(self.segments[-1])
        return max(-(-end.numerator // end.denominator), last.pts + 1)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of the job, which end at cuts and key frames of the source where possible."""
        width, height = self.size
        if width * height > _LARGE_PIXELS:
            return tuple(self._short_segments(max(1, _PIXELS_MADE_OF_A_SEGMENT // (width * height))))
        wanted = min(max(_PIXELS_OF_A_SEGMENT // (width * height), _FEWEST_FRAMES), _MOST_FRAMES)
        keyframes = set(self.survey.keyframes)
        segments: list[Segment] = []
        start = frames = 0
        for i in range(len(self.survey.pts)):
            cut = i > 0 and self.survey.intervals[i - 1].cut
            enough = frames >= wanted // 2 if cut else frames >= wanted and i in keyframes
            if frames and (enough or frames >= 2 * wanted):
                segments.append(Segment(len(segments), start, i, frames))
                start, frames = i, 0
            frames += self.clock.frames_in(*self._span(i), source_frames=1)
        if frames:
            segments.append(Segment(len(segments), start, len(self.survey.pts), frames))
        return tuple(segments)

    def frames(self, segment: Segment) -> Iterator[PlannedFrame]:
        """Yield the output frames of a segment in order."""
        frames = chain.from_iterable(map(self._interval, range(segment.start, segment.end)))
        return islice(frames, segment.skipped, segment.skipped + segment.frames)

    def all_frames(self) -> Iterator[PlannedFrame]:
        """Yield all output frames in order."""
        for segment in self.segments:
            yield from self.frames(segment)

    def _interval(self, i: int) -> Iterator[PlannedFrame]:
        """Yield the output frames from a source frame up to the next."""
        start, end = self._span(i)
        for place in self.clock.interval(start, end):
            yield self._placed(start + place.timestep * (end - start), place.pts)

    def _short_segments(self, made_wanted: int) -> Iterator[Segment]:
        """Yield segments of a number of new frames, which may end between two source frames."""
        number = start = frames = skipped = made = 0
        for i in range(len(self.survey.pts)):
            if frames == 0:
                start, skipped = i, 0
            for place, frame in enumerate(self._interval(i), 1):
                frames, made = frames + 1, made + (frame.second is not None)
                if made >= made_wanted or frames >= _FEWEST_FRAMES:
                    yield Segment(number, start, i + 1, frames, skipped)
                    number, start, frames, skipped, made = number + 1, i, 0, place, 0
        if frames:
            yield Segment(number, start, len(self.survey.pts), frames, skipped)

    def _placed(self, when: Fraction, pts: int) -> PlannedFrame:
        """Find the source frames around a source time."""
        times, numbers = self._content
        j = bisect_right(times, when) - 1
        first, timestep = numbers[j], Fraction(0)
        if j + 1 < len(times):
            timestep = (when - times[j]) / (times[j + 1] - times[j])
        if timestep == 0:
            return PlannedFrame(first, None, Fraction(0), pts)
        second = numbers[j + 1]
        if self._damage_before[second] > self._damage_before[first]:
            return PlannedFrame(first, None, Fraction(0), pts)  # the frames in between are lost
        if self._changes_before[second] == self._changes_before[first]:
            return PlannedFrame(first, None, Fraction(0), pts)  # a still picture stays as it is
        across_a_cut = self._cuts_before[second] > self._cuts_before[first]
        if across_a_cut and self.at_cut == "hold":
            return PlannedFrame(first, None, Fraction(0), pts)
        return PlannedFrame(first, second, timestep, pts, blend=across_a_cut)

    def _span(self, i: int) -> tuple[int, int]:
        pts = self.survey.pts
        return pts[i], pts[i + 1] if i + 1 < len(pts) else self.end_pts

    @cached_property
    def _content(self) -> tuple[list[Fraction] | list[int], list[int] | range]:
        """Times and numbers of the source frames that are used."""
        if self.duplicates == "keep":
            return list(self.survey.pts), range(len(self.survey.pts))
        shown = content_times(self.survey)
        return [time for _, time in shown], [number for number, _ in shown]

    @cached_property
    def _changes_before(self) -> list[int]:
        """How many intervals that are not repeats lie before each source frame; repeats count where they stay."""
        counts = [0]
        for interval in self.survey.intervals:
            counts.append(counts[-1] + (self.duplicates == "keep" or not interval.repeated))
        return counts

    @cached_property
    def _damage_before(self) -> list[int]:
        """How many intervals in which something is lost lie before each source frame."""
        counts = [0]
        for interval in self.survey.intervals:
            counts.append(counts[-1] + interval.damaged)
        return counts

    @cached_property
    def _cuts_before(self) -> list[int]:
        """How many cuts lie before each source frame."""
        counts = [0]
        for interval in self.survey.intervals:
            counts.append(counts[-1] + interval.cut)
        return counts
