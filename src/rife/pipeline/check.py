"""The finished-file check: the file as it lies on the disk, against the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, zip_longest
from pathlib import Path
from typing import cast

import av
from av.packet import Packet
from av.stream import Disposition, Stream

from rife.errors import MediaError
from rife.media.measure import TrackSpan, mean_luma, track_spans
from rife.pipeline.plan import Plan
from rife.pipeline.workspace import SegmentRecord

_LUMA_TOLERANCE = 1.0
"""Codes of 8 bit by which new frames may be brighter or darker than their sources on average: less than can be seen."""


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
        spans = _spans(path)
    except (av.FFmpegError, OSError, IndexError) as err:
        raise MediaError(f"{path}: the finished file cannot be read back ({err}).") from err
    picture, *sound = spans
    return FinishedCheck(
        frames=found.frames,
        frames_planned=found.planned,
        largest_time_error_seconds=float(found.time_error),
        picture_seconds=float(picture.seconds),
        picture_seconds_planned=float(expected.duration_seconds),
        sound=tuple((float(a.seconds), float(b.seconds)) for a, b in zip(sound, expected.sound, strict=False) if b),
        luma_step=found.luma_step,
        problems=(*_picture_problems(found, picture, expected), *_sound_problems(found, sound, expected)),
    )


@dataclass
class _Found:
    """What decoding a file comes to."""

    frames: int = 0
    planned: int = 0
    tick: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)
    time_error: Fraction = Fraction(0)
    luma_sum: float = 0.0
    made: int = 0

    @property
    def luma_step(self) -> float:
        return self.luma_sum / max(1, self.made)


def _read_back(path: Path, expected: Expected, on_progress: Callable[[int], None] | None) -> _Found:
    found = _Found()
    with av.open(str(path.absolute())) as file:
        stream = file.streams.video[0]
        found.tick = stream.time_base or Fraction(1)
        plan = zip(expected.times, expected.luma, expected.made, strict=True)
        for picture, entry in zip_longest(cast("Iterator[av.VideoFrame]", file.decode(stream)), plan):
            found.frames += picture is not None
            found.planned += entry is not None
            if on_progress is not None:
                on_progress(found.frames)
            if picture is None or entry is None:
                continue
            time, luma, made = entry
            error = (picture.pts or 0) * found.tick - time * expected.time_base
            if found.frames == 1:
                # Matroska has no times below zero: where sound begins there, all tracks are later by as much.
                found.shift = error
            found.time_error = max(found.time_error, abs(error - found.shift))
            if made:
                found.made += 1
                found.luma_sum += mean_luma(picture) - luma
    return found


def _picture_problems(found: _Found, picture: TrackSpan, expected: Expected) -> Iterator[str]:
    if found.frames != found.planned:
        yield f"{found.frames} frames, expected {found.planned}"
    if found.time_error > expected.coarsest_tick + found.tick / 2:
        yield f"a frame stands {float(found.time_error):.4f} s from its time"
    frame_seconds = expected.duration_seconds / max(found.planned, 1)
    if abs(picture.seconds - expected.duration_seconds) > max(frame_seconds, expected.coarsest_tick * 2):
        yield f"pictures last {float(picture.seconds):.3f} s, expected {float(expected.duration_seconds):.3f} s"
    if abs(found.luma_step) > _LUMA_TOLERANCE:
        yield f"new frames differ by {found.luma_step:+.2f} codes in luma from their sources"


def _sound_problems(found: _Found, sound: Sequence[TrackSpan], expected: Expected) -> Iterator[str]:
    if len(sound) != len(expected.sound):
        yield f"{len(sound)} sound tracks, expected {len(expected.sound)}"
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


def _spans(path: Path) -> list[TrackSpan]:
    """When the picture track is seen, and then each sound track is heard."""
    with av.open(str(path.absolute())) as file:
        video = next(s for s in file.streams.video if not s.disposition & Disposition.attached_pic)
        packets = (packet for packet in file.demux(video, *file.streams.audio) if packet.size)
        spans = track_spans(cast("Iterator[Packet[Stream]]", packets))
        none = TrackSpan(Fraction(0), Fraction(0))
        return [spans.get(stream.index, none) for stream in (video, *file.streams.audio)]
