"""The main job: a video in, a smoother one out, in segments that survive whatever happens to the process.

Survey the source, plan every output frame, make the segments that are not made yet, join them, and check the
finished file against the plan. Only a file that passes gets the final name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from rife.analysis.survey import read_cuts, survey
from rife.cache import appearing_whole
from rife.errors import FinishedFileError, JobError, MediaError, TruncatedMediaError
from rife.interpolator import Interpolator, load
from rife.media.assembly import Part, Picture, assemble
from rife.media.codecs import CONTAINERS, EncodeSettings, container_for, encoding_for
from rife.media.colour import losses
from rife.media.reader import VideoReader
from rife.media.segment import segment_suffix
from rife.media.tracks import CopiedTracks
from rife.options import AtCut, Duplicates, Sound
from rife.pipeline.budget import Forecast, check_disk, least_bytes
from rife.pipeline.check import Expected, FinishedCheck, check_finished
from rife.pipeline.identity import job_identity
from rife.pipeline.make import SegmentMaker
from rife.pipeline.meter import Meter
from rife.pipeline.observed import ObservedSource
from rife.pipeline.plan import Plan, Segment
from rife.pipeline.records import JobSettings, Progress, VideoResult
from rife.pipeline.workspace import SegmentRecord, Workspace, work_folder
from rife.timing import clock_for

_MAX_TICKS = 2**31 - 1
"""Most ticks a second that containers can count."""


def interpolate_video(
    source: str | Path,
    output: str | Path | None = None,
    *,
    factor: int | None = None,
    frame_rate: str | Fraction | None = None,
    slow_motion: str | Fraction | None = None,
    sound: Sound = "drop",
    at_cut: AtCut = "hold",
    cuts: Path | None = None,
    duplicates: Duplicates = "keep",
    interpolator: Interpolator | None = None,
    overwrite: bool = False,
    restart: bool = False,
    keep_partial: bool = False,
    crf: int | None = None,
    codec: str | None = None,
    preset: str | None = None,
    pixel_format: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> VideoResult:
    """Write a video with more frames: `factor` for each of the source's, a constant `frame_rate`, or slow motion.

    With a factor, source frames keep their times and are encoded as they were decoded; the last one is held for its own
    interval. At a constant rate, each frame is made at its exact time between the source frames around it. The
    output lasts as long as the source; sound, subtitles and the like are copied. No frame is made across a cut.

    Finished parts are kept in a folder beside the output until it is whole: the same call goes on after them.

    Args:
        source: video file.
        output: file to write; by default beside the source, with the factor in its name.
        factor: 2 to 64; 2 if nothing else is given.
        frame_rate: frames per second, 1 to 1000: a fraction, or text such as `60`, `60000/1001`, `ntsc`.
        slow_motion: output seconds for each source second; the source's rate is kept unless a rate is given.
        sound: in slow motion, `drop` it or `stretch` it.
        at_cut: `hold` the last frame before a cut, or `blend` both sides.
        cuts: an edited list of cuts, as `rife analyze` writes it; found if not given.
        duplicates: `keep` repeated source frames, or `retime`: replace them by motion.
        interpolator: from `rife.load`; the default model if not given.
        overwrite: replace an existing output.
        restart: throw away finished parts of a job that differs.
        keep_partial: when the source turns out truncated, make what can be made as NAME.partial.EXT (the call
            still raises).
        crf: quality of the encoder, 0 (lossless) to 63.
        codec: FFmpeg name of the encoder.
        preset: the encoder's own word for its speed.
        pixel_format: FFmpeg name; the source's own, or the nearest, if not given.
        on_progress: called after every frame.
        on_forecast: called before the first frame is made, and once more when its speed is known.

    Raises:
        JobError: settings that cannot be, an output in the way, fewer than two frames, or no room on the disk.
        MediaError: the source cannot be read or the output not written.
        TruncatedMediaError: the source ends before its own end.
        FinishedFileError: the finished file is not what was planned; it is kept under another name.
        CheckpointError: the default model cannot be loaded.
    """
    settings = JobSettings(
        factor=factor,
        frame_rate=frame_rate,
        slow_motion=slow_motion,
        sound=sound,
        at_cut=at_cut,
        cuts=cuts,
        duplicates=duplicates,
        encode=EncodeSettings(codec, crf, preset, pixel_format),
        overwrite=overwrite,
        restart=restart,
        keep_partial=keep_partial,
    )
    return run_job(
        Path(source),
        None if output is None else Path(output),
        settings=settings,
        interpolator=interpolator,
        on_progress=on_progress,
        on_forecast=on_forecast,
    )


def run_job(
    source: Path,
    output: Path | None,
    *,
    settings: JobSettings,
    interpolator: Interpolator | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> VideoResult:
    """Do what `interpolate_video` does, with the settings as one record; for arguments and errors see there."""
    settings.check()
    output = output or default_output(source, settings)
    check_job(source, output, settings)
    try:
        with VideoReader(source) as reader:
            job = _Job(reader, output, settings, interpolator or load(), on_progress, on_forecast)
            return job.run()
    except BrokenPipeError:  # the caller's own, from its on_progress
        raise
    except OSError as err:
        raise MediaError(f"{output}: cannot be written ({err.strerror or err}).") from err


def default_output(source: Path, settings: JobSettings | None = None) -> Path:
    """Name the output where none is given: beside the source, with what is done in its name."""
    suffix = source.suffix if source.suffix.lower() in CONTAINERS else ".mkv"
    return source.with_name(f"{source.stem}_{(settings or JobSettings()).short_name}{suffix}")


def partial_name(output: Path) -> Path:
    """Name under which an incomplete output is kept."""
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def failed_name(output: Path) -> Path:
    """Name under which an output is kept that did not pass its check; one that is not in use."""
    names = (
        f"{output.stem}.failed-check{number}{output.suffix}" for number in ("", *map("-{}".format, range(2, 1000)))
    )
    return next(path for path in map(output.with_name, names) if not path.exists())


def check_job(source: Path, output: Path, settings: JobSettings) -> None:
    """Refuse at once, before anything is loaded or fetched, what could not be written in the end.

    Raises:
        MediaError: no such input, or an output that cannot be written.
        JobError: an output in the way, or settings that cannot be.
    """
    if not source.exists():
        raise MediaError(f"{source}: no such file. Check the path.")
    container_for(output)
    if output.exists() and output.samefile(source):
        raise JobError(f"{output}: the output is the input. Name another file with -o.")
    if output.is_dir():
        raise JobError(f"{output}: expected a file name for the output, got a folder.")
    if not output.parent.is_dir():
        raise JobError(f"{output}: there is no folder {output.parent}. Make it first.")
    _check_not_in_the_way(output, settings)
    if settings.keep_partial:
        check_job(source, partial_name(output), replace(settings, keep_partial=False))


class _Job:
    """One run over one source."""

    def __init__(
        self,
        reader: VideoReader,
        output: Path,
        settings: JobSettings,
        worker: Interpolator,
        on_progress: Callable[[Progress], None] | None,
        on_forecast: Callable[[Forecast], None] | None,
    ) -> None:
        self._reader, self._output, self._settings, self._worker = reader, output, settings, worker
        self._on_progress, self._on_forecast = on_progress, on_forecast
        self._started = time.perf_counter()
        info = reader.info
        self._clock = clock_for(
            info.time_base, info.frame_rate, factor=settings.factor, rate=settings.rate, slowdown=settings.slowdown
        )
        worker.check_clock(self._clock)
        self._tracks = CopiedTracks(reader, slowdown=self._clock.slowdown, sound=settings.sound)

    def run(self) -> VideoResult:
        """Do the whole job."""
        plan, first, damage = self._plan()
        if damage is not None and not self._settings.keep_partial:
            raise TruncatedMediaError(f"{damage} Nothing was made; --keep-partial makes what can be made.")
        target = self._output if damage is None else partial_name(self._output)
        picture = self._picture(plan, first)
        identity = job_identity(self._reader.path, plan, picture.encoding, self._worker)
        check_disk(least_bytes(plan.output_frames, plan.size), target.parent)
        with Workspace(work_folder(target), identity, restart=self._settings.restart) as work:
            resumed = self._make_segments(plan, picture, work)
            check = self._join(plan, picture, work, target)
            work.finish()
        if damage is not None:
            raise TruncatedMediaError(f"{damage} What could be made of it is kept as {target}.") from damage
        return VideoResult(
            path=target,
            source_frames=len(plan.survey.pts),
            output_frames=plan.output_frames,
            frame_rate=picture.frame_rate,
            duration_seconds=plan.duration_seconds,
            seconds=time.perf_counter() - self._started,
            notes=(*losses(first.format.name, picture.encoding.pixel_format), *self._tracks.notes),
            cuts=sum(interval.cut for interval in plan.survey.intervals),
            frames_resumed=resumed,
            check=check,
        )

    def _plan(self) -> tuple[Plan, av.VideoFrame, TruncatedMediaError | None]:
        """Read the source once, and place every output frame."""
        observed, info = ObservedSource(self._reader), self._reader.info
        started = time.perf_counter()

        def looked_at(frames: int) -> None:
            if self._on_progress is not None:
                self._on_progress(Progress("survey", frames, info.frames, time.perf_counter() - started))

        found = survey(observed, on_progress=looked_at)
        if self._settings.cuts is not None:
            found = found.with_cuts(read_cuts(self._settings.cuts, found))
        if observed.first is None:
            raise MediaError(f"{info.path}: no frame could be decoded.")
        if len(found.pts) < 2:
            raise observed.damage or JobError(
                f"{info.path}: has one frame; making frames in between needs at least two."
            )
        size = observed.first.width, observed.first.height
        return (
            Plan(found, self._clock, self._settings.at_cut, self._settings.duplicates, size),
            observed.first,
            observed.damage,
        )

    def _picture(self, plan: Plan, first: av.VideoFrame) -> Picture:
        info, tick = self._reader.info, self._clock.tick
        if tick.denominator > _MAX_TICKS:
            raise JobError(
                f"{info.path}: the output would need a clock of {1 / tick} ticks a second, and can have "
                f"{_MAX_TICKS}. Take a smaller factor, or a constant rate."
            )
        alpha = any(component.is_alpha for component in first.format.components)
        return Picture(
            encoding=encoding_for(
                self._output, self._settings.encode, source_format=first.format.name, size=plan.size, alpha=alpha
            ),
            first=first,
            frame_rate=self._clock.frame_rate(info.frame_rate),
            time_base=tick,
            sample_aspect_ratio=info.sample_aspect_ratio,
            metadata=dict(self._reader.stream.metadata),
        )

    def _make_segments(self, plan: Plan, picture: Picture, work: Workspace) -> int:
        """Make what is not made yet; how many frames were there already."""
        suffix = segment_suffix(picture.encoding.codec)
        maker = SegmentMaker(self._reader, plan, worker=self._worker, picture=picture)
        before = sum(s.frames for s in plan.segments if work.finished(s.number, suffix))
        meter = Meter(plan, work, before=before, on_progress=self._on_progress, on_forecast=self._on_forecast)
        passed_over: SegmentRecord | None = None
        for segment in plan.segments:
            record = work.finished(segment.number, suffix)
            if record is not None:
                passed_over = record
                continue
            if passed_over is not None:
                maker.resume_after(passed_over)
                passed_over = None
            with work.growing(segment.number, suffix) as temporary:
                work.keep(segment.number, temporary, maker.make(segment, temporary, on_frame=meter.frame))
            meter.check_room()
        return before

    def _join(self, plan: Plan, picture: Picture, work: Workspace, target: Path) -> FinishedCheck:
        """Assemble the parts, check the file, and give it the name that it has earned."""
        suffix = segment_suffix(picture.encoding.codec)
        records = [_finished(work, segment, suffix) for segment in plan.segments]
        with appearing_whole(target) as temporary:
            assemble(
                temporary,
                _parts(plan, records, work, suffix),
                reordering=max(record.reordering for record in records),
                picture=picture,
                tracks=self._tracks,
            )
            check = self._checked(temporary, plan, records)
            if check.problems:
                failed = failed_name(target)
                temporary.replace(failed)
                work.finish()
                told = "; ".join(check.problems)
                raise FinishedFileError(f"{target}: not as planned: {told}. The file is kept as {failed}.")
            _check_not_in_the_way(target, self._settings)
        return check

    def _checked(self, path: Path, plan: Plan, records: list[SegmentRecord]) -> FinishedCheck:
        started = time.perf_counter()

        def read_back(frames: int) -> None:
            if self._on_progress is not None:
                self._on_progress(Progress("check", frames, plan.output_frames, time.perf_counter() - started))

        expected = Expected(
            times=(frame.pts for frame in plan.all_frames()),
            luma=chain.from_iterable(record.expected_luma for record in records),
            made=(frame.second is not None for frame in plan.all_frames()),
            time_base=plan.clock.tick,
            coarsest_tick=container_for(path).tick,
            duration_seconds=plan.duration_seconds,
            sound_seconds=self._tracks.sound_seconds(),
        )
        return check_finished(path, expected, on_progress=read_back)


def _finished(work: Workspace, segment: Segment, suffix: str) -> SegmentRecord:
    record = work.finished(segment.number, suffix)
    if record is None:
        raise MediaError(f"{work.segment_path(segment.number, suffix)}: a part that was finished is gone.")
    return record


def _parts(plan: Plan, records: list[SegmentRecord], work: Workspace, suffix: str) -> Iterator[Part]:
    """The finished segments with the times of their frames, up to the first frame of the next one."""
    starts = [next(plan.frames(segment)).pts for segment in plan.segments[1:]]
    for segment, record, end in zip(plan.segments, records, [*starts, plan.last_end_pts], strict=True):
        times = [frame.pts for frame in plan.frames(segment)]
        yield Part(work.segment_path(segment.number, suffix), [*times, max(end, times[-1] + 1)], record.reordering)


def _check_not_in_the_way(output: Path, settings: JobSettings) -> None:
    if output.exists() and not settings.overwrite:
        raise JobError(f"{output}: exists already. Name another file with -o, or replace it with --overwrite.")
