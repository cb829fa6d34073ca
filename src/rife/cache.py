"""Where rife keeps what it fetched, and how files appear there: whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "RIFE_CACHE"
"""Environment variable that overrides the cache folder."""


def cache_folder() -> Path:
    """Folder of fetched weights and clips: `RIFE_CACHE`, or the user's cache folder."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override).expanduser() if override else platformdirs.user_cache_path("rife")


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` when the block ends well.

    Two processes may do this for one path at the same moment: each writes its own file, and the last rename
    wins. When the block raises, nothing is left behind.

    Args:
        path: the file to appear, in a folder that exists.

    Raises:
        OSError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:12]}{path.suffix}")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
