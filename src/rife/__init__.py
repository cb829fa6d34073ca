"""Video frame interpolation with RIFE (Huang et al., ECCV 2022), in an independent implementation.

Names are resolved when they are first used, so that `import rife` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rife.errors import (
    CancelledError,
    CheckpointError,
    EngineFaultError,
    FetchError,
    FinishedFileError,
    JobError,
    MediaError,
    MissingExtraError,
    OptionError,
    RifeError,
    ShapeError,
    TruncatedMediaError,
)
from rife.version import __version__

if TYPE_CHECKING:
    from rife.interpolation.interpolator import Interpolator
    from rife.interpolation.load import load
    from rife.interpolation.stream import interpolate
    from rife.pipeline import JobSettings, Progress, VideoResult, interpolate_video

__all__ = [
    "CancelledError",
    "CheckpointError",
    "EngineFaultError",
    "FetchError",
    "FinishedFileError",
    "Interpolator",
    "JobError",
    "JobSettings",
    "MediaError",
    "MissingExtraError",
    "OptionError",
    "Progress",
    "RifeError",
    "ShapeError",
    "TruncatedMediaError",
    "VideoResult",
    "__version__",
    "interpolate",
    "interpolate_video",
    "load",
]

_HOMES = {
    "Interpolator": "rife.interpolation.interpolator",
    "interpolate": "rife.interpolation.stream",
    "load": "rife.interpolation.load",
    "JobSettings": "rife.pipeline",
    "Progress": "rife.pipeline",
    "VideoResult": "rife.pipeline",
    "interpolate_video": "rife.pipeline",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'rife' has no attribute {name!r}")
