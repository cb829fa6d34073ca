"""The main job: a video in, the same video with more frames out, in segments that survive an interruption.

A job surveys the source, plans every output frame, renders the segments that are not finished, joins them, and checks
the joined file against the plan. Only a file that passes the check gets the name of the output.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from rife.analysis.survey import read_cuts, survey
from rife.atomic import put_in_place
from rife.errors import CancelledError, FinishedFileError, Hint, JobError, MediaError, TruncatedMediaError
from rife.interpolation.interpolator import Interpolator
from rife.interpolation.load import as_interpolator
from rife.media.colour.convert import is_interlaced
from rife.media.colour.pixel_formats import losses
from rife.media.open_sink import check_rate, sink_for, target_formats
from rife.media.open_source import open_source
from rife.media.paths import Output, parse_input, parse_output
from rife.media.play_count import FOREVER, plays_of
from rife.media.source import Source
from rife.media.video.containers import container_for
from rife.media.video.encoding import encoding_for, intermediate_for
from rife.media.video.hdr import read_static_hdr
from rife.media.video.mux import Picture, assemble
from rife.media.video.picture_records import lost_records
from rife.media.video.reader import VideoReader
from rife.media.video.side_data import display_matrix_of, has_other_view
from rife.media.video.spool import Spool
from rife.media.video.tracks import CopiedTracks
from rife.options import DEFAULT_CRF
from rife.pipeline.budget import Forecast, beside_network_bytes, check_disk, least_bytes
from rife.pipeline.cancellation import Cancellable, cancelled_error
from rife.pipeline.fingerprint import check_unchanged, job_identity, state_of
from rife.pipeline.flicker import flicker_warnings, luma_step
from rife.pipeline.image_outputs import check_pictures, picture_spec, turn_notes, write_pictures
from rife.pipeline.outputs import (
    check_job,
    check_not_in_the_way,
    default_output,
    failed_name,
)
from rife.pipeline.plan import Plan
from rife.pipeline.progress import JobProgress
from rife.pipeline.result import CancelSignal, Progress, VideoResult
from rife.pipeline.rounding import largest_move
from rife.pipeline.segments import Segments
from rife.pipeline.settings import JobSettings
from rife.pipeline.surveyed_source import SurveyedSource
from rife.pipeline.verify import Expected, FinishedCheck, check_finished, step_tolerance
from rife.pipeline.workspace import SegmentRecord, Workspace, work_folder
from rife.timing import Clock, FactorClock, clock_for

_RATE_ERROR = Fraction(1, 10)
"""Largest relative difference of the announced frame rate from the measured one; the measured one is used beyond it."""

_MAX_TICKS = 2**31 - 1
"""Most ticks a second in a container."""


def run_job(
    source: Path,
    output: Path | None,
    *,
    settings: JobSettings,
    interpolator: Interpolator | str | Path | None = None,
    cancel: CancelSignal | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> VideoResult:
    """Run a job; arguments and errors as for `interpolate_video`."""
    settings.check()
    named, target = parse_input(source), parse_output(output or default_output(source, settings))
    check_job(named, target, settings)
    try:
        with ExitStack() as stack:
            reader: Source = stack.enter_context(
                open_source(named, frame_rate=settings.source_rate, on_damage=settings.on_damage)
            )
            if not reader.info.can_rewind:
                reader = Spool(reader, Path(stack.enter_context(TemporaryDirectory(prefix="rife-"))))
            cancellable = Cancellable(cancel, on_progress)
            return _Job(
                reader,
                target,
                settings,
                interpolator=as_interpolator(interpolator),
                cancellable=cancellable,
                on_forecast=on_forecast,
            ).run()
    except CancelledError as err:
        raise cancelled_error(target, settings) from err
    except BrokenPipeError:  # from the caller's on_progress, or from the reader of standard output
        raise
    except OSError as err:
        raise MediaError(f"{target}: cannot be written ({err.strerror or err}).") from err


class _Job:
    """One run over one source."""

    def __init__(
        self,
        reader: Source,
        output: Output,
        settings: JobSettings,
        *,
        interpolator: Interpolator,
        cancellable: Cancellable,
        on_forecast: Callable[[Forecast], None] | None,
    ) -> None:
        self._reader, self._output, self._settings, self._interpolator = reader, output, settings, interpolator
        self._cancellable, self._on_forecast = cancellable, on_forecast
        self._started = time.perf_counter()
        info = reader.info
        self._source_state = state_of(info.path)
        self._source_rate = info.frame_rate
        self._clock = self._clock_at(info.frame_rate)
        interpolator.check_clock(self._clock)
        self._file = reader if isinstance(reader, VideoReader) else None
        self._tracks: CopiedTracks | None = None
        if self._file is not None:
            self._tracks = CopiedTracks(self._file, slowdown=self._clock.slowdown, sound=settings.audio)

    def run(self) -> VideoResult:
        """Run the job."""
        self._cancellable.check()
        plan, surveyed = self._plan()
        damage = None if self._settings.on_damage == "hold" else surveyed.damage
        if damage is not None and not self._settings.keep_partial:
            raise TruncatedMediaError(
                f"{damage} Nothing was made.",
                hint=Hint(
                    "{keep_partial} makes what comes before the damage, {on_damage} everything that can be read.",
                    {"keep_partial": True, "on_damage": "hold"},
                ),
            )
        target = self._output if damage is None else self._output.partial
        picture, notes = self._picture(surveyed)
        on_damage = self._settings.on_damage
        identity = job_identity(self._reader, plan, picture.encoding, self._interpolator, on_damage=on_damage)
        with ExitStack() as stack:
            folder = work_folder(target)
            if target.is_stream:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="rife-"))) / "work"
            check_disk(least_bytes(plan.output_frames, plan.size), folder.parent)
            work = stack.enter_context(Workspace(folder, identity, restart=self._settings.restart))
            segments = self._segments(plan, picture, work)
            stack.callback(segments.close)
            before = segments.frames_before
            memory_bytes = self._interpolator.tiling.needed_bytes((plan.size[1], plan.size[0]))
            memory_bytes += beside_network_bytes(plan.size)
            progress = JobProgress(
                plan,
                work,
                before=before,
                memory_bytes=memory_bytes,
                on_progress=self._cancellable.report,
                on_forecast=self._on_forecast,
            )
            if target.is_video:
                check, more = self._join(segments, progress, target)
            else:
                check, more = self._write_pictures(segments, progress, target, surveyed)
            work.finish()
        if damage is not None:
            raise TruncatedMediaError(f"{damage} What could be made of it is kept as {target}.") from damage
        return VideoResult(
            path=target.path,
            source_frames=len(plan.survey.pts),
            output_frames=plan.output_frames,
            frame_rate=picture.frame_rate,
            duration_seconds=plan.duration_seconds,
            seconds=time.perf_counter() - self._started,
            notes=(*surveyed.notes, *notes, *more, *check.warnings),
            cuts=sum(interval.cut for interval in plan.survey.intervals),
            frames_resumed=before,
            check=check,
            damage=surveyed.lost,
        )

    def _segments(self, plan: Plan, picture: Picture, work: Workspace) -> Segments:
        unchanged = partial(check_unchanged, self._reader.info.path, self._source_state)
        return Segments(
            self._reader,
            plan,
            picture,
            self._interpolator,
            work,
            check_source=unchanged,
            check_cancel=self._cancellable.check,
        )

    @property
    def _crf(self) -> int:
        crf = self._settings.encode.crf
        return DEFAULT_CRF if crf is None else crf

    def _clock_at(self, source_rate: Fraction) -> Clock:
        settings = self._settings
        return clock_for(
            self._reader.info.time_base,
            source_rate,
            factor=settings.whole_factor,
            rate=settings.rate,
            slowdown=settings.slowdown,
        )

    def _plan(self) -> tuple[Plan, SurveyedSource]:
        """Survey the source, and plan every output frame."""
        surveyed, info = SurveyedSource(self._reader), self._reader.info
        started = time.perf_counter()

        def report_frame(frames: int) -> None:
            self._cancellable.report(Progress("survey", frames, info.frames, time.perf_counter() - started))

        found = survey(surveyed, on_progress=report_frame)
        cuts = self._settings.cuts_path
        if cuts is not None:
            found = found.with_cuts(read_cuts(cuts, found))
        if len(found.pts) < 2:
            raise surveyed.damage or JobError(
                f"{info.path}: has one frame; making frames in between needs at least two."
            )
        measured = (len(found.pts) - 1) / ((found.pts[-1] - found.pts[0]) * info.time_base)
        if abs(measured / info.frame_rate - 1) > _RATE_ERROR:
            # Recordings of browsers and phones announce rates that they do not have.
            self._source_rate = measured.limit_denominator(1000)
            self._clock = self._clock_at(self._source_rate)
        first = surveyed.first_picture
        size = first.width, first.height
        self._interpolator.tiling.check((first.height, first.width), beside_bytes=beside_network_bytes(size))
        plan = Plan(
            found, self._clock, self._settings.at_cut, self._settings.duplicates, size, checksums=surveyed.checksums
        )
        if self._output.is_video:
            largest_move(plan, self._output.path, container_for(self._output.path).tick)
        if not self._interpolator.any_time:
            self._interpolator.check_times({frame.timestep for frame in plan.all_frames() if frame.timestep > 0})
        return plan, surveyed

    def _picture(self, surveyed: SurveyedSource) -> tuple[Picture, list[str]]:
        """Choose the encoding, and note what cannot be preserved."""
        info, tick, first = self._reader.info, self._clock.tick, surveyed.first_picture
        if tick.denominator > _MAX_TICKS:
            raise JobError(
                f"{info.path}: the output would need a clock of {1 / tick} ticks a second, and can have "
                f"{_MAX_TICKS}. Take a smaller factor, or a constant rate."
            )
        siting = None if self._file is None else self._file.siting
        if not self._output.is_video:
            check_rate(self._output, self._clock.frame_rate(self._source_rate))
            formats = target_formats(self._output, image_format=self._settings.image_format)
            encoding = intermediate_for(formats, first)
        else:
            hdr = None if self._file is None else read_static_hdr(first)
            encoding = encoding_for(self._output.path, self._settings.encode, first=first, siting=siting, hdr=hdr)
        notes = [*losses(first.format.name, encoding.pixel_format), *encoding.notes]
        if self._file is not None and self._output.is_video:
            notes += lost_records(self._file.stream, first, muxer=container_for(self._output.path).muxer)
        if is_interlaced(first):
            notes.append(
                "the source is interlaced, and each frame is taken as one picture: the output is marked progressive. "
                "Deinterlace the source first"
            )
        if has_other_view(first):
            notes.append("the video has a second view, for the other eye, which is not kept: the output is flat")
        picture = Picture(
            encoding=encoding,
            first=first,
            frame_rate=self._clock.frame_rate(self._source_rate),
            time_base=tick,
            sample_aspect_ratio=info.sample_aspect_ratio,
            metadata={} if self._file is None else dict(self._file.stream.metadata),
            siting=siting,
            display_matrix=display_matrix_of(first),
        )
        return picture, notes

    def _join(self, segments: Segments, progress: JobProgress, target: Output) -> tuple[FinishedCheck, list[str]]:
        """Render and join the segments, check the file, and give it its name."""
        records = [record for _, record in segments.finished(progress)]
        with segments.work.joining(target.path) as temporary:
            deepest = max(record.reordering for record in records)
            coarse = container_for(target.path).tick
            picture = replace(segments.picture, time_base=coarse or segments.picture.time_base)
            timed = partial(segments.timed, records, coarse)
            lost = assemble(temporary, timed, reordering=deepest, picture=picture, tracks=self._tracks)
            check = self._checked(temporary, segments, records)
            if check.problems:
                failed = failed_name(target.path)
                put_in_place(temporary, failed)
                segments.work.finish()
                problems = "; ".join(check.problems)
                raise FinishedFileError(
                    f"{target}: not as planned: {problems}. The file is kept as {failed}.", check=check
                )
            check_not_in_the_way(target, self._settings)
        return check, [*lost, *([] if self._tracks is None else self._tracks.notes)]

    def _checked(self, path: Path, segments: Segments, records: list[SegmentRecord]) -> FinishedCheck:
        plan, started = segments.plan, time.perf_counter()

        def read_back(frames: int) -> None:
            self._cancellable.report(Progress("check", frames, plan.output_frames, time.perf_counter() - started))

        expected = Expected(
            times=(frame.pts for frame in plan.all_frames()),
            encoded=chain.from_iterable(record.encoded_cells() for record in records),
            step_tolerance=step_tolerance(self._crf),
            time_base=plan.clock.tick,
            time_tolerance=largest_move(plan, path, container_for(path).tick),
            duration_seconds=plan.shown_seconds,
            sound=() if self._tracks is None else self._tracks.sound_spans(),
        )
        return check_finished(
            path,
            expected,
            luma_step=luma_step(plan, records),
            warnings=flicker_warnings(plan, records),
            on_progress=read_back,
        )

    def _write_pictures(
        self, segments: Segments, progress: JobProgress, target: Output, surveyed: SurveyedSource
    ) -> tuple[FinishedCheck, list[str]]:
        """Render the segments and write their pictures; into a pipe as soon as each segment is finished."""
        settings = self._settings
        finished = segments.finished(progress)
        if not target.is_stream:
            finished = iter(list(finished))
        info = self._reader.info
        crf = 0 if info.lossless and settings.encode.crf is None else self._crf
        spec = picture_spec(segments, crf=crf, plays=plays_of(info.path) or FOREVER)
        with sink_for(target, spec, overwrite=settings.overwrite, image_format=settings.image_format) as sink:
            names = surveyed.names if isinstance(self._clock, FactorClock) else []
            records = write_pictures(sink, segments, finished, names=names)
            if sink.frames_written != segments.plan.output_frames:
                raise FinishedFileError(
                    f"{target}: {sink.frames_written} pictures were made, expected {segments.plan.output_frames}."
                )
            sink.finish()
        notes = [*turn_notes(segments.picture), *sink.notes]
        if self._tracks is not None:
            notes += [f"{label} is not copied: {target} holds pictures only" for label in self._tracks.labels()]
        return check_pictures(target, segments.plan, records, written=sink.frames_written), notes
