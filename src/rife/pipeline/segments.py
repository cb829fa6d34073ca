"""The parts of a job: made one after the other, or found as an earlier run left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

from rife.interpolation.interpolator import Interpolator
from rife.media.source import Source
from rife.media.video.mux import Part, Picture
from rife.media.video.segment import segment_suffix
from rife.pipeline.plan import Plan, Segment
from rife.pipeline.progress import Meter
from rife.pipeline.render import SegmentMaker
from rife.pipeline.rounding import shown_times
from rife.pipeline.workspace import SegmentRecord, Workspace


class Parts:
    """The segments of a plan in a work folder."""

    def __init__(
        self,
        source: Source,
        plan: Plan,
        picture: Picture,
        worker: Interpolator,
        work: Workspace,
        *,
        check_source: Callable[[], None] = lambda: None,
    ) -> None:
        """Look at what is there.

        Args:
            source: an open input.
            plan: the job.
            picture: how segments are encoded.
            worker: makes frames.
            work: where segments are kept.
            check_source: raises where the source is not what it was; called before a segment is kept.
        """
        self.plan, self.picture, self.work = plan, picture, work
        self._check_source = check_source
        self._suffix = segment_suffix(picture.encoding.codec)
        self._maker = SegmentMaker(source, plan, worker=worker, picture=picture)
        self.frames_before = sum(s.frames for s in plan.segments if work.finished(s.number, self._suffix))

    def close(self) -> None:
        """Read the source no further."""
        self._maker.close()

    def path(self, segment: Segment) -> Path:
        """File of a segment."""
        return self.work.segment_path(segment.number, self._suffix)

    def finished(self, meter: Meter) -> Iterator[tuple[Segment, SegmentRecord]]:
        """Yield all segments in order, and make those that are not made yet.

        Raises:
            MediaError: the source cannot be read, or a segment not be written.
            JobError: the disk will not hold the rest.
        """
        passed_over: SegmentRecord | None = None
        for segment in self.plan.segments:
            record = self.work.finished(segment.number, self._suffix)
            if record is not None:
                passed_over = record
            else:
                if passed_over is not None:
                    self._maker.resume_after(passed_over)
                    passed_over = None
                with self.work.growing(segment.number, self._suffix) as temporary:
                    record = self._maker.make(segment, temporary, on_frame=meter.frame, on_tile=meter.tile)
                    self._check_source()
                    self.work.keep(segment.number, temporary, record)
                meter.check_room()
            yield segment, record

    def timed(self, records: Sequence[SegmentRecord], coarse_tick: Fraction) -> Iterator[Part]:
        """Yield the finished segments with the times of their frames, up to the first frame of the next one.

        Args:
            records: of all segments.
            coarse_tick: seconds to which the container rounds times; 0 for times in the plan's own ticks.
        """
        times = shown_times(self.plan, coarse_tick)
        following = next(times)
        for segment, record in zip(self.plan.segments, records, strict=True):
            own = [following, *islice(times, segment.frames)]
            following = own[-1]
            yield Part(self.path(segment), own, record.reordering)
