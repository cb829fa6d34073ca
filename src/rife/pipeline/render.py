"""Renders one segment: source frames in, new frames between them, all encoded into the segment's file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path

import av
import torch
from torch import Tensor

from rife.errors import MediaError
from rife.interpolation.interpolator import Interpolator
from rife.interpolation.prepared import PreparedFrame
from rife.media.colour.convert import adapted, from_rgb, to_rgb
from rife.media.measure import Cells, Thumbnail, thumbnail
from rife.media.source import Source, SourceFrame
from rife.media.video.mux import Picture
from rife.media.video.segment import SegmentReader, SegmentWriter
from rife.pipeline.background import BackgroundWorker
from rife.pipeline.plan import Plan, PlannedFrame, Segment
from rife.pipeline.prefetch import Prefetcher
from rife.pipeline.surveyed_source import frame_checksum
from rife.pipeline.workspace import SegmentRecord, packed_cells, sha256_of


@dataclass
class _UsedFrame:
    """A source frame in use, in the format of the output."""

    number: int
    picture: av.VideoFrame
    thumbnail: Thumbnail
    prepared: PreparedFrame | None = None


class SegmentRenderer:
    """Renders segments of a plan, in any order. In order, a segment uses the source frames that the last one has read.

    A segment has the same frames in any order: the source is read from the segment's first frame on, which is
    recognised by its checksum in the plan.
    """

    def __init__(self, source: Source, plan: Plan, *, interpolator: Interpolator, picture: Picture) -> None:
        """Prepare to render segments.

        Args:
            source: an open input.
            plan: the frames of the job.
            interpolator: renders the frames.
            picture: encoder, colour and clock of the output.
        """
        self._source, self._plan, self._interpolator, self._picture = source, plan, interpolator, picture
        self._frames: Prefetcher[tuple[int, SourceFrame]] | None = None
        self._in_use: dict[int, _UsedFrame] = {}
        self._next_segment = 0
        self.frames_made = 0
        self.seconds_making = 0.0

    def render(
        self,
        segment: Segment,
        path: Path,
        *,
        on_frame: Callable[[], None],
        on_tile: Callable[[int, int], None] | None = None,
    ) -> SegmentRecord:
        """Render a segment.

        Args:
            segment: of the plan.
            path: file to write.
            on_frame: called for each rendered frame; the last three may not be encoded yet.
            on_tile: called for each rendered tile of a frame, with the number of finished tiles and of all.

        Raises:
            MediaError: the source cannot be read, or the segment cannot be written.
        """
        encoded: list[Cells] = []
        steps: list[tuple[float, float]] = []
        picture = self._picture
        self._go_to(segment)
        writer = SegmentWriter(
            path,
            picture.encoding,
            first=picture.first,
            frame_rate=picture.frame_rate,
            time_base=picture.time_base,
            sample_aspect_ratio=picture.sample_aspect_ratio,
            threads=self._encoder_threads(),
        )

        def write(frame: PlannedFrame, picture_of: Callable[[], av.VideoFrame], around: list[Thumbnail]) -> None:
            rendered = picture_of()
            seen = around[0] if frame.second is None else thumbnail(rendered)
            encoded.append(seen.cells)
            steps.append(_luma_steps(seen, around, float(frame.timestep)))
            writer.write(rendered, frame.pts)

        with writer:
            with BackgroundWorker() as background, self._reporting_tiles(on_tile):
                for frame, picture_of in self._pictures(segment):
                    numbers = (frame.first,) if frame.second is None else (frame.first, frame.second)
                    around = [self._in_use[number].thumbnail for number in numbers]
                    background.do(partial(write, frame, picture_of, around))
                    on_frame()
            writer.finish()
        self._next_segment = segment.number + 1
        with SegmentReader(path) as reader:
            reordering = max(place - item.number for place, item in enumerate(reader.packets()))
        return SegmentRecord(
            frames=len(encoded),
            sha256=sha256_of(path),
            reordering=reordering,
            encoded=packed_cells(encoded),
            luma_step=tuple(round(step, 3) for step, _ in steps),
            luma_outside=tuple(round(outside, 3) for _, outside in steps),
        )

    @contextmanager
    def _reporting_tiles(self, on_tile: Callable[[int, int], None] | None) -> Iterator[None]:
        self._interpolator.tiling.on_tile = on_tile
        try:
            yield
        finally:
            self._interpolator.tiling.on_tile = None

    def close(self) -> None:
        """Stop reading the source."""
        if self._frames is not None:
            self._frames.close()

    def _encoder_threads(self) -> int | None:
        """A few where the network runs on the CPU too: more slow the network down, and do not encode faster."""
        few = self._picture.encoding.few_threads and self._interpolator.device.type == "cpu"
        return max(1, torch.get_num_threads() // 4) if few else None

    def _pictures(self, segment: Segment) -> Iterator[tuple[PlannedFrame, Callable[[], av.VideoFrame]]]:
        """Yield the output frames of a segment, each with a function that returns its picture."""
        for (first, second, blend), group in groupby(
            self._plan.frames(segment), key=lambda frame: (frame.first, frame.second, frame.blend)
        ):
            frames = list(group)
            before = self._get(first)
            self._in_use = {number: used for number, used in self._in_use.items() if number >= first}
            if second is None:
                yield from ((frame, partial(getattr, before, "picture")) for frame in frames)
                continue
            for frame, rgb in zip(frames, self._between(before, self._get(second), frames, blend=blend), strict=True):
                yield frame, partial(from_rgb, rgb, before.picture, siting=self._picture.siting)

    def _between(
        self, before: _UsedFrame, after: _UsedFrame, frames: list[PlannedFrame], *, blend: bool
    ) -> Iterator[Tensor]:
        if blend:
            rgb0, rgb1 = (to_rgb(used.picture, siting=self._picture.siting) for used in (before, after))
            yield from (rgb0.lerp(rgb1, float(frame.timestep)) for frame in frames)
            return
        for used in (before, after):
            if used.prepared is None:
                rgb = to_rgb(used.picture, siting=self._picture.siting)
                used.prepared = self._interpolator.prepare(rgb, copy=False)
        if before.prepared is None or after.prepared is None:
            raise RuntimeError("frames were just prepared")
        rendered = self._interpolator.between(before.prepared, after.prepared, [frame.timestep for frame in frames])
        for _ in frames:
            started = time.perf_counter()
            rgb = next(rendered)
            self.seconds_making += time.perf_counter() - started
            self.frames_made += 1
            yield rgb

    def _get(self, number: int) -> _UsedFrame:
        """The source frame of a number; within a segment, numbers never decrease."""
        while number not in self._in_use:
            found, frame = (None, None) if self._frames is None else next(self._frames, (None, None))
            if found is None or frame is None:
                raise MediaError(f"{self._source.info.path}: ended earlier than when it was first read.")
            if found == number:  # the others are repeats, or lie between two frames of a lower rate
                self._in_use[number] = self._used(number, frame)
        return self._in_use[number]

    def _used(self, number: int, frame: SourceFrame) -> _UsedFrame:
        picture = adapted(frame.picture, self._picture.encoding.pixel_format, siting=self._picture.siting)
        return _UsedFrame(number, picture, thumbnail(picture))

    def _go_to(self, segment: Segment) -> None:
        """Move to the first source frame of a segment, without reading the frames before it where that works.

        Raises:
            MediaError: the frame at that place is not the one of the survey.
        """
        if segment.number == self._next_segment and self._frames is not None:
            return
        self.close()
        number = next(self._plan.frames(segment)).first
        if segment.number == 0:
            self._read(self._source.frames(), 0)
            return
        checksums = self._plan.checksums
        from_there = self._source.frames(from_pts=self._plan.survey.pts[number]) if checksums else iter(())
        for frames in (from_there, self._from_the_beginning(number)):
            # In this thread, which can be interrupted: decoding the frames before it may take long.
            first = next(frames, None)
            if first is None:
                continue
            if not checksums or frame_checksum(first.picture) == checksums[number]:
                self._read(frames, number + 1)
                self._in_use = {number: self._used(number, first)}
                return
        raise MediaError(
            f"{self._source.info.path}: frame {number} is decoded differently from the first time; the file or the "
            "decoder has changed. Repeat the job."
        )

    def _read(self, frames: Iterator[SourceFrame], first: int) -> None:
        """Prefetch the frames of the source, numbered from `first` on."""
        self.close()
        self._in_use = {}
        self._frames = Prefetcher(item for item in enumerate(frames, first))

    def _from_the_beginning(self, number: int) -> Iterator[SourceFrame]:
        yield from islice(self._source.frames(), number, None)


def _luma_steps(seen: Thumbnail, around: list[Thumbnail], timestep: float) -> tuple[float, float]:
    """Difference of a frame's mean luma to that of its source frames, weighted by time, and to the range of both."""
    lumas = [source.luma for source in around]
    expected = lumas[0] + (lumas[-1] - lumas[0]) * timestep
    return seen.luma - expected, seen.luma - min(max(seen.luma, min(lumas)), max(lumas))
