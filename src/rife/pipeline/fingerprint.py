"""The identity of a job: everything that its segments depend on. Segments of different jobs are never mixed."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import torch

from rife.errors import Hint, MediaError
from rife.interpolation.interpolator import Interpolator
from rife.kernels import kernels
from rife.media.images.sequence import ImageSequence
from rife.media.source import Source
from rife.media.video.encoding import Encoding
from rife.media.video.spool import Spool
from rife.options import OnDamage
from rife.pipeline.plan import Plan
from rife.version import __version__

_SAMPLE_BYTES = 1 << 20


def job_identity(
    source: Source, plan: Plan, encoding: Encoding, interpolator: Interpolator, *, on_damage: OnDamage
) -> dict[str, object]:
    """Describe a job by named plain values, for the manifest and for messages.

    Args:
        source: the open input.
        plan: its frames.
        encoding: of the output.
        interpolator: renders the frames.
        on_damage: the choice for input that cannot be decoded.
    """
    survey = hashlib.sha256(plan.survey.to_json().encode()).hexdigest()
    clock = {name: str(value) for name, value in asdict(plan.clock).items()}
    return {
        "source": fingerprint(source),
        "source frames": f"{len(plan.survey.pts)} ({survey[:16]})",
        "times": f"{type(plan.clock).__name__} {clock}",
        "at cuts": plan.at_cut,
        "duplicates": plan.duplicates,
        "on damage": on_damage,
        "network": interpolator.identity((plan.size[1], plan.size[0])),
        "encoder": f"{encoding.codec} {encoding.pixel_format} {sorted(encoding.options.items())}",
        "version": f"rife {__version__}, torch {torch.__version__}",
        # The two implementations round differently, by one code in some pixels.
        "colours": "PyTorch" if kernels("yuv") is None else "kernels",
    }


def check_unchanged(source: Path, before: object) -> None:
    """Check that the source is still the one that was planned for.

    Args:
        source: the input.
        before: its `state_of` when the job began.

    Raises:
        MediaError: it is missing, or has been modified.
    """
    if state_of(source) != before:
        raise MediaError(
            f"{source}: has been changed, moved or removed while the job ran.",
            hint=Hint(
                "Put it back as it was and repeat the job, which continues after the last finished segment; or begin "
                "anew with {restart}.",
                {"restart": True},
            ),
        )


def state_of(source: Path) -> object:
    """Sizes and modification times of a source; None if it is missing."""
    try:
        if source.is_dir():
            entries = [(entry.name, entry.stat()) for entry in source.iterdir()]
            return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in entries)
        stat = source.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def fingerprint(source: Source) -> str:
    """A hash of the source: of both ends of a file; of names, sizes and times of image files; of all data of a pipe."""
    if isinstance(source, Spool):
        return source.fingerprint
    path = source.info.path
    if not isinstance(source, ImageSequence):
        size = path.stat().st_size
        with path.open("rb") as file:
            ends = file.read(_SAMPLE_BYTES)
            file.seek(max(0, size - _SAMPLE_BYTES))
            ends += file.read(_SAMPLE_BYTES)
        return f"{size} bytes, {hashlib.sha256(ends).hexdigest()[:16]}"
    entries = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in source.files]
    return f"{len(entries)} files, {hashlib.sha256(repr(entries).encode()).hexdigest()[:16]}"
