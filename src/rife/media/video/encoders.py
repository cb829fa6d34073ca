"""What an encoder takes: asked of the encoder itself, opened for a moment on a small picture."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache
from operator import itemgetter
from typing import cast

import av
from av.codec.context import CodecContext, CodecOption, OptionType
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from rife.media.video.muxers import admits, coded_stream, reason_of, trial

_SIDE = 128
"""Pixels; some encoders refuse smaller pictures."""

_RATE = Fraction(25)
"""Frames per second; every standard has this rate."""

_REFUSALS = (av.FFmpegError, ValueError, OverflowError)

_TAKES_BOTH = ("libx264", "libx265")
"""Encoders that are known to take both ranges; opening one takes time."""

_LOG_LEVEL_OF_SVT = "SVT_LOG"
_ERRORS_ONLY = "1"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep SVT-AV1 from writing a banner to standard error; what the user has set for it stays."""
    told = os.environ.get(_LOG_LEVEL_OF_SVT)
    os.environ.setdefault(_LOG_LEVEL_OF_SVT, _ERRORS_ONLY)
    try:
        yield
    finally:
        if told is None:
            os.environ.pop(_LOG_LEVEL_OF_SVT, None)


def refusal(
    codec: str,
    pixel_format: str,
    options: dict[str, str],
    *,
    size: tuple[int, int] = (_SIDE, _SIDE),
    frame_rate: Fraction = _RATE,
    time_base: Fraction | None = None,
) -> list[str]:
    """What an encoder says when it refuses settings, line by line.

    Args:
        codec: FFmpeg name of the encoder.
        pixel_format: what it is given, in full range where the name says so.
        options: FFmpeg's option names and values.
        size: width and height of its pictures.
        frame_rate: pictures per second.
        time_base: seconds per tick of their times; the length of one if not given.

    Returns:
        FFmpeg's messages, errors first, and at least one line; nothing if the encoder opens.
    """
    encoder = _encoder(codec, pixel_format, options)
    encoder.width, encoder.height = size
    encoder.framerate, encoder.time_base = frame_rate, time_base or 1 / frame_rate
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.INFO)
    av.logging.set_skip_repeated(False)
    try:
        with quiet(), av.logging.Capture() as log:
            encoder.open()
    except _REFUSALS as err:
        lines = "".join(message for _, _, message in sorted(log, key=itemgetter(0))).splitlines()
        return [line.strip() for line in lines if line.strip()] or [reason_of(err)]
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)
    return []


def container_holds(muxer: str, codec: str, options: dict[str, str] | None = None) -> bool:
    """Whether a kind of file holds what an encoder makes, so that it can be read again.

    Args:
        muxer: FFmpeg's name for the kind of file.
        codec: FFmpeg name of the encoder.
        options: what the encoder is opened with.
    """
    if admits(muxer, av.Codec(codec, "w")):
        return not _is_refused(muxer, codec, options or {})
    return _is_read_back(muxer, codec)


def _is_refused(muxer: str, codec: str, options: dict[str, str]) -> bool:
    """Whether a kind of file that admits to hold a codec still refuses what an encoder makes: VP9 in QuickTime."""
    if refusal(codec, _first_format(codec), options):
        return False  # this machine lacks what the encoder needs; the file says nothing of that
    with trial(muxer) as (file, _):
        track = cast("VideoStream", file.add_stream(codec, rate=_RATE))
        track.width = track.height = _SIDE
        track.pix_fmt, track.codec_context.options = _first_format(codec), options
        try:
            with quiet():
                file.start_encoding()
        except _REFUSALS:
            return True
    return False


def _is_read_back(muxer: str, codec: str) -> bool:
    """Whether a picture comes back from a file of a kind that does not admit to hold what an encoder makes."""
    encoder = _encoder(codec, _first_format(codec), {})
    picture = av.VideoFrame(_SIDE, _SIDE, _first_format(codec))
    picture.pts = 0
    with trial(muxer) as (file, memory):
        try:
            with quiet():
                encoder.open()
            track = coded_stream(file, encoder)
            track.time_base = encoder.time_base
            file.start_encoding()
            for packet in (*encoder.encode(picture), *encoder.encode(None)):
                packet.stream = track
                file.mux(packet)
            file.close()
            memory.seek(0)
            with av.open(memory) as written:
                return any(True for _ in written.decode(video=0))
        except _REFUSALS:
            return False


def preset_problem(codec: str, option: str, preset: str, *, options: dict[str, str]) -> str | None:
    """What is expected in place of a preset that an encoder does not have; None if it has the preset.

    Args:
        codec: FFmpeg name of the encoder.
        option: name of its speed option.
        preset: what the user asks for.
        options: what the encoder is opened with beside the preset.
    """
    described = CodecContext.create(codec, "w").supported_options.private
    row = next((each for each in described if each.name == option), None)
    if row is None:
        return None
    if row.type is not OptionType.STRING:
        return _not_described(row, preset)
    # The encoder's library has the names, and tells them when it is given another one.
    said = refusal(codec, _first_format(codec), options | {option: preset})
    named = next(filter(None, (re.match(r"Possible presets:\s*(.+)", line) for line in said)), None)
    return None if named is None else f"one of {', '.join(named[1].split())}"


@cache
def taken_formats(codec: str, formats: tuple[str, ...]) -> tuple[str, ...]:
    """The pixel formats that an encoder takes of those that it lists; some take YUV in full range only.

    Args:
        codec: FFmpeg name of the encoder.
        formats: what it lists.
    """
    limited = [name for name in formats if _in_full_range(name) in formats]
    if codec in _TAKES_BOTH or not limited or not refusal(codec, limited[0], {}):
        return formats
    if refusal(codec, _in_full_range(limited[0]), {}):
        return formats  # it does not open here at all, which is said where it is used
    return tuple(name for name in formats if name not in limited)


def _first_format(codec: str) -> str:
    return next((fmt.name for fmt in av.Codec(codec, "w").video_formats or ()), "yuv420p")


def _encoder(codec: str, pixel_format: str, options: dict[str, str]) -> VideoCodecContext:
    encoder = cast("VideoCodecContext", CodecContext.create(codec, "w"))
    encoder.width = encoder.height = _SIDE
    encoder.pix_fmt = pixel_format
    encoder.framerate, encoder.time_base = _RATE, 1 / _RATE
    encoder.color_range = ColorRange.JPEG if pixel_format.startswith("yuvj") else ColorRange.MPEG
    encoder.options = dict(options)
    return encoder


def _in_full_range(name: str) -> str:
    return name.replace("yuv", "yuvj", 1)


def _not_described(row: CodecOption, preset: str) -> str | None:
    """What FFmpeg's description of an option expects in place of a value that is not in it."""
    names = [choice.name for choice in row.choices]
    with suppress(ValueError):
        if row.min <= int(preset) <= row.max:
            return None
    if preset in names:
        return None
    return f"one of {', '.join(names)}" if names else f"a number from {row.min:g} to {row.max:g}"
