"""Muxing of the final file: finished segments, concatenated packet by packet, and the source's other tracks."""

from __future__ import annotations

import errno
import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from rife.errors import RESTART, JobError, MediaError
from rife.media.colour.chroma_siting import Siting
from rife.media.colour.convert import adapted
from rife.media.video.containers import Container, container_for
from rife.media.video.decoders import with_alpha_tag
from rife.media.video.encoder_table import encoder_row
from rife.media.video.encoding import Encoding
from rife.media.video.matroska import display_size, write_display_size
from rife.media.video.muxers import copied_stream, muxer_options, reason_of
from rife.media.video.segment import SegmentReader, copy_colour
from rife.media.video.tracks import CopiedTracks, decoding_seconds


@dataclass(frozen=True)
class TimedSegment:
    """A finished segment and the presentation times of its frames.

    Attributes:
        path: path of the segment.
        times: pts of its frames in presentation order, and the end of the last frame.
        reordering: number of frames that a decoder delays for reordering.
    """

    path: Path
    times: Sequence[int]
    reordering: int


@dataclass(frozen=True)
class Picture:
    """Properties of the video track of a final file.

    Attributes:
        encoding: encoding of the segments.
        first: first frame of the source, for the colour tags.
        frame_rate: average frames per second.
        time_base: seconds per tick of the segments' times.
        sample_aspect_ratio: width over height of a pixel.
        metadata: metadata of the source's track.
        siting: chroma location, if known.
        display_matrix: rotation and mirroring, as FFmpeg's nine numbers.
    """

    encoding: Encoding
    first: av.VideoFrame
    frame_rate: Fraction
    time_base: Fraction
    sample_aspect_ratio: Fraction | None
    metadata: dict[str, str]
    siting: Siting | None = None
    display_matrix: tuple[int, ...] | None = None


def assemble(
    path: Path,
    segments: Callable[[], Iterator[TimedSegment]],
    *,
    reordering: int,
    picture: Picture,
    tracks: CopiedTracks | None,
) -> list[str]:
    """Write the final file. If a copied track makes that impossible, the file is written without that track.

    Args:
        path: file to write; its extension determines the container.
        segments: function that returns the segments in order, at each call.
        reordering: largest reordering of all segments.
        picture: properties of the video track.
        tracks: the source's other tracks, if it has any.

    Returns:
        Notes on properties of the video track that the file does not store; `tracks` has those of the other tracks.

    Raises:
        MediaError: the file cannot be written, or a segment cannot be read.
        JobError: the segments have different codec parameters.
    """
    try:
        _write(path, segments(), reordering=reordering, picture=picture, tracks=tracks)
        return _completed(path, picture)
    except _WritingError as err:
        written = tracks.written if tracks is not None else []
        if tracks is None or not written or err.disk_is_full:
            raise
        failure = err
    # The muxer buffers packets, and therefore does not report the track that caused an error.
    for without in (*({index} for index in written if len(written) > 1), set(written)):
        tracks.begin_again(without=without, why=str(failure))
        try:
            _write(path, segments(), reordering=reordering, picture=picture, tracks=tracks)
            return _completed(path, picture)
        except _WritingError as err:
            if err.disk_is_full or without == set(written):
                raise
    raise failure


class _WritingError(MediaError):
    """The file cannot be written."""

    def __init__(self, message: str, *, error: Exception) -> None:
        self.disk_is_full = getattr(error, "errno", None) == errno.ENOSPC
        super().__init__(f"{message}{' The disk is full.' if self.disk_is_full else ''}")


def _write(
    path: Path, segments: Iterator[TimedSegment], *, reordering: int, picture: Picture, tracks: CopiedTracks | None
) -> None:
    first = next(segments)
    strictness = "normal" if tracks is None else tracks.strictness(path.suffix.lower())
    with SegmentReader(first.path) as sample, _created(path, muxer_options(strictness)) as file:
        try:
            video = _add_video(file, sample.stream, picture, container_for(path))
            if tracks is not None:
                tracks.add_to(file, path.suffix.lower())
            file.start_encoding()
        except (av.FFmpegError, ValueError, OverflowError, OSError) as err:
            message = f"{path.suffix} cannot hold this stream of {picture.encoding.codec} ({reason_of(err)})."
            raise _WritingError(message, error=err) from err
        header = sample.stream.codec_context.extradata
        pictures = _pictures(first, segments, video, picture.time_base, reordering=reordering, header=header)
        others = tracks.packets() if tracks is not None else iter(())
        for packet in heapq.merge(pictures, others, key=decoding_seconds):
            try:
                file.mux(packet)
            except (av.FFmpegError, OSError) as err:
                if packet.stream is video or getattr(err, "errno", None) == errno.ENOSPC:
                    raise _failed(err) from err
                if tracks is not None:
                    tracks.give_up(packet.stream, reason_of(err))
        try:
            file.close()
        except (av.FFmpegError, OSError) as err:
            raise _failed(err) from err


def _completed(path: Path, picture: Picture) -> list[str]:
    """Write the display size into a finished file, and return notes on properties that the file does not store."""
    notes = []
    ratio = picture.sample_aspect_ratio or Fraction(1)
    if ratio != 1 and container_for(path).stores_display_size:
        size = display_size(picture.first.width, picture.first.height, ratio)
        if not write_display_size(path, size):
            notes.append(f"the sample aspect ratio ({ratio.numerator}:{ratio.denominator}) is not preserved")
    with av.open(str(path.absolute())) as file:
        stored = {name.lower() for name in (*file.metadata, *file.streams.video[0].metadata)}
    timecode = next((value for name, value in picture.metadata.items() if name.lower() == "timecode"), None)
    if timecode is not None and "timecode" not in stored:
        notes.append(f"the timecode {timecode} is not preserved: {path.suffix} cannot hold it")
    return notes


def _add_video(file: OutputContainer, sample: VideoStream, picture: Picture, container: Container) -> VideoStream:
    video = copied_stream(file, sample)
    context = video.codec_context
    if container.hevc_tag is not None and encoder_row(picture.encoding.codec).is_hevc:
        context.codec_tag = container.hevc_tag
    context.framerate = picture.frame_rate.limit_denominator(10_000)
    video.time_base = picture.time_base
    copy_colour(adapted(picture.first, picture.encoding.pixel_format, siting=picture.siting), context)
    if picture.sample_aspect_ratio:
        context.sample_aspect_ratio = picture.sample_aspect_ratio
    if picture.display_matrix is not None:
        video.set_display_matrix(list(picture.display_matrix))
    codec = av.Codec(picture.encoding.codec, "w").canonical_name
    # Browsers decode the alpha of a track only if the track has the alpha tag.
    video.metadata.update(with_alpha_tag(picture.metadata, codec=codec, pixel_format=picture.encoding.pixel_format))
    return video


def _pictures(
    first: TimedSegment,
    rest: Iterator[TimedSegment],
    video: VideoStream,
    tick: Fraction,
    *,
    reordering: int,
    header: bytes | None,
) -> Iterator[Packet[Stream]]:
    """Yield the packets of all segments with their final times.

    Decoding times are the presentation times, shifted by the largest reordering of all segments: they increase from
    segment to segment, independent of each encoder's own decoding times.
    """
    step = first.times[1] - first.times[0]
    waiting = [first.times[0] - step * (reordering - i) for i in range(reordering)]
    last: Packet[VideoStream] | None = None
    for segment in _chain(first, rest):
        with SegmentReader(segment.path) as reader:
            if reader.stream.codec_context.extradata != header:
                raise JobError(f"{segment.path}: was encoded differently from the segments before it.", hint=RESTART)
            times = segment.times
            waiting.extend(times[:-1])
            for index, item in enumerate(reader.packets()):
                packet = item.packet
                packet.time_base = tick
                packet.pts, packet.dts = times[item.number], waiting[index]
                packet.duration = times[item.number + 1] - times[item.number]
                packet.stream = video
                if last is not None:
                    yield cast("Packet[Stream]", last)
                last = packet
            del waiting[: len(times) - 1]
    if last is not None:
        _reach_to(times[-1], last, delay=step * reordering)
        yield cast("Packet[Stream]", last)


def _reach_to(end: int, last: Packet[VideoStream], *, delay: int) -> None:
    """Extend the last packet in decoding order to the end of the track.

    MP4 and QuickTime derive the duration of a track from decoding times. With reordered frames, the last packet in
    decoding order is not the last in presentation order, whose duration would be lost.

    Args:
        end: end of the last frame in presentation order, in ticks.
        last: last packet in decoding order, with its times.
        delay: ticks from the first decoding time to the first presentation time.
    """
    pts = last.pts or 0
    last.dts = max(last.dts or 0, pts - delay)
    last.duration = max(last.duration or 0, end - delay - last.dts)


def _chain(first: TimedSegment, rest: Iterator[TimedSegment]) -> Iterator[TimedSegment]:
    yield first
    yield from rest


@contextmanager
def _created(path: Path, options: dict[str, str]) -> Iterator[OutputContainer]:
    """Create a file, and close it on exit without errors; after success, the caller has closed it already."""
    try:
        file = av.open(str(path.absolute()), "w", format=container_for(path).muxer, options=options)
    except (av.FFmpegError, OSError) as err:
        raise _failed(err) from err
    try:
        yield file
    finally:
        with suppress(av.FFmpegError, OSError):
            file.close()


def _failed(error: Exception) -> _WritingError:
    reason = reason_of(error)
    if getattr(error, "errno", None) == errno.EINVAL:
        reason = f"{reason}: the source has times or tracks that this container cannot hold; .mkv supports more"
    return _WritingError(f"the finished file cannot be written ({reason}).", error=error)
