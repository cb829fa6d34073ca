"""Where rife keeps what it fetched, and how files appear there: whole or not at all."""

from __future__ import annotations

import hashlib
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


_MOST_NAME_BYTES = 255
"""Of a file name, on nearly every file system."""


def named_beside(path: Path, before: str, after: str) -> Path:
    """A path beside another one, of the same name between two additions.

    A name that would be too long for a file system loses its end, for a hash of the whole name in its place.

    Args:
        path: whose stem is taken.
        before: put before it.
        after: put behind it, with the ending.
    """
    stem, room = path.stem, _MOST_NAME_BYTES - len(f"{before}{after}".encode())
    if len(stem.encode()) > room:
        mark = "~" + hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = stem.encode()[: room - len(mark)].decode(errors="ignore") + mark
    return path.with_name(f"{before}{stem}{after}")


def is_too_long(path: Path) -> bool:
    """Whether a name is longer than file systems take."""
    return len(os.fsencode(path.name)) > _MOST_NAME_BYTES


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
    temporary = named_beside(path, ".", f".{uuid.uuid4().hex[:12]}{path.suffix}")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a finished file, so that after a power cut it is there whole or not at all.

    Args:
        temporary: a whole file.
        path: its final name, in the same folder; replaced if it exists.

    Raises:
        OSError: the folder cannot be written, or the disk fails.
    """
    # Windows synchronises what is open for writing only.
    with temporary.open("r+b") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    if os.name == "posix":  # elsewhere folders cannot be synchronised
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
