"""Opening of inputs of every kind."""

from __future__ import annotations

import sys
from pathlib import Path

from rife.errors import Hint, JobError, MediaError
from rife.media.images.animation_source import AnimatedImage, is_animation
from rife.media.images.sequence import ImageSequence
from rife.media.paths import Input, parse_input
from rife.media.source import Source
from rife.media.video.picture_track import PictureTrack, is_picture_track
from rife.media.video.reader import VideoReader
from rife.media.y4m import Y4mStream
from rife.options import Number, OnDamage, parse_path
from rife.timing import parse_rate


def open_source(
    source: str | Path | Input, *, frame_rate: Number | None = None, on_damage: OnDamage = "stop"
) -> Source | VideoReader:
    """Open an input: y4m on standard input (`-`), a folder or pattern of image files, an animation, or a video file.

    Args:
        source: the path of the input.
        frame_rate: frame rate of inputs without times: image files, and y4m without a rate.
        on_damage: at frames that cannot be decoded, `stop`, or `hold` the previous frame and continue after them if
            possible.

    Raises:
        JobError: a frame rate is given for an input that has times.
        MediaError: the input cannot be read.
        MissingExtraError: a necessary library is not installed.
    """
    named = source if isinstance(source, Input) else parse_input(parse_path(source, "source"))
    path, rate = named.path, None if frame_rate is None else parse_rate(frame_rate, "input rate")
    if named.is_stream:
        if sys.stdin is None or sys.stdin.isatty():
            raise MediaError("standard input: expected y4m through a pipe, but it is a terminal. Name a file instead.")
        return Y4mStream(sys.stdin.buffer, frame_rate=rate)
    if named.is_sequence:
        return ImageSequence(path, frame_rate=rate, on_damage=on_damage)
    if rate is not None:
        raise JobError(
            f"{path}: has its own times; an input rate is for image files, and for y4m without a rate.",
            hint=Hint("Leave {input_fps} out, or choose the rate of the output with {fps}."),
        )
    if is_animation(path):
        return AnimatedImage(path)
    if is_picture_track(path):
        return PictureTrack(path)
    return VideoReader(path, on_damage=on_damage)
