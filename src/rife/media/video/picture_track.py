"""Animated AVIF and HEIF: image files with a track of frames, and optionally a track of their alpha.

FFmpeg opens such a file as a video with up to four tracks: the still image and its alpha, of one frame each, then the
frames and their alpha, as grey. The video reader would choose the first track, the still image.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from rife.errors import MediaError, TruncatedMediaError
from rife.media.colour.convert import adapted, range_tag
from rife.media.colour.pixel_formats import LAYOUTS, samples
from rife.media.source import SourceFrame, VideoInfo, check_size

_SEQUENCE_BRANDS = (b"avis", b"msf1", b"hevc", b"hevx")
"""Brands of a file type box (ISO/IEC 14496-12, 23008-12; AVIF) for image sequences."""

_LIMITED_RANGE = 1
_BRANDS_BYTES = 256


class PictureTrack:
    """The frames of an animated AVIF or HEIF as a `Source`."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            MediaError: the file cannot be read.
        """
        self.path = path
        with _opened(path) as container:
            tracks = _tracks(container)
            if not tracks:
                raise MediaError(f"{path}: expected an image sequence, but the file has none.")
            colours = tracks[0]
            context, tick = colours.codec_context, colours.time_base
            check_size(path, context.width, context.height)
            if tick is None or not colours.duration:
                raise MediaError(f"{path}: the image sequence has no times; the file is damaged.")
            self._colours = colours.index
            self._alpha = next((track.index for track in tracks[1:] if _is_alpha_of(track, colours)), None)
            length = colours.duration * tick
            self.info = VideoInfo(
                path=path,
                width=context.width,
                height=context.height,
                frame_rate=colours.frames / length,
                time_base=tick,
                frames=colours.frames,
                duration_seconds=length,
                sample_aspect_ratio=colours.sample_aspect_ratio or None,
            )

    def __enter__(self) -> PictureTrack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # the file is open only while frames are read

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the frames in order.

        Args:
            from_pts: pts of the first frame; the frames before it are decoded too.

        Raises:
            TruncatedMediaError: there are fewer frames than stated; all frames yielded before are valid.
            MediaError: there is no frame, or none at `from_pts`.
        """
        found = 0
        begun = from_pts is None
        alpha = repeat(None) if self._alpha is None else chain(self._decoded(self._alpha), repeat(None))
        for picture, layer in zip(self._decoded(self._colours), alpha, strict=False):
            if self._alpha is not None and layer is None:
                break
            found += 1
            pts = picture.pts or 0
            begun = begun or pts == from_pts
            if begun:
                whole = picture if layer is None else with_alpha(picture, layer)
                yield SourceFrame(whole, pts, max(1, picture.duration or 1))
        if not begun or not found:
            raise MediaError(f"{self.path}: no frame could be decoded{'' if not found else f' at {from_pts}'}.")
        if found < (self.info.frames or 0):
            raise TruncatedMediaError(
                f"{self.path}: frame {found + 1} of {self.info.frames} cannot be decoded; the file is truncated or "
                "damaged."
            )

    def _decoded(self, index: int) -> Iterator[av.VideoFrame]:
        with _opened(self.path) as container:
            frames = container.decode(container.streams[index])
            while True:
                try:
                    frame = next(frames, None)
                except av.FFmpegError:
                    return  # the caller compares the number of frames
                if not isinstance(frame, av.VideoFrame):
                    return
                yield frame


def is_picture_track(path: Path) -> bool:
    """Whether a file is an animated AVIF or HEIF: it has the brand and the track of an image sequence."""
    try:
        with path.open("rb") as file:
            head = file.read(_BRANDS_BYTES)
    except OSError:
        return False  # opening the file reports the error
    if head[4:8] != b"ftyp":
        return False
    box = head[8 : int.from_bytes(head[:4], "big")]
    if not any(box[at : at + 4] in _SEQUENCE_BRANDS for at in (0, *range(8, len(box), 4))):
        return False
    try:
        with _opened(path) as container:
            return bool(_tracks(container))
    except MediaError:
        return False


def with_alpha(picture: av.VideoFrame, layer: av.VideoFrame) -> av.VideoFrame:
    """A frame with the alpha of a grey frame of the same size."""
    named = picture.format.name.replace("yuv", "yuva").replace("gbrp", "gbrap")
    if named not in LAYOUTS or not LAYOUTS[named].alpha:
        picture, named = adapted(picture, "gbrp"), "gbrap"
    out = av.VideoFrame(picture.width, picture.height, named)
    out.colorspace, out.color_range = picture.colorspace, picture.color_range
    out.color_primaries, out.color_trc = picture.color_primaries, picture.color_trc
    *colours, alpha = samples(out)
    for plane, codes in zip(colours, samples(picture), strict=True):
        plane[:] = codes
    grey = LAYOUTS[layer.format.name]
    codes = samples(layer)[0].astype(np.float32)
    zero, span = 0.0, 2.0**grey.bits - 1
    if range_tag(layer) == _LIMITED_RANGE:
        zero, span = 16 * 2.0 ** (grey.bits - 8), 219 * 2.0 ** (grey.bits - 8)
    full = 2 ** LAYOUTS[named].bits - 1
    alpha[:] = np.rint(((codes - zero) / span).clip(0, 1) * full)
    return out


def _tracks(container: InputContainer) -> list[VideoStream]:
    """Tracks with more than one frame; the others are the still image and its alpha."""
    return [stream for stream in container.streams.video if stream.frames > 1]


def _is_alpha_of(track: VideoStream, colours: VideoStream) -> bool:
    context, own = track.codec_context, colours.codec_context
    grey = (context.pix_fmt or "").startswith("gray") and context.pix_fmt in LAYOUTS
    same = (context.width, context.height, track.frames) == (own.width, own.height, colours.frames)
    return grey and same


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(str(path.absolute()), metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as err:
        raise MediaError(
            f"{path}: not a readable image ({getattr(err, 'strerror', None) or err}); it is damaged or incomplete."
        ) from err
