"""Parsing of input and output paths into their kind, once, where a path enters the package."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from rife.atomic import is_too_long, named_beside

InputKind: TypeAlias = Literal["stream", "folder", "pattern", "file"]
"""A stream is standard input; a folder and a pattern hold image files."""

OutputKind: TypeAlias = Literal["stream", "y4m", "folder", "pattern", "animation", "picture", "video"]
"""A stream is standard output; a picture is a file of a single picture, which is no valid output."""

STANDARD_STREAM = "-"
"""Path of standard input and standard output."""

ANIMATION_ENDINGS = (".gif", ".apng", ".webp")
IMAGE_FORMAT_OF_ENDING = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}
"""Extensions of image files that can be written, and the names of their formats."""

Y4M_ENDING = ".y4m"

_CONVERSION = re.compile(r"%%|%\d*d")


@dataclass(frozen=True)
class Input:
    """A parsed input path.

    Attributes:
        path: the path as given.
        kind: kind of the input.
    """

    path: Path
    kind: InputKind

    @property
    def is_stream(self) -> bool:
        """Whether the input is standard input."""
        return self.kind == "stream"

    @property
    def is_sequence(self) -> bool:
        """Whether the input is a folder or a pattern of image files."""
        return self.kind in ("folder", "pattern")

    @property
    def exists(self) -> bool:
        """Whether the input exists; always true of a stream and a pattern, which are checked when they are read."""
        return self.kind != "file" or self.path.exists()


@dataclass(frozen=True)
class Output:
    """A parsed output path.

    Attributes:
        path: the path as given.
        kind: kind of the output.
    """

    path: Path
    kind: OutputKind

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_stream(self) -> bool:
        """Whether the output is standard output."""
        return self.kind == "stream"

    @property
    def is_video(self) -> bool:
        """Whether the output is a video file; every other kind is written frame by frame."""
        return self.kind == "video"

    @property
    def is_folder(self) -> bool:
        """Whether every frame is written to its own file."""
        return self.kind in ("folder", "pattern")

    @property
    def folder(self) -> Path:
        """The folder of the image files of a folder or a pattern."""
        return self.path.parent if self.kind == "pattern" else self.path

    @property
    def pattern(self) -> str | None:
        """The file name with a number conversion, such as %05d.png, of a pattern; None for other kinds."""
        return self.path.name if self.kind == "pattern" else None

    @property
    def ending(self) -> str:
        """The extension in lower case, with its dot; "" if there is none."""
        return self.path.suffix.lower()

    @property
    def partial(self) -> Output:
        """The output that holds an incomplete result; standard output itself for standard output."""
        if self.is_stream:
            return self
        ending = f".partial{self.path.suffix}" if self.path.suffix else "-partial"
        return replace(self, path=named_beside(self.path, "", ending))


def parse_input(path: Path) -> Input:
    """Parse an input path.

    Args:
        path: `-`, a folder, a pattern such as in/%04d.png, or a file. An existing file whose name looks like a pattern
            is a file.
    """
    if str(path) == STANDARD_STREAM:
        return Input(path, "stream")
    if is_too_long(path):  # which the system cannot look for
        return Input(path, "pattern" if is_pattern(path) else "file")
    if path.is_dir():
        return Input(path, "folder")
    return Input(path, "pattern" if is_pattern(path) and not path.exists() else "file")


def parse_output(path: Path) -> Output:
    """Parse an output path.

    Args:
        path: `-` (y4m on standard output), a .gif, .apng, .webp or .y4m file, a pattern such as out/%05d.png, an
            existing folder, a name without an extension (a new folder), or a video file.
    """
    ending = path.suffix.lower()
    kind: OutputKind = "video"
    if str(path) == STANDARD_STREAM:
        kind = "stream"
    elif not is_too_long(path) and path.is_dir():
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
    """Whether the last part of a path holds a number conversion, such as %d or %04d."""
    return any(found != "%%" for found in _CONVERSION.findall(path.name))
