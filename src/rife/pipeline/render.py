"""Making one segment: source frames in, new frames between them, all into the segment's file."""

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
from rife.media.measure import Cells, Thumbnail, samples_crc32, thumbnail
from rife.media.source import Source, SourceFrame
from rife.media.video.mux import Picture
from rife.media.video.segment import SegmentReader, SegmentWriter
from rife.pipeline.background import Behind
from rife.pipeline.plan import Plan, PlannedFrame, Segment
from rife.pipeline.prefetch import Ahead
from rife.pipeline.workspace import SegmentRecord, packed_cells, sha256_of


@dataclass
class _Held:
    """A source frame that is in use."""

    number: int
    picture: av.VideoFrame
    seen: Thumbnail
    prepared: PreparedFrame | None = None


class SegmentMaker:
    """Makes segments of a plan, in order; what one of them has read, the next one uses."""

    def __init__(self, source: Source, plan: Plan, *, worker: Interpolator, picture: Picture) -> None:
        """Prepare to make segments.

        Args:
            source: an open input.
            plan: which frames to make.
            worker: makes them.
            picture: encoder, colour and clock of the output.
        """
        self._source, self._plan, self._worker, self._picture = source, plan, worker, picture
        self._frames: Ahead[tuple[int, SourceFrame]] | None = None
        self._held: dict[int, _Held] = {}
        self.frames_made = 0
        self.seconds_making = 0.0

    def resume_after(self, record: SegmentRecord) -> None:
        """Go to the place where a finished segment ended, without reading what lies before it where that works.

        Raises:
            MediaError: the source no longer gives the frame that was there.
        """
        number = record.resume_source
        for frames in (self._source.frames(from_pts=self._plan.survey.pts[number]), self._from_the_beginning(number)):
            # Not in the thread that reads ahead: what lies before it may be long, and the user may interrupt that.
            first = next(frames, None)
            if first is None:
                continue
            held = self._hold(number, first)
            if samples_crc32(held.picture) == record.resume_crc32:
                self._held = {number: held}
                self._read(frames, number + 1)
                return
        raise MediaError(
            f"{self._source.info.path}: frame {number} is decoded differently from before; the file or the decoder has "
            "changed. Begin anew with --restart."
        )

    def make(
        self,
        segment: Segment,
        path: Path,
        *,
        on_frame: Callable[[], None],
        on_tile: Callable[[int, int], None] | None = None,
    ) -> SegmentRecord:
        """Make a segment.

        Args:
            segment: of the plan.
            path: file to write.
            on_frame: called when an output frame is made; up to three are not encoded yet then.
            on_tile: called when a tile of a frame is made, with how many are, of how many.

        Raises:
            MediaError: the source cannot be read, or the segment not be written.
        """
        sent: list[Cells] = []
        steps: list[tuple[float, float]] = []
        picture = self._picture
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
            made = picture_of()
            seen = around[0] if frame.second is None else thumbnail(made)
            sent.append(seen.cells)
            steps.append(_luma_steps(seen, around, float(frame.timestep)))
            writer.write(made, frame.pts)

        with writer:
            with Behind() as behind, self._told_of_tiles(on_tile):
                for frame, picture_of in self._pictures(segment):
                    numbers = (frame.first,) if frame.second is None else (frame.first, frame.second)
                    behind.do(partial(write, frame, picture_of, [self._held[number].seen for number in numbers]))
                    on_frame()
            writer.finish()
        with SegmentReader(path) as reader:
            reordering = max(place - item.number for place, item in enumerate(reader.packets()))
        # The next segment may begin before the next frame that is used: where repeated frames are passed over.
        resume = self._held[min(self._held)]
        return SegmentRecord(
            frames=len(sent),
            sha256=sha256_of(path),
            reordering=reordering,
            sent=packed_cells(sent),
            luma_step=tuple(round(step, 3) for step, _ in steps),
            luma_outside=tuple(round(outside, 3) for _, outside in steps),
            resume_source=resume.number,
            resume_crc32=samples_crc32(resume.picture),
        )

    @contextmanager
    def _told_of_tiles(self, on_tile: Callable[[int, int], None] | None) -> Iterator[None]:
        self._worker.tiling.on_tile = on_tile
        try:
            yield
        finally:
            self._worker.tiling.on_tile = None

    def close(self) -> None:
        """Read no further."""
        if self._frames is not None:
            self._frames.close()

    def _encoder_threads(self) -> int | None:
        """A few where the network wants the processor too: more take longer for the same, and hold the network up."""
        few = self._picture.encoding.few_threads and self._worker.device.type == "cpu"
        return max(1, torch.get_num_threads() // 4) if few else None

    def _pictures(self, segment: Segment) -> Iterator[tuple[PlannedFrame, Callable[[], av.VideoFrame]]]:
        """Yield the output frames of a segment, with what gives their pictures."""
        for (first, second, blend), group in groupby(
            self._plan.frames(segment), key=lambda frame: (frame.first, frame.second, frame.blend)
        ):
            frames = list(group)
            before = self._get(first)
            self._held = {number: held for number, held in self._held.items() if number >= first}
            if second is None:
                yield from ((frame, partial(getattr, before, "picture")) for frame in frames)
                continue
            for frame, rgb in zip(frames, self._between(before, self._get(second), frames, blend=blend), strict=True):
                yield frame, partial(from_rgb, rgb, before.picture, siting=self._picture.siting)

    def _between(self, before: _Held, after: _Held, frames: list[PlannedFrame], *, blend: bool) -> Iterator[Tensor]:
        if blend:
            rgb0, rgb1 = (to_rgb(held.picture, siting=self._picture.siting) for held in (before, after))
            yield from (rgb0.lerp(rgb1, float(frame.timestep)) for frame in frames)
            return
        for held in (before, after):
            if held.prepared is None:
                rgb = to_rgb(held.picture, siting=self._picture.siting)
                held.prepared = self._worker.prepare(rgb, lent=False)
        if before.prepared is None or after.prepared is None:
            raise RuntimeError("frames were just prepared")
        made = self._worker.between(before.prepared, after.prepared, [frame.timestep for frame in frames])
        for _ in frames:
            started = time.perf_counter()
            rgb = next(made)
            self.seconds_making += time.perf_counter() - started
            self.frames_made += 1
            yield rgb

    def _get(self, number: int) -> _Held:
        """The source frame of a number, not earlier than any that was asked for before."""
        frames = self._frames or self._read(self._source.frames(), 0)
        while number not in self._held:
            found, frame = next(frames, (None, None))
            if frame is None:
                raise MediaError(f"{self._source.info.path}: ended earlier than when it was first read.")
            if found == number:  # others are repeated, or between two frames of a lower rate
                self._held[number] = self._hold(number, frame)
        return self._held[number]

    def _hold(self, number: int, frame: SourceFrame) -> _Held:
        picture = adapted(frame.picture, self._picture.encoding.pixel_format, siting=self._picture.siting)
        return _Held(number, picture, thumbnail(picture))

    def _read(self, frames: Iterator[SourceFrame], first: int) -> Ahead[tuple[int, SourceFrame]]:
        """Read ahead, from a frame on of which the number is given."""
        self.close()
        self._frames = Ahead(item for item in enumerate(frames, first))
        return self._frames

    def _from_the_beginning(self, number: int) -> Iterator[SourceFrame]:
        yield from islice(self._source.frames(), number, None)


def _luma_steps(seen: Thumbnail, around: list[Thumbnail], timestep: float) -> tuple[float, float]:
    """How far a frame's mean luma is from that of its source frames weighted by time, and from the range of both."""
    lumas = [source.luma for source in around]
    expected = lumas[0] + (lumas[-1] - lumas[0]) * timestep
    return seen.luma - expected, seen.luma - min(max(seen.luma, min(lumas)), max(lumas))
