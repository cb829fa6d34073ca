"""The finished-file check: the file as it lies on the disk, against the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, zip_longest
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.packet import Packet
from av.stream import Disposition, Stream

from rife.errors import MediaError
from rife.media.measure import mean_luma, track_seconds
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
        sound_seconds: how long each copied sound track is.
    """

    times: Iterable[int]
    luma: Iterable[float]
    made: Iterable[bool]
    time_base: Fraction
    coarsest_tick: Fraction
    duration_seconds: Fraction
    sound_seconds: tuple[Fraction, ...]


@dataclass(frozen=True)
class FinishedCheck:
    """What was found in a finished file.

    Attributes:
        frames: how many frames were decoded.
        frames_planned: how many there should be.
        largest_time_error_seconds: of any frame.
        picture_seconds: length of the picture track.
        picture_seconds_planned: how long it should be.
        sound: length of each sound track in seconds, and how long it should be.
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
    problems: list[str] = []
    frames, planned, worst, steps = 0, 0, Fraction(0), np.zeros(0)
    collected: list[float] = []
    end_seconds = Fraction(0)
    try:
        with av.open(str(path.absolute())) as file:
            stream = file.streams.video[0]
            tick = stream.time_base or Fraction(1)
            pictures = file.decode(stream)
            plan = zip(expected.times, expected.luma, expected.made, strict=True)
            for picture, entry in zip_longest(cast("Iterator[av.VideoFrame]", pictures), plan):
                frames += picture is not None
                if on_progress is not None:
                    on_progress(frames)
                planned += entry is not None
                if picture is None or entry is None:
                    continue
                time, luma, made = entry
                when = (picture.pts or 0) * tick
                end_seconds = when + (picture.duration or 0) * tick
                worst = max(worst, abs(when - time * expected.time_base))
                if made:
                    collected.append(mean_luma(picture) - luma)
        seconds = _track_seconds(path)
    except (av.FFmpegError, OSError, IndexError) as err:
        raise MediaError(f"{path}: the finished file cannot be read back ({err}).") from err
    steps = np.asarray(collected) if collected else np.zeros(1)
    picture_seconds = seconds.pop(-1, end_seconds)
    sound = tuple(seconds[index] for index in sorted(seconds))
    if frames != planned:
        problems.append(f"{frames} frames, expected {planned}")
    if worst > expected.coarsest_tick / 2 + tick / 2:
        problems.append(f"a frame stands {float(worst):.4f} s from its time")
    frame_seconds = expected.duration_seconds / max(planned, 1)
    if abs(picture_seconds - expected.duration_seconds) > max(frame_seconds, expected.coarsest_tick * 2):
        problems.append(
            f"pictures last {float(picture_seconds):.3f} s, expected {float(expected.duration_seconds):.3f} s"
        )
    for number, (got, wanted) in enumerate(zip_longest(sound, expected.sound_seconds), 1):
        if got is None or wanted is None or abs(got - wanted) > Fraction(1, 20):
            problems.append(f"sound track {number} lasts {_seconds(got)}, expected {_seconds(wanted)}")
    luma_step = float(steps.mean())
    if abs(luma_step) > _LUMA_TOLERANCE:
        problems.append(f"new frames differ by {luma_step:+.2f} codes in luma from their sources")
    return FinishedCheck(
        frames=frames,
        frames_planned=planned,
        largest_time_error_seconds=float(worst),
        picture_seconds=float(picture_seconds),
        picture_seconds_planned=float(expected.duration_seconds),
        sound=tuple((float(a), float(b)) for a, b in zip(sound, expected.sound_seconds, strict=False)),
        luma_step=luma_step,
        problems=tuple(problems),
    )


def luma_step(plan: Plan, records: Sequence[SegmentRecord]) -> float:
    """Mean difference in luma of new frames from their sources as they were made, in codes of 8 bit."""
    got = chain.from_iterable(record.luma for record in records)
    wanted = chain.from_iterable(record.expected_luma for record in records)
    steps = [a - b for frame, a, b in zip(plan.all_frames(), got, wanted, strict=True) if frame.second is not None]
    return sum(steps) / max(1, len(steps))


def _track_seconds(path: Path) -> dict[int, Fraction]:
    """Length of each sound track by index, and of the picture track under -1."""
    with av.open(str(path.absolute())) as file:
        video = next(s for s in file.streams.video if not s.disposition & Disposition.attached_pic)
        packets = (packet for packet in file.demux(video, *file.streams.audio) if packet.size)
        lengths = track_seconds(cast("Iterator[Packet[Stream]]", packets))
        return {(-1 if index == video.index else index): length for index, length in lengths.items()}


def _seconds(value: Fraction | None) -> str:
    return "nothing" if value is None else f"{float(value):.3f} s"
