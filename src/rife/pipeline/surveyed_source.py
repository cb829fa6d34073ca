"""A source while it is surveyed: prefetched, with a checksum of every frame, and ending where it is damaged."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from types import TracebackType

import av

from rife.errors import MediaError, TruncatedMediaError
from rife.media.images.sequence import ImageSequence
from rife.media.measure import samples_crc32
from rife.media.source import OneSize, Source, SourceFrame
from rife.media.video.reader import VideoReader
from rife.media.video.showing_times import TimeSpan
from rife.pipeline.prefetch import Prefetcher


def frame_checksum(picture: av.VideoFrame) -> int:
    """CRC-32 of the samples of a decoded frame: the same frame has it again when it is decoded from another place."""
    return samples_crc32(picture.reformat(format="rgb24") if picture.format.has_palette else picture)


class SurveyedSource:
    """A source that ends without an error where it is damaged.

    Attributes:
        first: the first picture, after a pass.
        damage: the error that ended the source, or None.
        names: name of each source frame, where they have names.
        checksums: `frame_checksum` of each source frame.
    """

    def __init__(self, source: Source) -> None:
        """Wrap an open source, which its owner closes."""
        self.info = source.info
        self.first: av.VideoFrame | None = None
        self.damage: TruncatedMediaError | None = None
        self.names: list[str | None] = []
        self.checksums = array("L")
        self._source, self._reader = OneSize(source), source

    def __enter__(self) -> SurveyedSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the source open: its owner closes it."""

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
        """Irregularities of the source, as sentences."""
        found = list(self._reader.notes) if isinstance(self._reader, (VideoReader, ImageSequence)) else []
        return found if self.damage is None else [*found, f"{self.damage} The output ends there"]

    @property
    def lost(self) -> tuple[TimeSpan, ...]:
        """The time ranges that could not be decoded, in which the frame before is held."""
        return tuple(self._reader.findings.lost) if isinstance(self._reader, (VideoReader, ImageSequence)) else ()

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the frames of the source up to where it is damaged.

        Raises:
            MediaError: the frame size changes.
        """
        prefetcher = Prefetcher(frame for frame in self._source.frames(from_pts=from_pts))
        try:
            for frame in prefetcher:
                self.first = self.first or frame.picture
                if frame.name is not None:
                    self.names.append(frame.name)
                self.checksums.append(frame_checksum(frame.picture))
                yield frame
        except TruncatedMediaError as err:
            self.damage = err
        finally:
            prefetcher.close()
