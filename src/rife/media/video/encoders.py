"""Capabilities of encoders, found by opening each encoder for a small frame size."""

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
"""Pixels; some encoders do not support smaller frames."""

_RATE = Fraction(25)
"""Frames per second; every standard has this rate."""

_REFUSALS = (av.FFmpegError, ValueError, OverflowError)

_TAKES_BOTH = ("libx264", "libx265")
"""Encoders that support both colour ranges; a test by opening them takes time."""

_LOG_LEVEL_OF_SVT = "SVT_LOG"
_ERRORS_ONLY = "1"


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress SVT-AV1's banner on standard error; a log level that the user has set is preserved."""
    previous = os.environ.get(_LOG_LEVEL_OF_SVT)
    os.environ.setdefault(_LOG_LEVEL_OF_SVT, _ERRORS_ONLY)
    try:
        yield
    finally:
        if previous is None:
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
    """Log messages of an encoder that does not open with the given settings.

    Args:
        codec: FFmpeg's name of the encoder.
        pixel_format: pixel format of the frames, in full range if the name implies it.
        options: FFmpeg's option names and values.
        size: width and height of the frames.
        frame_rate: frames per second.
        time_base: seconds per tick; one frame if not given.

    Returns:
        FFmpeg's messages, errors first, at least one line; empty if the encoder opens.
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
    """Whether a container holds the stream of an encoder so that it can be read again.

    Args:
        muxer: FFmpeg's name of the muxer.
        codec: FFmpeg's name of the encoder.
        options: options of the encoder.
    """
    if admits(muxer, av.Codec(codec, "w")):
        return not _is_refused(muxer, codec, options or {})
    return _is_read_back(muxer, codec)


def _is_refused(muxer: str, codec: str, options: dict[str, str]) -> bool:
    """Whether a muxer lists a codec but rejects the stream of an encoder, such as VP9 in QuickTime."""
    if refusal(codec, _first_format(codec), options):
        return False  # the encoder does not open on this machine, which the muxer cannot know
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
    """Whether a frame can be read back from a container whose muxer does not list the codec of an encoder."""
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
    """Valid presets of an encoder, as text, if it does not have a given preset; None if it has the preset.

    Args:
        codec: FFmpeg's name of the encoder.
        option: name of its speed option.
        preset: the given preset.
        options: further options of the encoder.
    """
    described = CodecContext.create(codec, "w").supported_options.private
    row = next((each for each in described if each.name == option), None)
    if row is None:
        return None
    if row.type is not OptionType.STRING:
        return _not_described(row, preset)
    # The encoder's library lists the names in its error message for an unknown one.
    messages = refusal(codec, _first_format(codec), options | {option: preset})
    named = next(filter(None, (re.match(r"Possible presets:\s*(.+)", line) for line in messages)), None)
    return None if named is None else f"one of {', '.join(named[1].split())}"


@cache
def taken_formats(codec: str, formats: tuple[str, ...]) -> tuple[str, ...]:
    """Listed pixel formats that an encoder really supports: some encoders support YUV in full range only.

    Args:
        codec: FFmpeg's name of the encoder.
        formats: pixel formats that FFmpeg lists.
    """
    limited = [name for name in formats if _in_full_range(name) in formats]
    if codec in _TAKES_BOTH or not limited or not refusal(codec, limited[0], {}):
        return formats
    if refusal(codec, _in_full_range(limited[0]), {}):
        return formats  # the encoder does not open on this machine, which is reported on its use
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
    """Valid values of an option, as text, by FFmpeg's description; None if the preset is valid."""
    names = [choice.name for choice in row.choices]
    with suppress(ValueError):
        if row.min <= int(preset) <= row.max:
            return None
    if preset in names:
        return None
    return f"one of {', '.join(names)}" if names else f"a number from {row.min:g} to {row.max:g}"
