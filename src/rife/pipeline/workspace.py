"""The work folder of a job: finished segments, and what they belong to.

A segment is there whole, with a record beside it, or not at all. The manifest says which source, settings and
weights the segments were made from; a job with others is refused. Only files that the job made are removed.
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
from rife.errors import JobError
from rife.media.measure import Cells
from rife.media.paths import Output

_FORMAT = 3
"""Raised with every change of what is kept, and of what the same settings make: old parts are not mixed with new."""
_OWN_FILE = re.compile(r"manifest\.json|lock|\d{6}\.(mkv|mov|json)|\.(manifest|\d{6}|joined)\.[0-9a-f]{12}\.\w+")


@dataclass(frozen=True)
class SegmentRecord:
    """What is kept of a finished segment beside its pictures.

    Attributes:
        frames: how many it has.
        sha256: of its file.
        reordering: how many frames a decoder has to hold back to show it.
        sent: cells of the thumbnail of each frame as it was handed to the encoder, one frame after the other, in
            base64; all frames have as many.
        luma_step: mean luma of each new frame less that of its source frames, weighted by time; 0 for source frames.
        luma_outside: by how much the mean luma of each new frame lies above (or, below 0, under) that of both of its
            source frames.
        resume_source: number of the first source frame that the next segment may need.
        resume_crc32: of that frame's samples, by which the place is found again.
    """

    frames: int
    sha256: str
    reordering: int
    sent: str
    luma_step: tuple[float, ...]
    luma_outside: tuple[float, ...]
    resume_source: int
    resume_crc32: int

    def sent_cells(self) -> Iterator[Cells]:
        """Yield the cells of the thumbnail of each frame."""
        cells: Cells = np.frombuffer(b64decode(self.sent), np.uint8)
        yield from cells.reshape(self.frames, -1)


def packed_cells(cells: Sequence[Cells]) -> str:
    """Thumbnails of the frames of a segment, as `SegmentRecord.sent` keeps them."""
    return b64encode(b"".join(cell.tobytes() for cell in cells)).decode("ascii")


def work_folder(output: Output) -> Path:
    """Folder in which the parts of an output are kept until it is whole."""
    path = output.path if output.path.name else output.path.absolute()
    if output.kind == "pattern" and not path.parent.exists():
        path = path.parent  # which is made when all pictures are
    return named_beside(path, "", f"{path.suffix}.rife-work")


class Workspace:
    """An open work folder, held by one process at a time."""

    def __init__(self, folder: Path, identity: Mapping[str, object], *, restart: bool = False) -> None:
        """Take a work folder, which is made if there is none.

        Args:
            folder: from `work_folder`.
            identity: everything that the result depends on, as plain values under names that users know.
            restart: throw away what is there from a job with another identity.

        Raises:
            JobError: another process works there, or another job's parts are in there.
            OSError: the folder cannot be made or written.
        """
        self.folder = folder
        self._records: dict[int, SegmentRecord] = {}
        self._done = False
        if folder.exists() and not folder.is_dir():
            raise JobError(f"{folder}: expected a folder for the parts of the job, got a file. Move it away.")
        folder.mkdir(exist_ok=True)
        self._lock = FileLock(folder / "lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout as err:
            raise JobError(f"{folder}: another process is working on this output. Wait for it, or stop it.") from err
        try:
            self._begin({"format": _FORMAT, **identity}, restart=restart)
        except BaseException:
            self._let_go()
            raise

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the folder; one without a finished segment is removed."""
        self._let_go()

    def _let_go(self) -> None:
        if not self.folder.is_dir():  # somebody has removed it; what went wrong then is told already
            self._lock.release()
            return
        useful = not self._done and any(self.folder.glob("[0-9]*.json"))
        if not useful:
            self._remove_parts()
        self._lock.release()
        if not useful:
            (self.folder / "lock").unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def segment_path(self, number: int, suffix: str) -> Path:
        """File of a segment."""
        return self.folder / f"{number:06d}{suffix}"

    def finished(self, number: int, suffix: str) -> SegmentRecord | None:
        """The record of a segment, if it is finished and its file is what it was."""
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
        """Yield a path for a segment that is being made, and remove what is left there afterwards."""
        temporary = self.folder / f".{number:06d}.{uuid.uuid4().hex[:12]}{suffix}"
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def joining(self, target: Path) -> Iterator[Path]:
        """Yield a path for the whole file, which gets the name `target` when the block ends well.

        It grows in here, so that the next run finds and removes it where this one is killed.
        """
        temporary = self.folder / f".joined.{uuid.uuid4().hex[:12]}{target.suffix}"
        try:
            yield temporary
            put_in_place(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def keep(self, number: int, temporary: Path, record: SegmentRecord) -> None:
        """Take in a finished segment."""
        path = self.segment_path(number, temporary.suffix)
        put_in_place(temporary, path)  # first the pictures, then the record that vouches for them
        with appearing_whole(path.with_suffix(".json")) as file:
            file.write_text(json.dumps(asdict(record)))
        self._records[number] = record

    def parts_bytes(self) -> int:
        """Room that the finished parts take."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if _OWN_FILE.fullmatch(path.name))

    def finish(self) -> None:
        """Say that the output is in its place: the parts are removed when the folder is let go."""
        self._done = True

    def _remove_parts(self) -> None:
        for path in self.folder.iterdir():
            if path.name != "lock" and _OWN_FILE.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _begin(self, identity: dict[str, object], *, restart: bool) -> None:
        manifest = self.folder / "manifest.json"
        wanted = json.loads(json.dumps(identity))
        for path in self.folder.iterdir():
            if path.name.startswith(".") and _OWN_FILE.fullmatch(path.name):
                path.unlink()  # half of something, from a process that was killed
        found = _read(manifest)
        if found == wanted:
            return
        if found is not None and not restart and any(self.folder.glob("[0-9]*.json")):
            changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
            told = "; ".join(f"{key} was {found.get(key)}, is {wanted.get(key)}" for key in changed[:4])
            raise JobError(
                f"{self.folder}: holds finished parts of a job that differs ({told}). Repeat that job's command to go "
                "on with it, or begin anew with --restart."
            )
        self._remove_parts()
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
