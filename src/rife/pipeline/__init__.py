"""The main job: a video in, the same video with more frames out.

Names are resolved when they are first used: the options of a job are read without the libraries that run it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rife.pipeline.api import interpolate_video
    from rife.pipeline.budget import Forecast
    from rife.pipeline.job import run_job
    from rife.pipeline.outputs import check_job, default_output
    from rife.pipeline.result import Progress, VideoResult
    from rife.pipeline.settings import JobSettings
    from rife.pipeline.workspace import work_folder

__all__ = [
    "Forecast",
    "JobSettings",
    "Progress",
    "VideoResult",
    "check_job",
    "default_output",
    "interpolate_video",
    "run_job",
    "work_folder",
]

_HOMES = {
    "Forecast": "budget",
    "JobSettings": "settings",
    "Progress": "result",
    "VideoResult": "result",
    "check_job": "outputs",
    "default_output": "outputs",
    "interpolate_video": "api",
    "run_job": "job",
    "work_folder": "workspace",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"rife.pipeline.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rife.pipeline' has no attribute {name!r}")
