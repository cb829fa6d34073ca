"""What the path of an input or an output names: parsed once, at the edge; everything else asks the parsed value."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from rife.atomic import named_beside

InputKind: TypeAlias = Literal["stream", "folder", "pattern", "file"]
"""A stream is standard input; a folder and a pattern hold picture files."""

OutputKind: TypeAlias = Literal["stream", "y4m", "folder", "pattern", "animation", "picture", "video"]
"""A stream is standard output; a picture is one file that holds one picture, which no output can be."""

STANDARD_STREAM = "-"
"""The path of standard input and standard output."""

ANIMATION_ENDINGS = (".gif", ".apng", ".webp")
IMAGE_FORMAT_OF_ENDING = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}
"""Endings of picture files that can be written, with the names that users give their formats."""

Y4M_ENDING = ".y4m"

_CONVERSION = re.compile(r"%%|%\d*d")


@dataclass(frozen=True)
class Input:
    """What the path of an input names.

    Attributes:
        path: as it was given.
        kind: what it names.
    """

    path: Path
    kind: InputKind

    @property
    def is_stream(self) -> bool:
        """Whether it is standard input."""
        return self.kind == "stream"

    @property
    def is_sequence(self) -> bool:
        """Whether it names picture files."""
        return self.kind in ("folder", "pattern")

    @property
    def exists(self) -> bool:
        """Whether there is something to read; a stream and a pattern are only known to be when they are read."""
        return self.kind != "file" or self.path.exists()


@dataclass(frozen=True)
class Output:
    """What the path of an output names.

    Attributes:
        path: as it was given.
        kind: what it names.
    """

    path: Path
    kind: OutputKind

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_stream(self) -> bool:
        """Whether it is standard output."""
        return self.kind == "stream"

    @property
    def is_video(self) -> bool:
        """Whether it is a video file; every other kind is written picture by picture."""
        return self.kind == "video"

    @property
    def is_folder(self) -> bool:
        """Whether every picture is a file of its own."""
        return self.kind in ("folder", "pattern")

    @property
    def folder(self) -> Path:
        """The folder of the picture files of a folder or a pattern."""
        return self.path.parent if self.kind == "pattern" else self.path

    @property
    def pattern(self) -> str | None:
        """The name with a place for a number, of a pattern."""
        return self.path.name if self.kind == "pattern" else None

    @property
    def ending(self) -> str:
        """The ending in small letters, with its dot; "" if there is none."""
        return self.path.suffix.lower()

    @property
    def partial(self) -> Output:
        """The output under whose name an incomplete result is kept; what goes into a pipe is there already."""
        if self.is_stream:
            return self
        ending = f".partial{self.path.suffix}" if self.path.suffix else "-partial"
        return replace(self, path=named_beside(self.path, "", ending))


def parse_input(path: Path) -> Input:
    """Look at what an input path names.

    Args:
        path: `-`, a folder, a pattern such as in/%04d.png, or a file. A file whose name only looks like a pattern is a
            file.
    """
    if str(path) == STANDARD_STREAM:
        return Input(path, "stream")
    if path.is_dir():
        return Input(path, "folder")
    return Input(path, "pattern" if is_pattern(path) and not path.exists() else "file")


def parse_output(path: Path) -> Output:
    """Look at what an output path names.

    Args:
        path: `-` (y4m on standard output), a .gif, .apng, .webp or .y4m file, a pattern such as out/%05d.png, a folder
            that exists, a name without an ending (a new folder), or a video file.
    """
    ending = path.suffix.lower()
    kind: OutputKind = "video"
    if str(path) == STANDARD_STREAM:
        kind = "stream"
    elif path.is_dir():
        kind = "folder"
    elif ending == Y4M_ENDING:
        kind = "y4m"
    elif is_pattern(path) and (not ending or ending in ANIMATION_ENDINGS or ending in IMAGE_FORMAT_OF_ENDING):
        kind = "pattern"
    elif not ending:
        kind = "folder"
    elif ending in ANIMATION_ENDINGS:
        kind = "animation"
    elif ending in IMAGE_FORMAT_OF_ENDING:
        kind = "picture"
    return Output(path, kind)


def is_pattern(path: Path) -> bool:
    """Whether the last part of a path holds a place for a number, such as %d or %04d."""
    return any(found != "%%" for found in _CONVERSION.findall(path.name))
