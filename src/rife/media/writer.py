"""Writing a video: one encoded picture track, and the source's other tracks copied packet by packet."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer
from av.stream import Stream
from av.video.stream import VideoStream

from rife.errors import MediaError
from rife.media.colour import adapted, losses, range_tag, working_format
from rife.media.reader import VideoReader
from rife.options import DEFAULT_CRF


@dataclass(frozen=True)
class Container:
    """How a kind of file is written.

    Attributes:
        codec: FFmpeg name of the encoder.
        options: its options at any quality.
        lossless: its options for quality 0.
        even_sizes: it refuses odd sizes where chroma is subsampled.
        cannot_hold: prefixes of codecs that the container is said to hold, but that it or most players do not.
    """

    codec: str
    options: dict[str, str]
    lossless: dict[str, str]
    even_sizes: bool = False
    cannot_hold: tuple[str, ...] = ()

    def options_at(self, crf: int) -> dict[str, str]:
        """Encoder options for a quality; 0 is lossless whatever the codec and bit depth."""
        return {**self.options, **(self.lossless if crf == 0 else {"crf": str(crf)})}


# x264's crf 0 is lossless at 8 bit only; its qp 0 always is.
_H264 = Container("libx264", {"preset": "medium"}, {"qp": "0"}, even_sizes=True)
_MP4 = replace(_H264, cannot_hold=("pcm_",))
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": _H264,
    ".mkv": _H264,
    ".webm": Container(
        "libvpx-vp9", {"b:v": "0", "deadline": "realtime", "cpu-used": "4", "row-mt": "1"}, {"lossless": "1"}
    ),
}
"""File endings that can be written."""


class VideoWriter:
    """An open output file. `write` pictures in order, `copy` packets of other tracks, then `finish`."""

    def __init__(
        self,
        path: Path,
        *,
        name: Path,
        source: VideoReader,
        first: av.VideoFrame,
        frame_rate: Fraction,
        time_base: Fraction,
        crf: int = DEFAULT_CRF,
    ) -> None:
        """Create the file with a picture track like the source's, and its other tracks where they fit.

        Args:
            path: file to write; its ending chooses container and codec.
            name: what the user calls it, for messages.
            source: where tracks, metadata and chapters come from.
            first: first picture as decoded: size, colour and rotation.
            frame_rate: average frames per second of the output.
            time_base: seconds per tick of the times given to `write`.
            crf: 0 (lossless) to 51 (worst).

        Raises:
            MediaError: an ending that cannot be written, or an encoder that refuses.
        """
        settings = container_for(path)
        self.name = name
        self.frames_written = 0
        self.width, self.height = first.width, first.height
        self.pixel_format = _pixel_format(settings, first)
        self.notes = losses(first.format.name, self.pixel_format)
        self._time_base = time_base
        self._copies: dict[int, Stream] = {}
        self._file = _create(path, name)
        try:
            self._video = self._add_video(settings, source, first, frame_rate, crf)
            chapters = source.container.chapters()
            self._add_copies(settings, source.other_streams, chapters=bool(chapters))
            self._file.metadata.update(source.container.metadata)
            self._file.set_chapters(chapters)
            self._file.start_encoding()
        except (av.FFmpegError, ValueError, OverflowError, OSError) as err:
            self._file.close()
            raise MediaError(f"{name}: the encoder {settings.codec} refused the video ({err}).") from err

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, picture: av.VideoFrame, pts: int) -> None:
        """Encode a picture at a time.

        Args:
            picture: in `pixel_format`.
            pts: time in ticks of the writer's time base.
        """
        picture.pts = pts
        picture.time_base = self._time_base
        picture.pict_type = 0  # the decoder's frame types are not the encoder's
        self._mux(self._video.encode(picture))
        self.frames_written += 1

    def copy(self, packet: Packet[Stream]) -> None:
        """Pass on a packet of another track; packets of tracks that were dropped are ignored."""
        copied = self._copies.get(packet.stream.index)
        if copied is not None:
            packet.stream = copied
            self._mux([packet])

    def finish(self) -> None:
        """Write what the encoder still holds, and the end of the file.

        Raises:
            MediaError: it could not be written.
        """
        self._mux(self._video.encode(None))
        try:
            self._file.close()
        except (av.FFmpegError, OSError) as err:
            raise MediaError(f"{self.name}: the end of the file could not be written ({err}).") from err

    def _mux(self, packets: Iterable[Packet[Stream]]) -> None:
        try:
            for packet in packets:
                self._file.mux(packet)
        except (av.FFmpegError, OSError) as err:
            hint = " The disk is full." if getattr(err, "errno", None) == errno.ENOSPC else ""
            raise MediaError(f"{self.name}: writing failed ({err}).{hint}") from err

    def _add_video(
        self, settings: Container, source: VideoReader, first: av.VideoFrame, frame_rate: Fraction, crf: int
    ) -> VideoStream:
        # The rate is a hint beside the exact times of the frames; a long fraction does not fit its field.
        rate = frame_rate.limit_denominator(10_000)
        stream = self._file.add_stream(settings.codec, rate=rate, options=settings.options_at(crf))
        if not isinstance(stream, VideoStream):
            raise MediaError(f"{settings.codec} is not a video encoder.")
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = first.width, first.height, self.pixel_format
        context.time_base = self._time_base
        stream.time_base = self._time_base
        tags = adapted(first, self.pixel_format)
        context.colorspace, context.color_range = tags.colorspace, range_tag(tags)
        context.color_primaries, context.color_trc = tags.color_primaries, tags.color_trc
        if source.stream.sample_aspect_ratio:
            context.sample_aspect_ratio = source.stream.sample_aspect_ratio
        # Rotation and mirroring as they are; the attribute's stub knows one kind of side data only.
        matrix = cast("SideDataContainer", first.side_data).get("DISPLAYMATRIX")
        if matrix is not None:
            stream.set_display_matrix(np.frombuffer(bytes(matrix), "=i4").tolist())
        stream.metadata.update(source.stream.metadata)
        return stream

    def _add_copies(self, settings: Container, streams: list[Stream], *, chapters: bool) -> None:
        supported = self._file.supported_codecs
        for stream in streams:
            name = stream.codec_context.codec.canonical_name if stream.codec_context else stream.type
            label = f"{stream.type} track {stream.index} ({name})"
            if stream.type == "data" and chapters:
                continue  # MP4 keeps the titles of its chapters in such a track
            if stream.type not in ("audio", "subtitle"):
                self.notes.append(f"{label} is not copied: only sound and subtitles are")
                continue
            if name not in supported or name.startswith(settings.cannot_hold):
                self.notes.append(f"{label} is not copied: {self.name.suffix} cannot hold it; .mkv can")
                continue
            copy = self._file.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            self._copies[stream.index] = copy


def _create(path: Path, name: Path) -> OutputContainer:
    try:
        return av.open(str(path.absolute()), "w")
    except (av.FFmpegError, OSError) as err:
        raise MediaError(f"{name}: cannot be written ({err}).") from err


def _pixel_format(settings: Container, first: av.VideoFrame) -> str:
    formats = [f.name for f in av.Codec(settings.codec, "w").video_formats or ()]
    size = (first.width, first.height) if settings.even_sizes else (0, 0)
    return working_format(first.format.name, formats, size=size)


def container_for(path: Path) -> Container:
    """How a file of this ending is written.

    Raises:
        MediaError: it cannot be.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without an ending'}; "
            f"expected one of {', '.join(CONTAINERS)}."
        ) from None
