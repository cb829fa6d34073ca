"""The segments of a job: those that an earlier run has finished, and those that are rendered now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

from rife.interpolation.interpolator import Interpolator
from rife.media.source import Source
from rife.media.video.mux import Picture, TimedSegment
from rife.media.video.segment import segment_suffix
from rife.pipeline.plan import Plan, Segment
from rife.pipeline.progress import JobProgress
from rife.pipeline.render import SegmentRenderer
from rife.pipeline.rounding import shown_times
from rife.pipeline.workspace import SegmentRecord, Workspace


class Segments:
    """The segments of a plan in a work folder."""

    def __init__(
        self,
        source: Source,
        plan: Plan,
        picture: Picture,
        interpolator: Interpolator,
        work: Workspace,
        *,
        check_source: Callable[[], None] = lambda: None,
        check_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        """Look for the finished segments.

        Args:
            source: an open input.
            plan: the frames of the job.
            picture: encoder, colour and clock of the segments.
            interpolator: renders the frames.
            work: the folder of the segments.
            check_source: raises if the source has changed; called before a segment is kept.
            check_cancel: raises if the job is cancelled; called while segments are joined or written as pictures.
        """
        self.plan, self.picture, self.work = plan, picture, work
        self._check_source, self.check_cancel = check_source, check_cancel
        self._suffix = segment_suffix(picture.encoding.codec)
        self._renderer = SegmentRenderer(source, plan, interpolator=interpolator, picture=picture)
        self.frames_before = sum(s.frames for s in plan.segments if work.finished(s.number, self._suffix))

    def close(self) -> None:
        """Stop reading the source."""
        self._renderer.close()

    def path(self, segment: Segment) -> Path:
        """File of a segment."""
        return self.work.segment_path(segment.number, self._suffix)

    def finished(self, progress: JobProgress) -> Iterator[tuple[Segment, SegmentRecord]]:
        """Yield all segments in order, and render those that are not finished.

        Raises:
            MediaError: the source cannot be read, or a segment cannot be written.
            JobError: the disk has no room for the rest.
        """
        for segment in self.plan.segments:
            record = self.work.finished(segment.number, self._suffix)
            if record is None:
                with self.work.growing(segment.number, self._suffix) as temporary:
                    record = self._renderer.render(
                        segment, temporary, on_frame=progress.frame_done, on_tile=progress.tile_done
                    )
                    self._check_source()
                    self.work.keep(segment.number, temporary, record)
                progress.check_room()
            yield segment, record

    def timed(self, records: Sequence[SegmentRecord], coarse_tick: Fraction) -> Iterator[TimedSegment]:
        """Yield the finished segments with the times of their frames, up to the first frame of the next segment.

        Args:
            records: of all segments.
            coarse_tick: seconds to which the container rounds times; 0 for times in the plan's own ticks.
        """
        times = shown_times(self.plan, coarse_tick)
        following = next(times)
        for segment, record in zip(self.plan.segments, records, strict=True):
            self.check_cancel()
            own = [following, *islice(times, segment.frames)]
            following = own[-1]
            yield TimedSegment(self.path(segment), own, record.reordering)
