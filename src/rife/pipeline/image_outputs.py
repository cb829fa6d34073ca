"""Outputs that are written picture by picture, from finished segments: folders, animations, y4m."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from rife.errors import FinishedFileError
from rife.media.images.upright import degrees_of, orientation_of, swaps_sides, upright
from rife.media.open_source import open_source
from rife.media.paths import Output
from rife.media.sink import PictureSink, PictureSpec
from rife.media.video.mux import Picture
from rife.media.video.segment import SegmentReader
from rife.pipeline.flicker import flicker_warnings, luma_step
from rife.pipeline.plan import Plan, PlannedFrame, Segment
from rife.pipeline.segments import Segments
from rife.pipeline.verify import FinishedCheck
from rife.pipeline.workspace import SegmentRecord


def turn_of(picture: Picture) -> int:
    """EXIF orientation, 1 to 8, by which pictures are turned: an output of pictures has no display matrix."""
    return orientation_of(picture.display_matrix) or 1


def turn_notes(picture: Picture) -> list[str]:
    """A note of a rotation that is no quarter turn, which is lost."""
    matrix = picture.display_matrix
    if matrix is None or orientation_of(matrix) is not None:
        return []
    return [f"the source is shown turned clockwise by {degrees_of(matrix):.0f} degrees, and the pictures are not"]


def picture_spec(segments: Segments, *, crf: int, plays: int) -> PictureSpec:
    """The properties of an output that is written picture by picture."""
    width, height = segments.plan.size
    aspect = segments.picture.sample_aspect_ratio
    if swaps_sides(turn_of(segments.picture)):
        width, height, aspect = height, width, 1 / aspect if aspect else None
    return PictureSpec(
        width=width,
        height=height,
        pixel_format=segments.picture.encoding.pixel_format,
        frame_rate=segments.picture.frame_rate,
        time_base=segments.picture.time_base,
        sample_aspect_ratio=aspect,
        crf=crf,
        plays=plays,
    )


def write_pictures(
    sink: PictureSink,
    segments: Segments,
    finished: Iterator[tuple[Segment, SegmentRecord]],
    *,
    names: Sequence[str | None],
) -> list[SegmentRecord]:
    """Write the pictures of segments in order, as the segments are finished.

    Args:
        sink: an open output.
        segments: of the job.
        finished: its segments in order.
        names: of the source frames, where they have names.
    """
    plan, records = segments.plan, list[SegmentRecord]()
    times = pairwise(_pts_and_end(plan))
    shown: set[int] = set()
    turn, siting = turn_of(segments.picture), segments.picture.siting
    for segment, record in finished:
        records.append(record)
        with SegmentReader(segments.path(segment)) as reader:
            made = reader.pictures(segments.picture.encoding)
            for frame, picture in zip(plan.frames(segment), made, strict=True):
                segments.check_cancel()
                pts, end = next(times)
                name = _source_name(frame, names, shown)
                sink.write(upright(picture, turn, siting=siting), pts=pts, duration=max(1, end - pts), name=name)
    return records


def check_pictures(target: Output, plan: Plan, records: Sequence[SegmentRecord], *, written: int) -> FinishedCheck:
    """Count the pictures of an output, and measure the length of an animation, where it can be read back.

    Raises:
        FinishedFileError: the number of pictures or the length differs from the plan.
    """
    planned, wanted = plan.output_frames, float(plan.duration_seconds)
    found, seconds = written, wanted
    is_file = target.kind in ("animation", "y4m")
    if is_file:
        with open_source(target.path) as source:
            lengths = [frame.duration * source.info.time_base for frame in source.frames()]
        found, seconds = len(lengths), float(sum(lengths))
    # An animation stores equal pictures in a row as one, which is shown as long.
    if found > planned or (found < planned and not is_file):
        raise FinishedFileError(f"{target}: holds {found} pictures, expected {planned}.")
    if abs(seconds - wanted) > 0.02:
        raise FinishedFileError(f"{target}: lasts {seconds:.3f} s, expected {wanted:.3f} s.")
    step, warnings = luma_step(plan, records), flicker_warnings(plan, records)
    return FinishedCheck(found, planned, 0.0, seconds, wanted, (), step, (), warnings=warnings)


def _pts_and_end(plan: Plan) -> Iterator[int]:
    yield from (frame.pts for frame in plan.all_frames())
    yield plan.last_end_pts


def _source_name(frame: PlannedFrame, names: Sequence[str | None], shown: set[int]) -> str | None:
    """Name of the source picture that a frame is; None for new frames, and where the picture is shown again."""
    if frame.second is not None or not names or frame.first in shown:
        return None
    shown.add(frame.first)
    return names[frame.first]
