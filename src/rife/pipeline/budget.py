"""Disk space and memory that a job needs, beside what is available."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rife.errors import Hint, JobError
from rife.options import readable_bytes

_LEAST_BITS_PER_PIXEL = 0.004
"""A lower bound for every encoder: a job without room for this much cannot finish."""

_RESERVE_BYTES = 50_000_000

_FIXED_BYTES = 600_000_000
_BESIDE_NETWORK_BYTES_PER_PX = 180
"""Memory of a job beside its network: libraries, and frames in the decoder, the encoder and between them. Measured with
x264: 3.5 to 4.4 GB in total at 3840x2160, 8.5 GB at 7680x4320."""


@dataclass(frozen=True)
class Forecast:
    """An estimate of the resources of a job.

    Attributes:
        frames: number of output frames.
        frames_made_before: of these, how many an earlier run has finished.
        frames_to_make: output frames that are not finished yet.
        seconds: estimated time for them; None until a few frames are made.
        memory_bytes: approximate memory of the whole job.
        disk_bytes: space for segments and result; a lower bound until something is encoded.
        disk_free_bytes: free space.
    """

    frames: int
    frames_made_before: int
    frames_to_make: int
    seconds: float | None
    memory_bytes: int
    disk_bytes: int
    disk_free_bytes: int


def least_bytes(frames: int, size: tuple[int, int]) -> int:
    """A lower bound for the disk space of the segments of a job and of the file joined from them."""
    width, height = size
    return 2 * int(frames * width * height * _LEAST_BITS_PER_PIXEL / 8)


def beside_network_bytes(size: tuple[int, int]) -> int:
    """Memory of a job beside its network, for frames of a given size."""
    return _FIXED_BYTES + size[0] * size[1] * _BESIDE_NETWORK_BYTES_PER_PX


def projected_bytes(made_bytes: int, made_frames: int, frames: int) -> int:
    """Disk space still needed, from the size of the finished segments: the other segments, and the joined file."""
    per_frame = made_bytes / made_frames
    return int(per_frame * (2 * frames - made_frames))


def free_bytes(folder: Path) -> int:
    """Free space on the disk of a folder."""
    return shutil.disk_usage(folder).free


def check_disk(needed_bytes: int, folder: Path) -> None:
    """Check that the disk has enough space.

    Raises:
        JobError: it has not.
    """
    free = free_bytes(folder)
    if needed_bytes + _RESERVE_BYTES > free:
        raise JobError(
            f"{folder}: the disk has {readable_bytes(free)} left, and the job needs about "
            f"{readable_bytes(needed_bytes)} and a reserve of {readable_bytes(_RESERVE_BYTES)}.",
            hint=Hint("Make room and repeat the job, which continues after the last finished segment, or raise {crf}."),
        )
