"""The work folder of a job: its finished segments, and a manifest of the job that they belong to.

A segment appears when it is complete, with a record beside it. The manifest holds the source, settings and weights of
the segments; a job that differs is refused. Only files that the job made are removed.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from rife.atomic import appearing_whole, named_beside, put_in_place
from rife.errors import Hint, JobError
from rife.media.measure import Cells
from rife.media.paths import Output

_FORMAT = 4
"""Raised with every change of the stored files, and of the result of the same settings: old segments are not reused."""
_OWN_FILE = re.compile(r"manifest\.json|lock|\d{6}\.(mkv|mov|json)|\.(manifest|\d{6}|joined)\.[0-9a-f]{12}\.\w+")


@dataclass(frozen=True)
class SegmentRecord:
    """What is stored of a finished segment beside its pictures.

    Attributes:
        frames: number of output frames.
        sha256: of the file of the segment.
        reordering: how many frames a decoder has to delay to show the segment.
        encoded: thumbnail cells of each frame as it went into the encoder, one after the other, in base64; every frame
            has the same number of cells.
        luma_step: mean luma of each new frame less that of its source frames, weighted by time; 0 for source frames.
        luma_outside: by how much the mean luma of each new frame lies above (or, below 0, under) that of both of its
            source frames.
    """

    frames: int
    sha256: str
    reordering: int
    encoded: str
    luma_step: tuple[float, ...]
    luma_outside: tuple[float, ...]

    def encoded_cells(self) -> Iterator[Cells]:
        """Yield the cells of the thumbnail of each frame."""
        cells: Cells = np.frombuffer(b64decode(self.encoded), np.uint8)
        yield from cells.reshape(self.frames, -1)


def packed_cells(cells: Sequence[Cells]) -> str:
    """Thumbnails of the frames of a segment, in the form of `SegmentRecord.encoded`."""
    return b64encode(b"".join(cell.tobytes() for cell in cells)).decode("ascii")


def work_folder(output: Output) -> Path:
    """Folder that holds the segments of an output until it is complete."""
    path = output.path if output.path.name else output.path.absolute()
    if output.kind == "pattern" and not path.parent.exists():
        path = path.parent  # which is created with the output
    return named_beside(path, "", f"{path.suffix}.rife-work")


def finished_segments(folder: Path) -> int:
    """How many finished segments a work folder holds; 0 where there is none."""
    return sum(1 for _ in folder.glob("[0-9]*.json"))


class Workspace:
    """An open work folder, locked by one process at a time."""

    def __init__(self, folder: Path, identity: Mapping[str, object], *, restart: bool = False) -> None:
        """Open and lock a work folder, which is created if there is none.

        Args:
            folder: from `work_folder`.
            identity: everything that the result depends on, as named plain values.
            restart: delete the segments of a job with another identity.

        Raises:
            JobError: another process works there, or the folder holds segments of another job.
            OSError: the folder cannot be created or written.
        """
        self.folder = folder
        self._records: dict[int, SegmentRecord] = {}
        self._done = False
        if folder.exists() and not folder.is_dir():
            raise JobError(f"{folder}: expected a folder for the segments of the job, got a file. Move it away.")
        folder.mkdir(exist_ok=True)
        self._lock = FileLock(folder / "lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout as err:
            raise JobError(f"{folder}: another process is working on this output. Wait for it, or stop it.") from err
        try:
            self._begin({"format": _FORMAT, **identity}, restart=restart)
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the folder; without a finished segment it is removed."""
        self._release()

    def _release(self) -> None:
        if not self.folder.is_dir():  # removed by someone else; that error is raised already
            self._lock.release()
            return
        useful = not self._done and finished_segments(self.folder) > 0
        if not useful:
            self._remove_segments()
        self._lock.release()
        if not useful:
            (self.folder / "lock").unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def segment_path(self, number: int, suffix: str) -> Path:
        """File of a segment."""
        return self.folder / f"{number:06d}{suffix}"

    def finished(self, number: int, suffix: str) -> SegmentRecord | None:
        """The record of a segment, if it is finished and its file has not changed."""
        if number in self._records:
            return self._records[number]
        path = self.segment_path(number, suffix)
        try:
            fields = json.loads(path.with_suffix(".json").read_text())
            fields["luma_step"], fields["luma_outside"] = tuple(fields["luma_step"]), tuple(fields["luma_outside"])
            record = SegmentRecord(**fields)
            whole = sha256_of(path) == record.sha256
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if whole:
            self._records[number] = record
        return record if whole else None

    @contextmanager
    def growing(self, number: int, suffix: str) -> Iterator[Path]:
        """Yield a path for a segment while it is rendered; what is left there afterwards is removed."""
        temporary = self.folder / f".{number:06d}.{uuid.uuid4().hex[:12]}{suffix}"
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def joining(self, target: Path) -> Iterator[Path]:
        """Yield a path for the joined file, which gets the name `target` when the block ends without an error.

        It lies in this folder, so that the next run finds and removes it if this one is killed.
        """
        temporary = self.folder / f".joined.{uuid.uuid4().hex[:12]}{target.suffix}"
        try:
            yield temporary
            put_in_place(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def keep(self, number: int, temporary: Path, record: SegmentRecord) -> None:
        """Keep a finished segment."""
        path = self.segment_path(number, temporary.suffix)
        put_in_place(temporary, path)  # first the pictures, then the record that declares them finished
        with appearing_whole(path.with_suffix(".json")) as file:
            file.write_text(json.dumps(asdict(record)))
        self._records[number] = record

    def segments_bytes(self) -> int:
        """Disk space of the finished segments."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if _OWN_FILE.fullmatch(path.name))

    def finish(self) -> None:
        """Mark the output as complete: the segments are removed when the folder is released."""
        self._done = True

    def _remove_segments(self) -> None:
        for path in self.folder.iterdir():
            if path.name != "lock" and _OWN_FILE.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _begin(self, identity: dict[str, object], *, restart: bool) -> None:
        manifest = self.folder / "manifest.json"
        wanted = json.loads(json.dumps(identity))
        for path in self.folder.iterdir():
            if path.name.startswith(".") and _OWN_FILE.fullmatch(path.name):
                path.unlink()  # incomplete, of a process that was killed
        found = _read(manifest)
        if found == wanted:
            return
        if found is not None and not restart and finished_segments(self.folder) > 0:
            changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
            differences = "; ".join(f"{key} was {found.get(key)}, is {wanted.get(key)}" for key in changed[:4])
            raise JobError(
                f"{self.folder}: holds finished segments of a job that differs ({differences}).",
                hint=Hint("Repeat that job to continue it, or begin anew with {restart}.", {"restart": True}),
            )
        self._remove_segments()
        with appearing_whole(manifest) as file:
            file.write_text(json.dumps(wanted, indent=1))


def sha256_of(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _read(manifest: Path) -> dict[str, object] | None:
    try:
        found = json.loads(manifest.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
