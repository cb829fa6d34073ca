"""Opening a video file with FFmpeg: which of its tracks is the picture, and why not where it cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from rife.errors import MediaError
from rife.media.source import VideoInfo

DEFAULT_RATE = Fraction(25)
_MOST_PIXELS = 16384 * 8192
"""Four times an 8K picture; a damaged header must not fill the memory."""

_PROBES: tuple[dict[str, str], ...] = (
    {},
    {"probesize": "50000000", "analyzeduration": "60000000"},
    {"probesize": "500000000", "analyzeduration": "600000000"},
)
"""How much is looked at before a file is given up, in bytes and microseconds; FFmpeg's own 5 MB and 5 s come first. A
stream that begins in the middle tells its size with its next key frame."""

_ENCRYPTED_TAGS = frozenset(("encv", "enca", "drmi", "drms", "drmt"))
"""Sample entries of ISO/IEC 14496-12 and of iTunes for what needs a key; FFmpeg hides the first two where it can."""


@dataclass
class VideoFile:
    """A file that can be opened as often as needed, each time in the same way.

    Attributes:
        path: of the file.
        options: of the demuxer.
    """

    path: Path
    options: dict[str, str] = field(default_factory=dict)

    def open(self) -> InputContainer:
        """Open the file.

        Raises:
            MediaError: no such file, or nothing that FFmpeg reads.
        """
        path = self.path
        if path.is_dir():
            raise MediaError(f"{path}: expected a video file, got a folder.")
        try:
            # An absolute path cannot be taken for a protocol, whatever colons are in it.
            return av.open(str(path.absolute()), metadata_errors="replace", options=dict(self.options))
        except FileNotFoundError as err:
            raise MediaError(f"{path}: no such file. Check the path.") from err
        except PermissionError as err:
            raise MediaError(f"{path}: no permission to read it.") from err
        except (av.FFmpegError, OSError, ValueError, LookupError) as err:
            raise MediaError(
                f"{path}: not a video that can be read ({getattr(err, 'strerror', None) or err}). If it should be one, "
                "it is damaged or its download is incomplete."
            ) from err

    def open_for_video(self) -> tuple[InputContainer, VideoStream, VideoInfo]:
        """Open the file and find its picture track; more of it is looked at where its beginning does not tell enough.

        Raises:
            MediaError: not a video, or one without a picture track that can be read.
        """
        for options in _PROBES:
            self.options = options
            container = self.open()
            try:
                stream = _picture_stream(self.path, container)
                return container, stream, _info(self.path, container, stream)
            except MediaError as err:
                container.close()
                if not isinstance(err, _NotToldError) or options is _PROBES[-1]:
                    raise
            except BaseException:
                container.close()
                raise
        raise AssertionError("the last way to open a file returns or raises")


class _NotToldError(MediaError):
    """What was read of a file so far does not tell what its pictures are like."""


def refuse_encrypted(path: Path, packet: Packet[Stream]) -> None:
    """Refuse a packet that FFmpeg marks as encrypted.

    Raises:
        MediaError: it is.
    """
    if packet.has_sidedata("encryption_info"):
        raise _encrypted(path)


def is_encrypted(stream: Stream) -> bool:
    """Whether the file says of a track that a key is needed to read it."""
    if "enc_key_id" in stream.metadata:  # FFmpeg's name for what Matroska says of encryption
        return True
    return stream.codec_context is not None and stream.codec_context.codec_tag in _ENCRYPTED_TAGS


def _encrypted(path: Path) -> MediaError:
    return MediaError(f"{path}: the picture track is encrypted, and there is no key. Take a copy without protection.")


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise _NotToldError(f"{path}: expected a video, but the file has no picture track.")


def _info(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    if is_encrypted(stream):
        raise _encrypted(path)
    # PyAV gives no context where FFmpeg has no decoder.
    context = stream.codec_context
    if context is None:
        tag, known = _codec_in_dump(container, stream)
        if tag in _ENCRYPTED_TAGS:
            raise _encrypted(path)
        name = tag or ("" if known == "none" else known) or "the codec of its picture track, which has no name"
        raise MediaError(
            f"{path}: no decoder for {name}: expected a codec that FFmpeg can decode. Convert the file with a program "
            "that plays it; if it should be an ordinary video, it is damaged."
        )
    rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
    duration = _announced_seconds(container)
    frames = stream.frames or (round(duration * rate) if duration else None)
    if context.width <= 0 or context.height <= 0 or stream.time_base is None:
        raise _NotToldError(f"{path}: the picture track does not tell its size or time base; the file is damaged.")
    if context.width * context.height > _MOST_PIXELS:
        raise MediaError(
            f"{path}: has pictures of {context.width}x{context.height}; expected at most {_MOST_PIXELS // 1_000_000} "
            "million pixels. If they are not that large, the file is damaged."
        )
    return VideoInfo(
        path=path,
        width=context.width,
        height=context.height,
        frame_rate=rate if rate > 0 else DEFAULT_RATE,
        time_base=stream.time_base,
        frames=frames,
        duration_seconds=duration,
        sample_aspect_ratio=stream.sample_aspect_ratio or None,
    )


def _announced_seconds(container: InputContainer) -> Fraction | None:
    """How long a file says it is, from its own start; None where it does not.

    Where a format tells one length for the whole file (ASF), FFmpeg gives it to every track, and ends the file so long
    after the latest start of any of them.
    """
    if container.duration is None:
        return None
    announced = Fraction(container.duration, av.time_base)
    tracks = [s for s in container.streams if s.type in ("video", "audio") and s.time_base and s.duration]
    lengths = {s.duration * s.time_base for s in tracks if s.duration and s.time_base}
    starts = [(s.start_time or 0) * s.time_base for s in tracks if s.time_base]
    if len(tracks) > 1 and len(lengths) == 1:
        announced -= min(max(starts) - min(starts), announced)
    return announced


def _codec_in_dump(container: InputContainer, stream: Stream) -> tuple[str, str]:
    """Tag and name of the codec of a track, from FFmpeg's description of the file: PyAV has no other way."""
    line = re.compile(rf"Stream #\d+:{stream.index}\D.*?Video: (\w+)(?:.*?\(([^()]+) / 0x[0-9A-Fa-f]+\))?")
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # FFmpeg describes files in its log
    try:
        dumped: str = getattr(container, "dumps_format", str)()  # the stub does not have it
    finally:
        av.logging.set_level(level)
    found = line.search(dumped)
    return ("", "") if found is None else ((found[2] or "").strip(), found[1])
