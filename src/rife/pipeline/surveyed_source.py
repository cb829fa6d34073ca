"""A source while it is surveyed: read ahead; what the survey does not keep; a damaged end that does not end the job."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import av

from rife.errors import MediaError, TruncatedMediaError
from rife.media.images.sequence import ImageSequence
from rife.media.source import OneSize, Source, SourceFrame
from rife.media.video.reader import VideoReader
from rife.media.video.showing_times import TimeSpan
from rife.pipeline.prefetch import Ahead


class ObservedSource:
    """A source that ends quietly where it is damaged, and remembers that, its first picture and the names."""

    def __init__(self, source: Source) -> None:
        """Observe an open source."""
        self.info = source.info
        self.first: av.VideoFrame | None = None
        self.damage: TruncatedMediaError | None = None
        self.names: list[str | None] = []
        self._source, self._reader = OneSize(source), source

    def __enter__(self) -> ObservedSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the source open: it is not this one's to close."""

    @property
    def first_picture(self) -> av.VideoFrame:
        """The first picture, after a pass.

        Raises:
            MediaError: there was none.
        """
        if self.first is None:
            raise MediaError(f"{self.info.path}: no frame could be decoded.")
        return self.first

    @property
    def notes(self) -> list[str]:
        """What the source found out of order while it was read, as sentences."""
        found = list(self._reader.notes) if isinstance(self._reader, (VideoReader, ImageSequence)) else []
        return found if self.damage is None else [*found, f"{self.damage} The output ends there"]

    @property
    def lost(self) -> tuple[TimeSpan, ...]:
        """Where the source could not be decoded, and the picture before was held."""
        return tuple(self._reader.findings.lost) if isinstance(self._reader, (VideoReader, ImageSequence)) else ()

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the frames of the source up to where it is damaged.

        Raises:
            MediaError: the picture changes its size.
        """
        ahead = Ahead(frame for frame in self._source.frames(from_pts=from_pts))
        try:
            for frame in ahead:
                self.first = self.first or frame.picture
                if frame.name is not None:
                    self.names.append(frame.name)
                yield frame
        except TruncatedMediaError as err:
            self.damage = err
        finally:
            ahead.close()
