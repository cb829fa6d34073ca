"""What a job needs against what is there, before it begins and while it learns better."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rife.errors import JobError
from rife.options import readable_bytes

_LEAST_BITS_PER_PIXEL = 0.004
"""No encoder makes less of a moving picture; a job that lacks room even for this cannot end well."""

_RESERVE_BYTES = 50_000_000

_FIXED_BYTES = 600_000_000
_BESIDE_NETWORK_BYTES_PER_PX = 180
"""What a job takes beside the network: libraries, and frames of the decoder, the encoder and between them. Measured for
x264: 3.5 to 4.4 GB in all at 3840x2160, 8.5 GB at 7680x4320."""


@dataclass(frozen=True)
class Forecast:
    """What a job will take.

    Attributes:
        frames: output frames in all.
        frames_made_before: of these, how many an earlier run has finished.
        frames_to_make: new frames that the network still has to make.
        seconds: how long that takes, or None before any frame is made.
        memory_bytes: what the whole job takes, about.
        disk_bytes: room for parts and result; the least that is possible before anything is encoded.
        disk_free_bytes: room that there is.
    """

    frames: int
    frames_made_before: int
    frames_to_make: int
    seconds: float | None
    memory_bytes: int
    disk_bytes: int
    disk_free_bytes: int


def least_bytes(frames: int, size: tuple[int, int]) -> int:
    """Least room for the parts of a job and the file that they are joined to."""
    width, height = size
    return 2 * int(frames * width * height * _LEAST_BITS_PER_PIXEL / 8)


def beside_network_bytes(size: tuple[int, int]) -> int:
    """Memory that a job takes beside its network, for frames of a size."""
    return _FIXED_BYTES + size[0] * size[1] * _BESIDE_NETWORK_BYTES_PER_PX


def projected_bytes(made_bytes: int, made_frames: int, frames: int) -> int:
    """Room that is still needed, from what the finished parts take: the rest of them, and the file joined of all."""
    per_frame = made_bytes / made_frames
    return int(per_frame * (2 * frames - made_frames))


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder."""
    return shutil.disk_usage(folder).free


def check_disk(needed_bytes: int, folder: Path) -> None:
    """Refuse what cannot fit.

    Raises:
        JobError: it does not.
    """
    free = free_bytes(folder)
    if needed_bytes + _RESERVE_BYTES > free:
        raise JobError(
            f"{folder}: the disk has {readable_bytes(free)} left, and the job needs about "
            f"{readable_bytes(needed_bytes)} and a reserve of {readable_bytes(_RESERVE_BYTES)}. "
            "Make room and repeat the command, which goes on after the last finished part, or take a higher --crf."
        )
