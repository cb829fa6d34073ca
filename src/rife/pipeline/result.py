"""Progress of a job while it runs, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from rife.media.video.showing_times import TimeSpan
from rife.pipeline.verify import FinishedCheck

Stage = Literal["survey", "make", "check"]


class CancelSignal(Protocol):
    """What cancels a job: a `threading.Event`, or another event with this method."""

    def is_set(self) -> bool:
        """Whether the job is to end."""


@dataclass(frozen=True)
class Progress:
    """Progress of a job.

    Attributes:
        stage: `survey` (the source is read once), `make` (frames are rendered), or `check` (the file is read back).
        frames_done: number of finished frames of this stage; includes those of an earlier run of the job.
        frames_total: number of frames of this stage, or None if not known.
        seconds: time since the stage began.
        frames_before: of frames_done, the number that an earlier run has finished.
        frame_share: share of the next frame that is rendered, from 0 to 1, where frames are rendered in tiles.
    """

    stage: Stage
    frames_done: int
    frames_total: int | None
    seconds: float
    frames_before: int = 0
    frame_share: float = 0.0


@dataclass(frozen=True)
class VideoResult:
    """The result of a job.

    Attributes:
        path: the output file.
        source_frames: number of frames read.
        output_frames: number of frames written.
        frame_rate: average frames per second of the output.
        duration_seconds: length of the picture track.
        seconds: how long the job took.
        notes: what could not be preserved, as sentences.
        cuts: number of cuts across which no frame was made.
        frames_resumed: number of output frames that an earlier, interrupted run had finished.
        check: comparison of the finished file with its plan.
        damage: time ranges that could not be decoded, in which the frame before is held.
    """

    path: Path
    source_frames: int
    output_frames: int
    frame_rate: Fraction
    duration_seconds: Fraction
    seconds: float
    notes: tuple[str, ...]
    cuts: int
    frames_resumed: int
    check: FinishedCheck
    damage: tuple[TimeSpan, ...] = ()
