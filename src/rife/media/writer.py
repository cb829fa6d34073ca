"""Writing a video: one encoded picture track, and the source's other tracks copied packet by packet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from rife.errors import MediaError
from rife.media.colour import working_format
from rife.media.reader import VideoReader
from rife.options import DEFAULT_CRF


@dataclass(frozen=True)
class Container:
    """How a kind of file is written: codec, and the options that belong to it."""

    codec: str
    options: dict[str, str]
    lossless: dict[str, str]

    def options_at(self, crf: int) -> dict[str, str]:
        """Encoder options for a quality; 0 is lossless whatever the codec and bit depth."""
        return {**self.options, **(self.lossless if crf == 0 else {"crf": str(crf)})}


# x264's crf 0 is lossless at 8 bit only; its qp 0 always is.
_H264 = Container("libx264", {"preset": "medium"}, {"qp": "0"})
CONTAINERS = {
    ".mp4": _H264,
    ".m4v": _H264,
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
        source: VideoReader,
        first: av.VideoFrame,
        frame_rate: Fraction,
        time_base: Fraction,
        crf: int = DEFAULT_CRF,
    ) -> None:
        """Create the file with a picture track like the source's, and its other tracks where they fit.

        Args:
            path: file to write; its ending chooses container and codec.
            source: where tracks, metadata and chapters come from.
            first: first picture: size, colour and rotation.
            frame_rate: average frames per second of the output.
            time_base: seconds per tick of the times given to `write`.
            crf: 0 (lossless) to 51 (worst).

        Raises:
            MediaError: an ending that cannot be written, or an encoder that refuses.
        """
        settings = container_for(path)
        self.path = path
        self.dropped: list[str] = []
        self.frames_written = 0
        self.width, self.height = first.width, first.height
        self._time_base = time_base
        try:
            self._file = av.open(str(path), "w")
        except (av.FFmpegError, OSError) as err:
            raise MediaError(f"{path}: cannot be written ({err}).") from err
        try:
            self._video = self._add_video(settings, source, first, frame_rate, crf)
            chapters = source.container.chapters()
            self._copies = self._add_copies(source.other_streams, chapters=bool(chapters))
            self._file.metadata.update(source.container.metadata)
            self._file.set_chapters(chapters)
            self._file.start_encoding()
        except (av.FFmpegError, ValueError, OSError) as err:
            self._file.close()
            raise MediaError(f"{path}: the encoder {settings.codec} refused the video ({err}).") from err

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def pixel_format(self) -> str:
        """Pixel format that every picture must have."""
        return str(self._video.pix_fmt)

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
            raise MediaError(f"{self.path}: the end of the file could not be written ({err}).") from err

    def _mux(self, packets: Iterable[Packet[Stream]]) -> None:
        try:
            for packet in packets:
                self._file.mux(packet)
        except (av.FFmpegError, OSError) as err:
            raise MediaError(f"{self.path}: writing failed ({err}). Is the disk full?") from err

    def _add_video(
        self, settings: Container, source: VideoReader, first: av.VideoFrame, frame_rate: Fraction, crf: int
    ) -> VideoStream:
        stream = self._file.add_stream(settings.codec, rate=frame_rate, options=settings.options_at(crf))
        if not isinstance(stream, VideoStream):
            raise MediaError(f"{settings.codec} is not a video encoder.")
        formats = [f.name for f in av.Codec(settings.codec, "w").video_formats or ()]
        context = stream.codec_context
        context.width, context.height = first.width, first.height
        context.pix_fmt = working_format(first.format.name, formats)
        context.time_base = self._time_base
        stream.time_base = self._time_base
        context.colorspace, context.color_range = first.colorspace, first.color_range
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        if source.stream.sample_aspect_ratio:
            context.sample_aspect_ratio = source.stream.sample_aspect_ratio
        if first.rotation:
            stream.set_display_rotation(first.rotation)
        stream.metadata.update(source.stream.metadata)
        return stream

    def _add_copies(self, streams: list[Stream], *, chapters: bool) -> dict[int, Stream]:
        copies: dict[int, Stream] = {}
        supported = self._file.supported_codecs
        for stream in streams:
            name = stream.codec_context.codec.canonical_name if stream.codec_context else stream.type
            label = f"{stream.type} track {stream.index} ({name})"
            if stream.type == "data" and chapters:
                continue  # MP4 keeps the titles of its chapters in such a track
            if stream.type not in ("audio", "subtitle"):
                self.dropped.append(f"{label} is not copied: only sound and subtitles are")
                continue
            if name not in supported:
                self.dropped.append(f"{label} is not copied: {self.path.suffix} cannot hold it")
                continue
            copy = self._file.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            copies[stream.index] = copy
        return copies


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
