"""The main job: a video file in, a smoother one out, as a stream.

Decode, place, interpolate, encode. The output grows under a temporary name beside the final one, and gets
the final name only when it is whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from av.packet import Packet
from av.stream import Stream

from rife.cache import appearing_whole
from rife.errors import JobError, MediaError, RifeError, TruncatedMediaError
from rife.interpolator import Interpolator, PreparedFrame, load
from rife.media.colour import adapted, from_rgb, to_rgb
from rife.media.reader import VideoReader
from rife.media.source import SourceFrame
from rife.media.writer import CONTAINERS, VideoWriter, container_for
from rife.options import DEFAULT_CRF
from rife.timing import Clock, FactorClock, RateClock, check_factor, parse_rate

_MAX_TICKS = 2**31 - 1
"""Most ticks a second that containers can count."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        frames_done: output frames written.
        frames_total: output frames expected, or None where the file does not tell.
        seconds: since the job started.
    """

    frames_done: int
    frames_total: int | None
    seconds: float


@dataclass(frozen=True)
class VideoResult:
    """What a job made.

    Attributes:
        path: the output file.
        source_frames: frames read.
        output_frames: frames written.
        frame_rate: average frames per second of the output.
        duration_seconds: length of the picture track.
        seconds: how long it took.
        notes: what could not be carried over.
    """

    path: Path
    source_frames: int
    output_frames: int
    frame_rate: Fraction
    duration_seconds: Fraction
    seconds: float
    notes: tuple[str, ...]


def default_output(source: Path, *, factor: int = 2, frame_rate: str | Fraction | None = None) -> Path:
    """Name the output where none is given: beside the source, with the factor or rate in its name."""
    suffix = source.suffix if source.suffix.lower() in CONTAINERS else ".mkv"
    what = f"{factor}x" if frame_rate is None else f"{float(_rate(frame_rate)):g}fps"
    return source.with_name(f"{source.stem}_{what}{suffix}")


def interpolate_video(
    source: str | Path,
    output: str | Path | None = None,
    *,
    factor: int | None = None,
    frame_rate: str | Fraction | None = None,
    interpolator: Interpolator | None = None,
    overwrite: bool = False,
    keep_partial: bool = False,
    crf: int = DEFAULT_CRF,
    on_progress: Callable[[Progress], None] | None = None,
) -> VideoResult:
    """Write a video with more frames: `factor` for each of the source's, or a constant `frame_rate`.

    With a factor, source frames keep their times and are encoded as they were decoded; the last one is held for its own
    interval. At a constant rate, each frame is made at its exact time between the source frames around it. The
    output lasts as long as the source; sound and subtitles are copied.

    Args:
        source: video file.
        output: file to write; by default beside the source, with the factor in its name.
        factor: 2 to 64; 2 if neither it nor a frame rate is given.
        frame_rate: frames per second, 1 to 1000: a fraction, or text such as `60`, `60000/1001`, `ntsc`.
        interpolator: from `rife.load`; the default model if not given.
        overwrite: replace an existing output.
        keep_partial: when the source turns out truncated, keep what was made as NAME.partial.EXT (the call
            still raises).
        crf: quality of the encoder, 0 (lossless) to 51.
        on_progress: called after every source frame.

    Raises:
        JobError: a factor or rate that cannot be made, both of them, an output in the way, or fewer than two frames.
        MediaError: the source cannot be read or the output not written.
        TruncatedMediaError: the source ends before its own end.
        CheckpointError: the default model cannot be loaded.
    """
    if factor is not None and frame_rate is not None:
        raise JobError("expected a factor or a frame rate, got both.")
    rate = None if frame_rate is None else _rate(frame_rate)
    factor = 2 if factor is None else factor
    check_factor(factor)
    source = Path(source)
    output = default_output(source, factor=factor, frame_rate=rate) if output is None else Path(output)
    check_job(source, output, overwrite=overwrite, keep_partial=keep_partial)
    with VideoReader(source) as reader:
        worker = interpolator or load()
        tick = reader.info.time_base
        clock: Clock = FactorClock(factor, tick) if rate is None else RateClock(rate, tick)
        worker.check_clock(clock)
        try:
            with appearing_whole(output) as temporary, _Job(reader, output, worker, clock, crf, on_progress) as job:
                try:
                    job.run(temporary)
                except TruncatedMediaError as err:
                    raise _truncated(err, job, temporary, output, keep=keep_partial) from err
                _check_not_in_the_way(output, overwrite=overwrite)
                return job.result(output)
        except BrokenPipeError:  # the caller's own, from its on_progress
            raise
        except OSError as err:
            raise MediaError(f"{output}: cannot be written ({err.strerror or err}).") from err


def partial_name(output: Path) -> Path:
    """Name under which an incomplete output is kept."""
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def check_job(source: Path, output: Path, *, overwrite: bool, keep_partial: bool = False) -> None:
    """Refuse at once, before anything is loaded or fetched, what could not be written in the end.

    Raises:
        MediaError: no such input, or an output that cannot be written.
        JobError: an output in the way.
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
    _check_not_in_the_way(output, overwrite=overwrite)
    if keep_partial:
        check_job(source, partial_name(output), overwrite=overwrite)


class _Job:
    """One run over one source."""

    def __init__(
        self,
        reader: VideoReader,
        output: Path,
        worker: Interpolator,
        clock: Clock,
        crf: int,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._output = output
        self._reader, self._worker, self._clock, self._crf = reader, worker, clock, crf
        self._on_progress = on_progress
        self._writer: VideoWriter | None = None
        self._last: tuple[SourceFrame, PreparedFrame] | None = None
        self._early_packets: list[Packet[Stream]] = []
        self._source_frames = 0
        self._duration_ticks = 0
        self._started = time.perf_counter()

    def __enter__(self) -> _Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def run(self, path: Path) -> None:
        """Read the source to its end and write the output to `path`."""
        for item in self._reader:
            if isinstance(item, SourceFrame):
                self._take(item, path)
            elif self._writer is None:
                self._early_packets.append(item)
            else:
                self._writer.copy(item)
        self.finish()

    def finish(self) -> None:
        """Hold the last source frame for its own interval and complete the file.

        Raises:
            MediaError: there was no frame at all.
            JobError: there was one only.
        """
        if self._writer is None or self._last is None:
            raise MediaError(f"{self._reader.path}: no frame could be decoded.")
        if self._source_frames == 1:
            raise JobError(f"{self._reader.path}: has one frame; making frames in between needs at least two.")
        frame = self._last[0]
        self._emit(frame.pts + frame.duration, None)
        self._writer.finish()

    def result(self, output: Path) -> VideoResult:
        """Sum up a finished job."""
        info, writer = self._reader.info, self._writer
        return VideoResult(
            path=output,
            source_frames=self._source_frames,
            output_frames=writer.frames_written if writer else 0,
            frame_rate=self._clock.frame_rate(info.frame_rate),
            duration_seconds=self._duration_ticks * info.time_base,
            seconds=time.perf_counter() - self._started,
            notes=tuple(writer.notes) if writer else (),
        )

    def _take(self, frame: SourceFrame, path: Path) -> None:
        if self._writer is None:
            self._writer = self._open_writer(frame, path)
        info = self._reader.info
        if (frame.picture.width, frame.picture.height) != (self._writer.width, self._writer.height):
            raise MediaError(
                f"{info.path}: the picture changes from {self._writer.width}x{self._writer.height} to "
                f"{frame.picture.width}x{frame.picture.height} after {self._source_frames} frames; "
                "expected one size."
            )
        picture = adapted(frame.picture, self._writer.pixel_format)
        prepared = self._worker.prepare(to_rgb(picture))
        if self._last is not None:
            self._emit(frame.pts, prepared)
        self._source_frames += 1
        self._last = (SourceFrame(picture, frame.pts, frame.duration), prepared)

    def _open_writer(self, frame: SourceFrame, path: Path) -> VideoWriter:
        info = self._reader.info
        time_base = self._clock.tick
        if time_base.denominator > _MAX_TICKS:
            raise JobError(
                f"{info.path}: the output would need a clock of {1 / time_base} ticks a second, and can have "
                f"{_MAX_TICKS}. Take a smaller factor, or a constant rate."
            )
        writer = VideoWriter(
            path,
            name=self._output,
            source=self._reader,
            first=frame.picture,
            frame_rate=self._clock.frame_rate(info.frame_rate),
            time_base=time_base,
            crf=self._crf,
        )
        for packet in self._early_packets:
            writer.copy(packet)
        self._early_packets.clear()
        return writer

    def _emit(self, end_pts: int, following: PreparedFrame | None) -> None:
        """Write the last source frame and what comes between it and the following one (itself, at the end)."""
        if self._last is None or self._writer is None:
            raise RuntimeError("no source frame to write")
        frame, prepared = self._last
        places = self._clock.interval(frame.pts, end_pts)
        between = [place.timestep for place in places if place.timestep > 0]
        made = iter(()) if following is None else self._worker.between(prepared, following, between)
        for place in places:
            held = place.timestep == 0 or following is None
            self._writer.write(frame.picture if held else from_rgb(next(made), frame.picture), place.pts)
        self._duration_ticks += end_pts - frame.pts
        self._report()

    def _report(self) -> None:
        if self._on_progress is not None and self._writer is not None:
            info, total = self._reader.info, None
            if info.frames is not None:
                total = self._clock.frames_expected(source_frames=info.frames, source_rate=info.frame_rate)
            self._on_progress(Progress(self._writer.frames_written, total, time.perf_counter() - self._started))


def _rate(rate: str | Fraction) -> Fraction:
    return parse_rate(str(rate))


def _truncated(error: TruncatedMediaError, job: _Job, temporary: Path, output: Path, *, keep: bool) -> RifeError:
    """Complete and keep what was made, if that was asked for, and say where it is."""
    if not keep:
        return TruncatedMediaError(f"{error} Nothing was kept; --keep-partial keeps what can be made.")
    try:
        job.finish()
    except RifeError as err:
        return TruncatedMediaError(f"{error} Nothing could be kept: {err}")
    partial = partial_name(output)
    temporary.replace(partial)
    return TruncatedMediaError(f"{error} What could be made of it is kept as {partial}.")


def _check_not_in_the_way(output: Path, *, overwrite: bool) -> None:
    if output.exists() and not overwrite:
        raise JobError(f"{output}: exists already. Name another file with -o, or replace it with --overwrite.")
