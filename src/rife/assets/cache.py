"""The cache folder: fetched weights and clips, compiled graphs and kernels."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "RIFE_CACHE"
"""Environment variable that overrides the cache folder."""


def cache_folder() -> Path:
    """The cache folder: `RIFE_CACHE`, or the user's cache folder for rife."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override).expanduser() if override else platformdirs.user_cache_path("rife")
