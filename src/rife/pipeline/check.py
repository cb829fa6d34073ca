"""The finished-file check: the file as it lies on the disk, against the plan."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, zip_longest
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from rife.errors import MediaError
from rife.media.measure import TrackSpan, mean_luma, track_spans
from rife.pipeline.ahead import Ahead
from rife.pipeline.plan import Plan
from rife.pipeline.workspace import SegmentRecord

_LUMA_TOLERANCE = 1.0
"""Codes of 8 bit by which new frames may be brighter or darker than their sources on average: less than can be seen."""


_MOST_PRIMING_SECONDS = Fraction(1, 10)
"""What primes a sound decoder is shorter than this."""

_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Expected:
    """What the plan says of a finished file.

    Attributes:
        times: pts of every frame, in order.
        luma: mean luma that every frame should have.
        made: whether each frame is a new one.
        time_base: seconds per tick of the times.
        coarsest_tick: seconds to which the container rounds times.
        duration_seconds: of the picture track.
        sound: when each sound track is heard, or None where it is known to be incomplete.
    """

    times: Iterable[int]
    luma: Iterable[float]
    made: Iterable[bool]
    time_base: Fraction
    coarsest_tick: Fraction
    duration_seconds: Fraction
    sound: tuple[TrackSpan | None, ...]


@dataclass(frozen=True)
class FinishedCheck:
    """What was found in a finished file.

    Attributes:
        frames: how many frames were decoded.
        frames_planned: how many there should be.
        largest_time_error_seconds: of any frame.
        picture_seconds: length of the picture track.
        picture_seconds_planned: how long it should be.
        sound: length of each sound track that is whole, in seconds, and how long it should be.
        luma_step: mean difference in luma of new frames from their sources, in codes of 8 bit; near 0 is no flicker.
        problems: what does not hold; empty for a good file.
    """

    frames: int
    frames_planned: int
    largest_time_error_seconds: float
    picture_seconds: float
    picture_seconds_planned: float
    sound: tuple[tuple[float, float], ...]
    luma_step: float
    problems: tuple[str, ...]


def check_finished(
    path: Path, expected: Expected, *, on_progress: Callable[[int], None] | None = None
) -> FinishedCheck:
    """Read a finished file from end to end and compare it with its plan.

    Args:
        path: the file.
        expected: from the plan.
        on_progress: called with the number of frames that have been read.

    Raises:
        MediaError: the file cannot be read at all.
    """
    try:
        found = _read_back(path, expected, on_progress)
        sound = _sound_spans(path)
    except (av.FFmpegError, OSError, IndexError) as err:
        raise MediaError(f"{path}: the finished file cannot be read back ({err}).") from err
    return FinishedCheck(
        frames=found.frames,
        frames_planned=found.planned,
        largest_time_error_seconds=float(found.time_error),
        picture_seconds=float(found.picture_seconds(expected.duration_seconds)),
        picture_seconds_planned=float(expected.duration_seconds),
        sound=tuple((float(a.seconds), float(b.seconds)) for a, b in zip(sound, expected.sound, strict=False) if b),
        luma_step=found.luma_step,
        problems=(*_picture_problems(found, expected), *_sound_problems(found, sound, expected)),
    )


@dataclass
class _Found:
    """What decoding a file comes to."""

    frames: int = 0
    planned: int = 0
    tick: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    shift: Fraction = Fraction(0)
    time_error: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    header_seconds: Fraction | None = None
    luma: dict[bool, tuple[float, int]] = field(default_factory=lambda: {True: (0.0, 0), False: (0.0, 0)})

    def picture_seconds(self, wanted: Fraction) -> Fraction:
        """Length of the picture track: by its last frame or by its header, of which one may be rounded or guessed."""
        by_frames = self.end - self.first
        lengths = [by_frames] if self.header_seconds is None else [by_frames, self.header_seconds]
        return min(lengths, key=lambda length: abs(length - wanted))

    @property
    def luma_step(self) -> float:
        """How much brighter new frames are than source frames, each against what it should be: coding moves both."""
        (made, made_count), (source, source_count) = self.luma[True], self.luma[False]
        return made / max(1, made_count) - source / max(1, source_count) if made_count else 0.0


def _read_back(path: Path, expected: Expected, on_progress: Callable[[int], None] | None) -> _Found:
    found = _Found()
    with av.open(str(path.absolute())) as file, closing(Ahead(_pictures(file))) as pictures:
        stream = file.streams.video[0]
        found.tick = stream.time_base or Fraction(1)
        found.header_seconds = None if stream.duration is None else stream.duration * found.tick
        plan = zip(expected.times, expected.luma, expected.made, strict=True)
        for picture, entry in zip_longest(pictures, plan):
            found.frames += picture is not None
            found.planned += entry is not None
            if on_progress is not None:
                on_progress(found.frames)
            if picture is None or entry is None:
                continue
            time, luma, made = entry
            when = (picture.pts or 0) * found.tick
            error = when - time * expected.time_base
            if found.frames == 1:
                found.first = when
                # Matroska has no times below zero: where sound begins there, all tracks are later by as much. MP4
                # counts the beginning of a late track in milliseconds.
                found.shift = error if -_MILLISECOND <= error <= _MOST_PRIMING_SECONDS else Fraction(0)
            found.end = when + (picture.duration or 0) * found.tick
            found.time_error = max(found.time_error, abs(error - found.shift))
            total, count = found.luma[made]
            found.luma[made] = total + mean_luma(picture) - luma, count + 1
    return found


def _pictures(file: InputContainer) -> Generator[av.VideoFrame]:
    yield from file.decode(file.streams.video[0])


def _picture_problems(found: _Found, expected: Expected) -> Iterator[str]:
    if found.frames != found.planned:
        yield f"{found.frames} frames, expected {found.planned}"
    if found.time_error > expected.coarsest_tick + found.tick / 2:
        yield f"a frame stands {float(found.time_error):.4f} s from its time"
    frame_seconds = expected.duration_seconds / max(found.planned, 1)
    seconds, wanted = found.picture_seconds(expected.duration_seconds), expected.duration_seconds
    # Every time is checked above; how long the last frame is shown, Matroska leaves to the reader's guess.
    slack = 2 * frame_seconds if expected.coarsest_tick else frame_seconds
    if abs(seconds - wanted) > max(slack, expected.coarsest_tick * 2):
        yield f"pictures last {float(seconds):.3f} s, expected {float(wanted):.3f} s"
    if abs(found.luma_step) > _LUMA_TOLERANCE:
        yield f"new frames differ by {found.luma_step:+.2f} codes in luma from their sources"


def _sound_problems(found: _Found, sound: Sequence[TrackSpan], expected: Expected) -> Iterator[str]:
    if len(sound) != len(expected.sound):
        # A track of which nothing could be copied may be missing from the file altogether.
        if None not in expected.sound:
            yield f"{len(sound)} sound tracks, expected {len(expected.sound)}"
        return
    for number, (got, wanted) in enumerate(zip(sound, expected.sound, strict=False), 1):
        if wanted is None:
            continue
        if abs(got.seconds - wanted.seconds) > wanted.tolerance:
            yield f"sound track {number} lasts {float(got.seconds):.3f} s, expected {float(wanted.seconds):.3f} s"
        late = got.start - found.shift - wanted.start
        if abs(late) > wanted.tolerance:
            yield f"sound track {number} begins {float(late):+.3f} s from its time"


def luma_step(plan: Plan, records: Sequence[SegmentRecord]) -> float:
    """Mean difference in luma of new frames from their sources as they were made, in codes of 8 bit."""
    got = chain.from_iterable(record.luma for record in records)
    wanted = chain.from_iterable(record.expected_luma for record in records)
    steps = [a - b for frame, a, b in zip(plan.all_frames(), got, wanted, strict=True) if frame.second is not None]
    return sum(steps) / max(1, len(steps))


def _sound_spans(path: Path) -> list[TrackSpan]:
    """When each sound track is heard."""
    with av.open(str(path.absolute())) as file:
        streams = file.streams.audio
        packets = (packet for packet in file.demux(*streams) if packet.size) if streams else ()
        spans = track_spans(cast("Iterable[Packet[Stream]]", packets))
        return [spans.get(stream.index, TrackSpan(Fraction(0), Fraction(0))) for stream in streams]
