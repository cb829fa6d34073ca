"""Animations as outputs: GIF, animated PNG and animated WebP, with the source's play count or an infinite one.

The time base of a GIF is a hundredth of a second. Every frame begins at the hundredth nearest to its own time, so that
rounding errors do not accumulate, and lasts at least two hundredths: browsers show shorter frames five to ten times
slower. Every frame has its own palette.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rife.atomic import AppearingFile
from rife.errors import Hint, JobError, MediaError
from rife.media.colour.interleave import interleaved
from rife.media.play_count import FOREVER
from rife.media.sink import (
    PictureSpec,
    aspect_notes,
    lossy_quality,
    refuse_other_format,
    refuse_other_picture,
)

_GIF_TICK, _GIF_SHORTEST = Fraction(1, 100), 2
FASTEST_GIF = 1 / (_GIF_SHORTEST * _GIF_TICK)
"""Highest frame rate of a GIF, in frames per second."""

_MILLISECOND = Fraction(1, 1000)
_FASTEST_SHOWN = 90

GIF_FORMATS = ("gbrp", "gbrap", "gray")
APNG_FORMATS = {
    "gbrp": "rgb24", "gbrap": "rgba", "gray": "gray",
    "gbrp16le": "rgb48be", "gbrap16le": "rgba64be", "gray16le": "gray16be",
}  # fmt: skip
WEBP_FORMATS = ("gbrp", "gbrap")
_MOST_DELAY = _MOST_PLAYS = 65535


def check_gif_rate(target: Path, frame_rate: Fraction) -> None:
    """Check that a GIF supports a frame rate.

    Raises:
        JobError: the frame rate is too high.
    """
    if frame_rate > FASTEST_GIF:
        raise JobError(
            f"{target}: expected at most {FASTEST_GIF} frames per second, the limit of GIF, got {float(frame_rate):g}.",
            hint=Hint("Use {fps} or less, or write .webp or .apng.", {"fps": FASTEST_GIF}),
        )


def _gif_loop(plays: int) -> str:
    """Value of the `loop` option of FFmpeg's GIF muxer: -1 for one play, 0 for infinite, else the repetitions."""
    return "0" if plays == FOREVER else "-1" if plays == 1 else str(min(plays - 1, _MOST_PLAYS))


class _AnimatedFile:
    """Base of the three formats: a file that appears when it is complete, with times from zero."""

    def __init__(self, target: Path, spec: PictureSpec, *, takes: tuple[str, ...], overwrite: bool) -> None:
        refuse_other_format(spec, takes, target)
        self.notes = aspect_notes(spec, target)
        self.frames_written = 0
        self.target, self.spec = target, spec
        self._file = AppearingFile(target, overwrite=overwrite)
        self._first_pts: int | None = None
        self._end_seconds = Fraction(0)
        if spec.frame_rate > _FASTEST_SHOWN:
            self.notes.append(
                f"most programs show frames shorter than 1/{_FASTEST_SHOWN} s for 1/10 s: "
                f"{target.name} plays too slowly in them"
            )

    def _start_seconds(self, picture: av.VideoFrame, pts: int, duration: int) -> Fraction:
        refuse_other_picture(self.spec, picture, self.target)
        if self._first_pts is None:
            self._first_pts = pts
        self._end_seconds = (pts + duration - self._first_pts) * self.spec.time_base
        return (pts - self._first_pts) * self.spec.time_base

    def _failed(self, err: Exception) -> MediaError:
        return MediaError(f"{self.target}: cannot be written ({getattr(err, 'strerror', None) or err}).")

    def _appear(self) -> None:
        try:
            self._file.appear()
        except OSError as err:
            raise self._failed(err) from err


class _MuxedFile(_AnimatedFile):
    """GIF and PNG: FFmpeg encodes and muxes; this class writes the duration of the last frame."""

    def __init__(
        self,
        target: Path,
        spec: PictureSpec,
        *,
        takes: tuple[str, ...],
        overwrite: bool,
        muxer: tuple[str, dict[str, str]],
        encoder: tuple[str, str, dict[str, str]],
        tick: Fraction,
    ) -> None:
        super().__init__(target, spec, takes=takes, overwrite=overwrite)
        kind, muxer_options = muxer
        codec, pixel_format, options = encoder
        self._tick = tick
        self._container: OutputContainer | None = None
        try:
            self._container = av.open(str(self._file.path.absolute()), "w", format=kind, options=muxer_options)
            stream = self._container.add_stream(codec, rate=spec.frame_rate.limit_denominator(10_000), options=options)
            if not isinstance(stream, VideoStream):
                raise MediaError(f"{codec} is not a video encoder.")
            context = stream.codec_context
            context.width, context.height, context.pix_fmt = spec.width, spec.height, pixel_format
            context.time_base = stream.time_base = tick
            if spec.sample_aspect_ratio:
                context.sample_aspect_ratio = spec.sample_aspect_ratio
            self._stream = stream
        except (av.FFmpegError, OSError, ValueError, OverflowError) as err:
            self._discard()
            raise self._failed(err) from err

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            packets: list[Packet[VideoStream]] = self._stream.encode(picture)
            if self._container is not None:
                self._container.mux(packets)
        except (av.FFmpegError, OSError, ValueError) as err:
            raise self._failed(err) from err

    def _complete(self) -> None:
        self._encode(None)
        try:
            if self._container is not None:
                self._container.close()
        except (av.FFmpegError, OSError) as err:
            raise self._failed(err) from err

    def _discard(self) -> None:
        try:
            if self._container is not None:
                self._container.close()
        except (av.FFmpegError, OSError):
            pass  # the file is discarded
        self._file.discard()


class AnimatedGif(_MuxedFile):
    """An animated GIF: a `PictureSink`."""

    def __init__(self, target: Path, spec: PictureSpec, *, overwrite: bool) -> None:
        """Create the hidden file.

        Raises:
            JobError: the frame rate is too high for a GIF, or the file exists.
            MediaError: the file cannot be written.
        """
        check_gif_rate(target, spec.frame_rate)
        self._has_alpha = spec.pixel_format == "gbrap"
        super().__init__(
            target,
            spec,
            takes=GIF_FORMATS,
            overwrite=overwrite,
            muxer=("gif", {"loop": _gif_loop(spec.plays)}),
            encoder=("gif", "pal8", {}),
            tick=_GIF_TICK,
        )
        self._graph = _palette_graph(spec, alpha=self._has_alpha)
        self._next_start = 0

    def __enter__(self) -> AnimatedGif:
        return self

    def write(self, picture: av.VideoFrame, *, pts: int, duration: int, name: str | None = None) -> None:  # noqa: ARG002 (of `PictureSink`)
        """Write the next frame; see `PictureSink.write`."""
        nearest = round(self._start_seconds(picture, pts, duration) / _GIF_TICK)
        start = max(nearest, self._next_start)
        self._next_start = start + _GIF_SHORTEST
        packed = interleaved(picture, "rgba" if self._has_alpha else "rgb24")
        packed.pts, packed.time_base = start, _GIF_TICK
        self._graph.push(packed)
        self._last_start = start
        self._pull()
        self.frames_written += 1

    def finish(self) -> None:
        """Complete the file; see `PictureSink.finish`."""
        self._graph.push(None)
        self._pull()
        self._complete()
        if self.frames_written > 1:
            end = round(self._end_seconds / _GIF_TICK)
            _patch_last_gif_delay(self._file.path, max(_GIF_SHORTEST, end - self._last_start))
        self._appear()

    def _pull(self) -> None:
        while True:
            try:
                picture = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            if isinstance(picture, av.VideoFrame):
                self._encode(picture)


class AnimatedPng(_MuxedFile):
    """An animated PNG: a `PictureSink`."""

    def __init__(self, target: Path, spec: PictureSpec, *, overwrite: bool) -> None:
        """Create the hidden file.

        Raises:
            JobError: the file exists.
            MediaError: the file cannot be written.
        """
        self._encodes = APNG_FORMATS.get(spec.pixel_format, "rgb24")
        super().__init__(
            target,
            spec,
            takes=tuple(APNG_FORMATS),
            overwrite=overwrite,
            muxer=("apng", {"plays": str(min(spec.plays, _MOST_PLAYS))}),
            encoder=("apng", self._encodes, {"pred": "mixed"}),
            tick=spec.time_base,
        )

    def __enter__(self) -> AnimatedPng:
        return self

    def write(self, picture: av.VideoFrame, *, pts: int, duration: int, name: str | None = None) -> None:  # noqa: ARG002 (of `PictureSink`)
        """Write the next frame; see `PictureSink.write`."""
        packed = interleaved(picture, self._encodes)
        packed.pts, packed.time_base = round(self._start_seconds(picture, pts, duration) / self._tick), self._tick
        self._last_seconds = duration * self.spec.time_base
        self._encode(packed)
        self.frames_written += 1

    def finish(self) -> None:
        """Complete the file; see `PictureSink.finish`."""
        self._complete()
        if self.frames_written:
            _patch_last_apng_delay(self._file.path, self._last_seconds)
        self._appear()


class AnimatedWebp(_AnimatedFile):
    """An animated WebP: a `PictureSink`. The encoder holds the encoded file in memory until the end."""

    def __init__(self, target: Path, spec: PictureSpec, *, overwrite: bool) -> None:
        """Prepare the encoder; quality 0 is lossless.

        Raises:
            JobError: the file exists.
            MediaError: the encoder does not open.
        """
        super().__init__(target, spec, takes=WEBP_FORMATS, overwrite=overwrite)
        context = av.CodecContext.create("libwebp_anim", "w")
        if not isinstance(context, VideoCodecContext):
            raise MediaError("libwebp_anim is not a video encoder.")
        context.width, context.height, context.pix_fmt = spec.width, spec.height, "bgra"
        context.time_base = _MILLISECOND
        context.options = {"lossless": "1"} if spec.crf == 0 else {"quality": str(lossy_quality(spec.crf))}
        self._context = context
        self._parts: list[bytes] = []

    def __enter__(self) -> AnimatedWebp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.discard()

    def write(self, picture: av.VideoFrame, *, pts: int, duration: int, name: str | None = None) -> None:  # noqa: ARG002 (of `PictureSink`)
        """Write the next frame; see `PictureSink.write`."""
        packed = interleaved(picture, "bgra")
        packed.pts, packed.time_base = round(self._start_seconds(picture, pts, duration) / _MILLISECOND), _MILLISECOND
        self._encode(packed)
        self.frames_written += 1

    def finish(self) -> None:
        """Complete the file; see `PictureSink.finish`."""
        self._encode(None)
        data = bytearray(b"".join(self._parts))
        _patch_webp(data, round(self._end_seconds / _MILLISECOND), plays=self.spec.plays)
        try:
            self._file.path.write_bytes(data)
        except OSError as err:
            raise self._failed(err) from err
        self._appear()

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            self._parts += [bytes(packet) for packet in self._context.encode(picture)]
        except (av.FFmpegError, ValueError) as err:
            raise self._failed(err) from err


def _palette_graph(spec: PictureSpec, *, alpha: bool) -> Graph:
    """Filter graph that converts each frame to a palette of up to 256 colours of its own."""
    graph = Graph()
    source = graph.add_buffer(
        width=spec.width,
        height=spec.height,
        format=av.VideoFormat("rgba" if alpha else "rgb24", spec.width, spec.height),
        time_base=_GIF_TICK,
    )
    split, sink = graph.add("split"), graph.add("buffersink")
    choose = graph.add("palettegen", f"stats_mode=single:reserve_transparent={int(alpha)}")
    draw = graph.add("paletteuse", "new=1:dither=sierra2_4a")
    source.link_to(split)
    split.link_to(choose, 0, 0)
    split.link_to(draw, 1, 0)
    choose.link_to(draw, 0, 1)
    draw.link_to(sink)
    graph.configure()
    return graph


def _patch_last_gif_delay(path: Path, hundredths: int) -> None:
    """Set the delay of the last frame: FFmpeg repeats that of the previous frame (GIF89a, section 23)."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        at = _last_gif_control(data)
        data[at + 4 : at + 6] = struct.pack("<H", min(hundredths, _MOST_DELAY))


def _last_gif_control(data: mmap.mmap) -> int:
    """Offset of the last graphic control extension, found by reading the blocks."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    last = -1
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x21:
            last = at if data[at + 1] == 0xF9 else last
            at += 2
        else:
            at += 10 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0) + 1
        while data[at]:
            at += 1 + data[at]
        at += 1
    return last


def _patch_last_apng_delay(path: Path, seconds: Fraction) -> None:
    """Set the delay of the last frame in its fcTL chunk (PNG 3rd edition, section 11.3.6.2)."""
    delay = seconds.limit_denominator(_MOST_DELAY)
    if delay.numerator > _MOST_DELAY:
        delay = Fraction(min(_MOST_DELAY, round(delay)))
    with path.open("r+b") as file:
        file.seek(8)
        last = None
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[:4], "big")
            if head[4:] == b"fcTL":
                last = file.tell()
            file.seek(size + 4, 1)
        if last is None:
            return
        file.seek(last)
        body = bytearray(file.read(26))
        body[20:24] = struct.pack(">HH", delay.numerator, delay.denominator)
        file.seek(last)
        file.write(body + struct.pack(">I", zlib.crc32(b"fcTL" + body)))


def _patch_webp(data: bytearray, total_ms: int, *, plays: int) -> None:
    """Set the play count and the duration of the last frame, so that all durations add up to the total."""
    at, offsets = 12, []
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"ANIM":
            data[at + 12 : at + 14] = min(plays, _MOST_PLAYS).to_bytes(2, "little")
        if data[at : at + 4] == b"ANMF":
            offsets.append(at + 8 + 12)
        at += 8 + size + size % 2
    if offsets:
        before = sum(int.from_bytes(data[offset : offset + 3], "little") for offset in offsets[:-1])
        data[offsets[-1] : offsets[-1] + 3] = max(1, total_ms - before).to_bytes(3, "little")
