"""Atomic writes: a file or folder appears under its name only when it is complete, also after a power cut.

Every writer of the package uses this module. The content is written under a temporary name in the same folder,
synchronised with the disk, and renamed; then the folder is synchronised, which makes the new name permanent.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rife.errors import REPLACE, JobError

_MOST_NAME_BYTES = 255
"""Longest file name on nearly every file system."""


def named_beside(path: Path, before: str, after: str) -> Path:
    """A path in the same folder, named `before` + stem + `after`.

    If the name is too long for a file system, a hash of the whole name replaces its end.

    Args:
        path: the path that gives the stem.
        before: prefix.
        after: suffix, with the file extension.
    """
    stem, room = path.stem, _MOST_NAME_BYTES - len(f"{before}{after}".encode())
    if len(stem.encode()) > room:
        mark = "~" + hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = stem.encode()[: room - len(mark)].decode(errors="ignore") + mark
    return path.with_name(f"{before}{stem}{after}")


def is_too_long(path: Path) -> bool:
    """Whether a file name is longer than file systems allow."""
    return len(os.fsencode(path.name)) > _MOST_NAME_BYTES


def temporary_beside(path: Path) -> Path:
    """A hidden, unique path in the same folder with the same extension; nothing is created."""
    return named_beside(path, ".", f".{uuid.uuid4().hex[:12]}{path.suffix}")


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` when the block ends without an error.

    Two processes may write the same path at the same time: each writes its own temporary file, and the last rename
    wins. After an error, the temporary file is removed.

    Args:
        path: the final path, in a folder that exists.

    Raises:
        OSError: the folder cannot be written.
    """
    temporary = temporary_beside(path)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a complete file. After a power cut, the path holds either the old or the new file, complete.

    Args:
        temporary: the file, on the same disk.
        path: final path; an existing file is replaced.

    Raises:
        OSError: the folder cannot be written, or the disk fails.
    """
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


def put_folder_in_place(temporary: Path, folder: Path) -> None:
    """Rename a folder of synchronised files, and make the name permanent.

    Args:
        temporary: the folder.
        folder: final path; nothing may exist there.

    Raises:
        OSError: the final path exists, or the disk fails.
    """
    sync_folder(temporary)
    temporary.rename(folder)
    sync_folder(folder.parent)


def put_all_in_place(temporary: Path, folder: Path) -> set[str]:
    """Move the synchronised files of a folder into an existing folder; files of the same names are replaced.

    Args:
        temporary: the folder with the new files.
        folder: the destination.

    Returns:
        The names of the new files.

    Raises:
        OSError: the folder cannot be written, or the disk fails.
    """
    sync_folder(temporary)
    names = sorted(path.name for path in temporary.iterdir())
    for name in names:
        (temporary / name).replace(folder / name)
    sync_folder(folder)
    return set(names)


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk.

    Raises:
        OSError: the disk fails.
    """
    with path.open("r+b") as file:  # Windows synchronises only files that are open for writing
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system can synchronise folders.

    Raises:
        OSError: the disk fails.
    """
    if os.name != "posix":  # elsewhere folders cannot be synchronised
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class AppearingFile:
    """An output file that is written under a temporary name and appears when it is complete."""

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        """Choose the temporary name; nothing is created yet.

        Raises:
            JobError: the target exists, and `overwrite` is false.
        """
        self.target, self._overwrite = target, overwrite
        self._check()
        self.path = temporary_beside(target)

    def appear(self) -> None:
        """Rename the file to its own name.

        Raises:
            JobError: another file has appeared under that name meanwhile, and `overwrite` is false.
            OSError: the file cannot be renamed, or the disk fails.
        """
        self._check()
        put_in_place(self.path, self.target)

    def discard(self) -> None:
        """Remove the temporary file, if it still exists."""
        self.path.unlink(missing_ok=True)

    def _check(self) -> None:
        if self.target.exists() and not self._overwrite:
            raise JobError(f"{self.target}: exists already.", hint=REPLACE)
