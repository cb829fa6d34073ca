"""Lossless storage of a pipe's frames on disk, so that they can be read more than once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType

from rife.errors import MediaError, TruncatedMediaError
from rife.media.colour.convert import adapted
from rife.media.colour.pixel_formats import LAYOUTS
from rife.media.measure import samples_crc32
from rife.media.source import Source, SourceFrame
from rife.media.video.encoding import intermediate_for
from rife.media.video.segment import SegmentReader, SegmentWriter, segment_suffix


class Spool:
    """The frames of a source that can be read once, as a `Source` that can be read again."""

    def __init__(self, source: Source, folder: Path) -> None:
        """Read a source to its end.

        Args:
            source: an open input.
            folder: folder of the stored frames; the caller removes it.

        Raises:
            MediaError: there are no frames, or they cannot be stored.
        """
        self._damage: TruncatedMediaError | None = None
        self._times: list[tuple[int, int]] = []
        self._digest = hashlib.sha256()
        frames = source.frames()
        first = next(frames, None)
        if first is None:
            raise MediaError(f"{source.info.path}: no frame could be decoded.")
        encoding = intermediate_for(list(LAYOUTS), first.picture)
        self.path = folder / f"spool{segment_suffix(encoding.codec)}"
        self._encoding = encoding
        with SegmentWriter(
            self.path,
            encoding,
            first=first.picture,
            frame_rate=source.info.frame_rate,
            time_base=source.info.time_base,
            sample_aspect_ratio=None,
        ) as writer:
            self._store(first, writer)
            try:
                for frame in frames:
                    self._store(frame, writer)
            except TruncatedMediaError as err:
                self._damage = err
            writer.finish()
        self.info = replace(source.info, path=self.path, frames=len(self._times), can_rewind=True)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the frames: equal for equal frames."""
        return f"{len(self._times)} pictures, {self._digest.hexdigest()[:16]}"

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: no file is open between passes."""

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the stored frames; for arguments and errors see `Source.frames`."""
        start = 0 if from_pts is None else [pts for pts, _ in self._times].index(from_pts)
        with SegmentReader(self.path) as reader:
            pictures = reader.pictures(self._encoding)
            for picture, (pts, duration) in islice(zip(pictures, self._times, strict=True), start, None):
                yield SourceFrame(picture, pts, duration)
        if self._damage is not None:
            raise self._damage

    def _store(self, frame: SourceFrame, writer: SegmentWriter) -> None:
        # y4m has chroma subsamplings, such as 4:1:1, that new frames cannot have.
        writer.write(adapted(frame.picture, self._encoding.pixel_format), frame.pts)
        self._times.append((frame.pts, frame.duration))
        self._digest.update(samples_crc32(frame.picture).to_bytes(4, "big"))
