"""The main job: a video in, a smoother one out."""

from rife.pipeline.api import interpolate_video
from rife.pipeline.budget import Forecast
from rife.pipeline.job import run_job
from rife.pipeline.outputs import check_job, default_output
from rife.pipeline.settings import JobSettings, Progress, VideoResult
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
