"""The check of a finished file: the file on the disk, compared with its plan."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from rife.errors import MediaError
from rife.media.measure import Cells, TrackSpan, thumbnail, track_spans
from rife.media.video.onsets import onsets
from rife.pipeline.prefetch import Prefetcher

_MILLISECOND = Fraction(1, 1000)
_ROUNDING_SECONDS = 2 * _MILLISECOND
"""Containers count how long a track is shown in milliseconds."""

_WORST_STEP_CODES, _USUAL_STEP_CODES = 48.0, 8.0
_SHARE_OF_MEAN = 0.25
"""Of the tolerance of one frame: by how much all frames may be brighter or darker on average."""

_PRIMING_SECONDS = Fraction(1, 4)
"""What precedes time zero of a sound track whose packets are not known is shorter than this."""


def step_tolerance(crf: int) -> float:
    """Codes of 8 bit by which a decoded frame may differ from the one that was encoded: RMS over thumbnail cells.

    H.264 leaves out what is smaller than its quantiser step, which doubles with every 6 of crf; a frame to which no
    other frame refers is encoded by about 10 worse. At crf 51, a flash of 46 codes is left out. Other codecs are less
    coarse at their worst.
    """
    left_out: float = _WORST_STEP_CODES * 2.0 ** ((crf - 41) / 6)
    return min(_WORST_STEP_CODES, _USUAL_STEP_CODES + left_out)


@dataclass(frozen=True)
class Expected:
    """The expected content of a finished file.

    Attributes:
        times: pts of every frame, in order.
        encoded: thumbnail cells of every frame, as it went into the encoder.
        step_tolerance: codes by which a decoded frame may differ from that.
        time_base: seconds per tick of the times.
        time_tolerance: seconds by which the container moves frames.
        duration_seconds: of the picture track.
        sound: time span of each sound track; None where it is known to be incomplete.
    """

    times: Iterable[int]
    encoded: Iterable[Cells]
    step_tolerance: float
    time_base: Fraction
    time_tolerance: Fraction
    duration_seconds: Fraction
    sound: tuple[TrackSpan | None, ...]

    @property
    def most_shift_seconds(self) -> Fraction:
        """The largest common delay of all tracks: sound may begin below zero, where Matroska has no times."""
        return max((-span.start if span else _PRIMING_SECONDS for span in self.sound), default=Fraction(0))


@dataclass(frozen=True)
class FinishedCheck:
    """The result of the check of a finished file.

    Attributes:
        frames: number of decoded frames.
        frames_planned: number of planned frames.
        largest_time_error_seconds: of any frame.
        picture_seconds: length of the picture track.
        picture_seconds_planned: its planned length.
        sound: length in seconds of each complete sound track, and its planned length.
        luma_step: mean difference in luma of new frames from their sources, in codes of 8 bit; near 0 without flicker.
        problems: differences from the plan; empty for a good file.
        coding_step: largest difference of a decoded frame from the one that was encoded, in codes of 8 bit.
        warnings: properties of the frames that deserve a look.
    """

    frames: int
    frames_planned: int
    largest_time_error_seconds: float
    picture_seconds: float
    picture_seconds_planned: float
    sound: tuple[tuple[float, float], ...]
    luma_step: float
    problems: tuple[str, ...]
    coding_step: float = 0.0
    warnings: tuple[str, ...] = ()


def check_finished(
    path: Path,
    expected: Expected,
    *,
    luma_step: float = 0.0,
    warnings: tuple[str, ...] = (),
    on_progress: Callable[[int], None] | None = None,
) -> FinishedCheck:
    """Read a finished file from end to end and compare it with its plan.

    Args:
        path: the file.
        expected: from the plan.
        luma_step: mean difference in luma of new frames from their sources, from rendering.
        warnings: properties of the frames that deserve a look, from rendering.
        on_progress: called with the number of frames read so far.

    Raises:
        MediaError: the file cannot be read at all.
    """
    try:
        found = _read_back(path, expected, on_progress)
        sound = _sound_spans(path, expected.sound)
    except (av.FFmpegError, OSError, IndexError) as err:
        raise MediaError(f"{path}: the finished file cannot be read back ({err}).") from err
    return FinishedCheck(
        frames=found.frames,
        frames_planned=found.planned,
        largest_time_error_seconds=float(found.time_error),
        picture_seconds=float(found.seconds),
        picture_seconds_planned=float(expected.duration_seconds),
        sound=tuple((float(a.seconds), float(b.seconds)) for a, b in zip(sound, expected.sound, strict=False) if b),
        luma_step=luma_step,
        problems=(*_picture_problems(found, expected), *_sound_problems(found, sound, expected)),
        coding_step=round(found.coding_step, 2),
        warnings=warnings,
    )


@dataclass
class _Found:
    """Measurements of a decoded file."""

    frames: int = 0
    planned: int = 0
    tick: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    latest: Fraction | None = None
    shift: Fraction = Fraction(0)
    time_error: Fraction = Fraction(0)
    seconds: Fraction = Fraction(0)
    times_used_twice: list[Fraction] = field(default_factory=list)
    coding_step: float = 0.0
    changed: list[Fraction] = field(default_factory=list)
    brighter: float = 0.0

    def take_time(self, when: Fraction, error: Fraction, *, most_shift: Fraction) -> None:
        """Compare the time of the next frame, with its error beside the plan."""
        if self.latest is None:
            self.first = when
            # MP4 counts the beginning of a late track in milliseconds.
            self.shift = error if -_MILLISECOND <= error <= most_shift + _ROUNDING_SECONDS else Fraction(0)
        elif when <= self.latest:
            self.times_used_twice.append(when)
        self.latest = when
        self.time_error = max(self.time_error, abs(error - self.shift))

    def take_cells(self, got: Cells, encoded: Cells, *, tolerance: float) -> None:
        """Compare the latest frame with the one that was encoded."""
        # Decoders give grey with planes of chroma or without.
        count = min(len(got), len(encoded))
        steps = got[:count].astype(np.float64) - encoded[:count]
        step = float(np.sqrt(np.square(steps).mean()))
        self.coding_step = max(self.coding_step, step)
        self.brighter += float(steps.mean())
        if step > tolerance:
            self.changed.append(self.latest or Fraction(0))


def _read_back(path: Path, expected: Expected, on_progress: Callable[[int], None] | None) -> _Found:
    found = _Found()
    end = Fraction(0)
    with av.open(str(path.absolute())) as file, closing(Prefetcher(_pictures(file))) as pictures:
        stream = file.streams.video[0]
        found.tick = stream.time_base or Fraction(1)
        plan = zip(expected.times, expected.encoded, strict=True)
        for picture, entry in zip_longest(pictures, plan):
            found.frames += picture is not None
            found.planned += entry is not None
            if on_progress is not None:
                on_progress(found.frames)
            if picture is None or entry is None:
                continue
            time, encoded = entry
            when = (picture.pts or 0) * found.tick
            found.take_time(when, when - time * expected.time_base, most_shift=expected.most_shift_seconds)
            found.take_cells(thumbnail(picture).cells, encoded, tolerance=expected.step_tolerance)
            end = when + (picture.duration or 0) * found.tick
        in_header = _header_seconds(stream, found.first)
        found.seconds = end - found.first if in_header is None else in_header
    return found


def _pictures(file: InputContainer) -> Generator[av.VideoFrame]:
    yield from file.decode(file.streams.video[0])


def _header_seconds(stream: VideoStream, first: Fraction) -> Fraction | None:
    """Length of a picture track by its header: decoded frames do not give the duration of the last one.

    Args:
        stream: of an open file.
        first: seconds of its first frame.
    """
    ends = stream.metadata.get("DURATION")
    if ends is not None:  # Matroska: the length of the stream would be that of the longest track
        hours, minutes, seconds = ends.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds) - first
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return None


def _picture_problems(found: _Found, expected: Expected) -> Iterator[str]:
    if found.frames != found.planned:
        yield f"{found.frames} frames, expected {found.planned}"
    if found.time_error > expected.time_tolerance + found.tick / 2:
        yield f"a frame stands {float(found.time_error):.4f} s from its time"
    if found.times_used_twice:
        yield f"{len(found.times_used_twice)} frames have the time of another, {_first_of(found.times_used_twice)}"
    seconds, wanted = found.seconds, expected.duration_seconds
    if abs(seconds - wanted) > expected.time_tolerance + found.tick + _ROUNDING_SECONDS:
        yield f"pictures last {float(seconds):.3f} s, expected {float(wanted):.3f} s"
    if found.changed:
        yield (
            f"{len(found.changed)} frames are not the ones that were encoded, {_first_of(found.changed)}: "
            f"by up to {found.coding_step:.1f} codes of 255, expected at most {expected.step_tolerance:.1f}"
        )
    brighter = found.brighter / max(1, found.frames)
    if abs(brighter) > _SHARE_OF_MEAN * expected.step_tolerance:
        yield f"frames differ by {brighter:+.2f} codes of 255 from those that were encoded"


def _first_of(times: Sequence[Fraction]) -> str:
    return f"the first at {float(times[0]):.3f} s" if len(times) > 1 else f"at {float(times[0]):.3f} s"


def _sound_problems(found: _Found, sound: Sequence[TrackSpan], expected: Expected) -> Iterator[str]:
    if len(sound) != len(expected.sound):
        # A track of which nothing could be copied may be missing from the file altogether.
        if None not in expected.sound:
            yield f"{len(sound)} sound tracks, expected {len(expected.sound)}"
        return
    for number, (got, wanted) in enumerate(zip(sound, expected.sound, strict=False), 1):
        if wanted is not None:
            yield from (f"sound track {number} {problem}" for problem in _span_problems(got, wanted, found.shift))


def _span_problems(got: TrackSpan, wanted: TrackSpan, shift: Fraction) -> Iterator[str]:
    seconds, planned = got.seconds, wanted.seconds
    if not got.last_seconds or not wanted.last_seconds:
        # A file that does not tell how long the last packet lasts; where that begins can be compared.
        seconds, planned = seconds - got.last_seconds, planned - wanted.last_seconds
    if abs(seconds - planned) > wanted.tolerance:
        yield f"lasts {float(seconds):.3f} s, expected {float(planned):.3f} s"
    late = got.start - shift - wanted.start
    if abs(late) > wanted.tolerance:
        yield f"begins {float(late):+.3f} s from its time"
    for times, planned_times in ((got.resumes, wanted.resumes), (got.onsets, wanted.onsets)):
        for when in planned_times:
            off = min((time - shift - when for time in times), key=abs, default=None)
            if off is None or abs(off) > wanted.tolerance:
                problem = "does not go on" if off is None else f"goes on at {float(when + off):.3f} s"
                yield f"{problem} after a hole, expected at {float(when):.3f} s"
                break


def _sound_spans(path: Path, expected: Sequence[TrackSpan | None]) -> list[TrackSpan]:
    """The time span of each sound track."""
    with av.open(str(path.absolute())) as file:
        streams = file.streams.audio
        packets = (packet for packet in file.demux(*streams) if packet.size) if streams else ()
        spans = track_spans(cast("Iterable[Packet[Stream]]", packets))
        found = [spans.get(stream.index, TrackSpan(Fraction(0), Fraction(0))) for stream in streams]
        numbers = [stream.index for stream in streams]
    for place, wanted in enumerate(expected[: len(found)]):
        if wanted is not None and wanted.onsets:
            found[place] = replace(found[place], onsets=tuple(onsets(path, numbers[place])))
    return found
