"""Opening a video file with FFmpeg: choice of the video track, and errors for files that cannot be read."""

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
"""Four times an 8K frame; a damaged header must not fill the memory."""

_PROBES: tuple[dict[str, str], ...] = (
    {},
    {"probesize": "50000000", "analyzeduration": "60000000"},
    {"probesize": "500000000", "analyzeduration": "600000000"},
)
"""Limits of probing in bytes and microseconds, in order of use; the first is FFmpeg's default, 5 MB and 5 s. A stream
that begins in the middle states its frame size with its next key frame."""

_ENCRYPTED_TAGS = frozenset(("encv", "enca", "drmi", "drms", "drmt"))
"""Encrypted sample entries of ISO/IEC 14496-12 and of iTunes; FFmpeg replaces the first two if it can."""


@dataclass
class VideoFile:
    """A file that can be opened several times with the same options.

    Attributes:
        path: path of the file.
        options: options of the demuxer.
    """

    path: Path
    options: dict[str, str] = field(default_factory=dict)

    def open(self) -> InputContainer:
        """Open the file.

        Raises:
            MediaError: the file does not exist, or FFmpeg cannot read it.
        """
        path = self.path
        if path.is_dir():
            raise MediaError(f"{path}: expected a video file, got a folder.")
        try:
            # FFmpeg does not interpret an absolute path as a protocol, even with colons in it.
            return av.open(str(path.absolute()), metadata_errors="replace", options=dict(self.options))
        except FileNotFoundError as err:
            raise MediaError(f"{path}: no such file. Check the path.") from err
        except PermissionError as err:
            raise MediaError(f"{path}: no permission to read it.") from err
        except (av.FFmpegError, OSError, ValueError, LookupError) as err:
            raise MediaError(
                f"{path}: not a readable video ({getattr(err, 'strerror', None) or err}). If it should be one, "
                "it is damaged or its download is incomplete."
            ) from err

    def open_for_video(self) -> tuple[InputContainer, VideoStream, VideoInfo]:
        """Open the file and find its video track; probing is extended if the default limits are not sufficient.

        Raises:
            MediaError: the file is no video, or its video track cannot be read.
        """
        for options in _PROBES:
            self.options = options
            container = self.open()
            try:
                stream = _picture_stream(self.path, container)
                return container, stream, _info(self.path, container, stream)
            except MediaError as err:
                container.close()
                if not isinstance(err, _NotStatedError) or options is _PROBES[-1]:
                    raise
            except BaseException:
                container.close()
                raise
        raise AssertionError("the last probe returns or raises")


class _NotStatedError(MediaError):
    """The probed part of a file does not state the properties of its frames."""


def refuse_encrypted(path: Path, packet: Packet[Stream]) -> None:
    """Check that FFmpeg does not mark a packet as encrypted.

    Raises:
        MediaError: the packet is encrypted.
    """
    if packet.has_sidedata("encryption_info"):
        raise _encrypted(path)


def is_encrypted(stream: Stream) -> bool:
    """Whether a track is marked as encrypted."""
    if "enc_key_id" in stream.metadata:  # FFmpeg's name of Matroska's encryption key ID
        return True
    return stream.codec_context is not None and stream.codec_context.codec_tag in _ENCRYPTED_TAGS


def _encrypted(path: Path) -> MediaError:
    return MediaError(f"{path}: the video track is encrypted, and there is no key. Use a copy without protection.")


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise _NotStatedError(f"{path}: expected a video, but the file has no video track.")


def _info(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    if is_encrypted(stream):
        raise _encrypted(path)
    # In PyAV, a stream without a decoder in FFmpeg has no codec context.
    context = stream.codec_context
    if context is None:
        tag, known = _codec_in_dump(container, stream)
        if tag in _ENCRYPTED_TAGS:
            raise _encrypted(path)
        name = tag or ("" if known == "none" else known) or "the codec of its video track, which has no name"
        raise MediaError(
            f"{path}: no decoder for {name}: expected a codec that FFmpeg can decode. Convert the file with a program "
            "that plays it; if it should be an ordinary video, it is damaged."
        )
    rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
    duration = _announced_seconds(container)
    frames = stream.frames or (round(duration * rate) if duration else None)
    if context.width <= 0 or context.height <= 0 or stream.time_base is None:
        raise _NotStatedError(
            f"{path}: the video track does not state its frame size or time base; the file is damaged."
        )
    if context.width * context.height > _MOST_PIXELS:
        raise MediaError(
            f"{path}: has frames of {context.width}x{context.height}; expected at most {_MOST_PIXELS // 1_000_000} "
            "million pixels. If the actual frames are smaller, the file is damaged."
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
    """Stated duration of a file, from its own start; None if not stated.

    If a format states one duration for the whole file (ASF), FFmpeg assigns it to every track, and adds it to the
    latest start of all tracks.
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
    """Tag and name of the codec of a track, from FFmpeg's description of the file: PyAV has no attribute for them."""
    line = re.compile(rf"Stream #\d+:{stream.index}\D.*?Video: (\w+)(?:.*?\(([^()]+) / 0x[0-9A-Fa-f]+\))?")
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # FFmpeg writes the description to its log
    try:
        dumped: str = getattr(container, "dumps_format", str)()  # missing in PyAV's stubs
    finally:
        av.logging.set_level(level)
    found = line.search(dumped)
    return ("", "") if found is None else ((found[2] or "").strip(), found[1])
