"""A folder of image files as an output.

The files are written into a hidden folder, and appear together when all are complete: a new folder by one rename, the
files of an existing folder by one rename each. In an existing folder, only files of the same names are replaced, and
only with `overwrite`.

The names of source images are preserved; the new images after NAME are NAME.x001, NAME.x002 and so on. Sorted by name,
with or without numeric order, they follow NAME: `.` sorts before letters and digits, so no name that begins with NAME
comes between, and `x` sorts after the first letter of every extension. If NAME.x001 is itself a source image, from an
earlier run, the new images before it are NAME.x000.x001 and so on. Without names, images are numbered: by a pattern, or
000001, 000002, ...
"""

from __future__ import annotations

import re
import shutil
import uuid
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.video.codeccontext import VideoCodecContext

from rife.atomic import put_all_in_place, put_folder_in_place, sync_file
from rife.errors import Hint, JobError, MediaError
from rife.media.colour.convert import from_rgb, to_rgb
from rife.media.colour.interleave import interleaved
from rife.media.images.sequence import matches, natural_key, numbered
from rife.media.paths import Output
from rife.media.sink import PictureSpec, aspect_notes, lossy_quality, refuse_other_format, refuse_other_picture

_JFIF_MATRICES = (5, 6)
_UNKNOWN_MATRIX, _HD_HEIGHT, _FULL_RANGE = 2, 720, 2


@dataclass(frozen=True)
class FileKind:
    """A format of image files that can be written.

    Attributes:
        codec: FFmpeg's name of the encoder.
        ending: extension of the files.
        encodes: the encoder's pixel format for each supported pixel format.
        options: options of the encoder.
    """

    codec: str
    ending: str
    encodes: dict[str, str]
    options: dict[str, str]


_EIGHT_BITS = {"gbrp": "rgb24", "gbrap": "rgba", "gray": "gray"}
FILE_KINDS = {
    "png": FileKind(
        "png",
        ".png",
        {**_EIGHT_BITS, "gbrp16le": "rgb48be", "gbrap16le": "rgba64be", "gray16le": "gray16be"},
        {"pred": "mixed", "compression_level": "3"},
    ),
    "tiff": FileKind(
        "tiff",
        ".tiff",
        {**_EIGHT_BITS, "gbrp16le": "rgb48le", "gbrap16le": "rgba64le", "gray16le": "gray16le"},
        {"compression_algo": "deflate"},
    ),
    "jpg": FileKind(
        "mjpeg",
        ".jpg",
        {"yuvj420p": "yuvj420p", "yuvj422p": "yuvj422p", "yuvj444p": "yuvj444p", "gbrp": "yuvj444p"},
        {"huffman": "optimal"},
    ),
    "webp": FileKind("libwebp", ".webp", {"gbrp": "bgra", "gbrap": "bgra"}, {}),
}
"""Formats of image files that can be written, by name."""


class FolderSink:
    """A `PictureSink` that writes every frame to its own file."""

    def __init__(self, target: Output, spec: PictureSpec, *, kind: FileKind, overwrite: bool) -> None:
        """Create the hidden folder.

        Args:
            target: a folder, or a pattern such as out/%05d.png.
            spec: properties of the frames.
            kind: format of the files.
            overwrite: write into a folder that is not empty, and replace files of the same names.

        Raises:
            JobError: the folder is not empty, a file already matches the pattern, or the pixel format is not supported.
            MediaError: the hidden folder cannot be created.
        """
        refuse_other_format(spec, tuple(kind.encodes), target.path)
        self.notes = aspect_notes(spec, target.path)
        self.frames_written = 0
        self._target, self._pattern, self._folder = target, target.pattern, target.folder
        self._spec, self._kind, self._overwrite = spec, kind, overwrite
        check_folder(target, overwrite=overwrite)
        self._name = ""
        self._noted_order = False
        self._unnamed: list[Path] = []
        self._last_key: tuple[str | tuple[int, int], ...] | None = None
        self._durations: tuple[int, int] | None = None
        self._context = _encoder(kind, spec)
        # Inside of an existing folder: it may be the root of another disk, and renames do not cross disks.
        hidden = f".rife-{uuid.uuid4().hex[:12]}"
        self._work = self._folder / hidden if self._folder.exists() else self._folder.with_name(hidden)
        try:
            self._work.mkdir()
        except OSError as err:
            raise MediaError(f"{self._folder}: cannot be written ({err.strerror or err}).") from err

    def __enter__(self) -> FolderSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._work, ignore_errors=True)

    def write(self, picture: av.VideoFrame, *, pts: int, duration: int, name: str | None = None) -> None:  # noqa: ARG002 (of `PictureSink`)
        """Write the next frame to its file; see `PictureSink.write`."""
        refuse_other_picture(self._spec, picture, self._folder)
        data = self._encoded(picture)
        path = self._work / f".{self.frames_written}"
        try:
            path.write_bytes(data)
            sync_file(path)
            self._name_file(path, name)
        except OSError as err:
            raise MediaError(f"{self._folder}: cannot be written ({err.strerror or err}).") from err
        shortest, longest = self._durations or (duration, duration)
        self._durations = min(shortest, duration), max(longest, duration)
        self.frames_written += 1

    def finish(self) -> None:
        """Move the files into place; see `PictureSink.finish`."""
        folder = self._folder
        self._name_unnamed(None)
        check_folder(self._target, overwrite=self._overwrite)
        try:
            if not folder.exists():
                put_folder_in_place(self._work, folder)
            else:
                self._note_others(folder, put_all_in_place(self._work, folder))
        except OSError as err:
            raise MediaError(f"{folder}: cannot be written ({err.strerror or err}).") from err
        self._note_times()

    def _name_file(self, path: Path, name: str | None) -> None:
        """Name an image as soon as its name is certain: that of a new image depends on the next source image."""
        if self._pattern is not None:
            self._rename(path, numbered(self._pattern, self.frames_written + 1))
        elif name is not None and (self._name or not self.frames_written):
            self._name_unnamed(name)
            self._name = name
            self._rename(path, name + self._kind.ending)
        elif self._name:
            self._unnamed.append(path)
        else:
            self._rename(path, f"{self.frames_written + 1:06d}{self._kind.ending}")

    def _name_unnamed(self, following: str | None) -> None:
        for index, path in enumerate(self._unnamed):
            self._rename(path, made_name(self._name, index + 1, following=following) + self._kind.ending)
        self._unnamed.clear()

    def _rename(self, path: Path, name: str) -> None:
        if (self._work / name).exists():
            raise MediaError(f"{self._folder}: two images would have the name {name}.")
        path.rename(self._work / name)
        key = natural_key(name)
        if self._last_key is not None and key < self._last_key and not self._noted_order:
            self._noted_order = True
            self.notes.append(f"sorted by name, {name} and perhaps others are out of order")
        self._last_key = key

    def _encoded(self, picture: av.VideoFrame) -> bytes:
        wanted = self._kind.encodes[self._spec.pixel_format]
        ready = _as_jfif(picture, wanted) if self._kind.codec == "mjpeg" else interleaved(picture, wanted)
        ready.pts = self.frames_written
        try:
            packets = self._context.encode(ready)
        except (av.FFmpegError, ValueError) as err:
            raise MediaError(f"{self._folder}: the encoder {self._kind.codec} rejected a frame ({err}).") from err
        return b"".join(bytes(packet) for packet in packets)

    def _note_others(self, folder: Path, names: set[str]) -> None:
        others = sum(1 for path in folder.iterdir() if path != self._work and path.name not in names)
        if others and self._pattern is None:
            self.notes.append(f"{folder} also holds {others} older files, which are unchanged")

    def _note_times(self) -> None:
        if self._durations is None:
            return
        shortest, longest = self._durations
        if (longest - shortest) * self._spec.time_base > Fraction(2, 1000):
            self.notes.append("image files store no times: the source's variable frame rate is lost")


def made_name(name: str, index: int, *, following: str | None) -> str:
    """File name stem of a new image.

    Args:
        name: stem of the previous source image.
        index: number of the new image after that source image, from 1.
        following: stem of the next source image; None at the end.
    """
    rest = following[len(name) :] if following is not None and following.startswith(name) else ""
    earlier = re.match(r"(?:\.x000)*(?=\.x[0-9])", rest)
    zeros = 0 if earlier is None else len(earlier[0]) // len(".x000") + 1
    return f"{name}{'.x000' * zeros}.x{index:03d}"


def check_folder(target: Output, *, overwrite: bool) -> None:
    """Check that a folder or pattern does not mix with existing files.

    Raises:
        JobError: files exist, the target is no folder, or its parent folder does not exist.
    """
    folder, pattern = target.folder, target.pattern
    if pattern is not None:
        try:
            numbered(pattern, 0)
        except MediaError as err:
            raise JobError(str(err)) from err
    if folder.exists() and not folder.is_dir():
        raise JobError(f"{folder}: expected a folder for the images, got a file.")
    if not folder.exists():
        if not folder.absolute().parent.is_dir():
            raise JobError(f"{folder}: there is no folder {folder.parent}. Create it first.")
        return
    if overwrite:
        return
    visible = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if pattern is not None:
        visible = [name for name in visible if matches(pattern, name)]
    if visible:
        raise JobError(
            f"{target}: holds {min(visible)} and perhaps more.",
            hint=Hint(
                "Name another one with {output}, or write into it with {overwrite}; only files of the same names are "
                "replaced then.",
                {"overwrite": True},
            ),
        )


def _encoder(kind: FileKind, spec: PictureSpec) -> VideoCodecContext:
    context = av.CodecContext.create(kind.codec, "w")
    if not isinstance(context, VideoCodecContext):
        raise MediaError(f"{kind.codec} is no image encoder.")
    context.width, context.height, context.pix_fmt = spec.width, spec.height, kind.encodes[spec.pixel_format]
    context.time_base = spec.time_base
    context.thread_count = 1  # the encoder returns every frame at once
    context.color_range = _FULL_RANGE
    options = dict(kind.options)
    if kind.codec == "mjpeg":
        scale = str(1 + round(30 * (spec.crf / 51) ** 2))
        options |= {"qmin": scale, "qmax": scale}
    if kind.codec == "libwebp":
        options |= {"lossless": "1"} if spec.crf == 0 else {"quality": str(lossy_quality(spec.crf))}
    context.options = options
    if spec.sample_aspect_ratio:
        context.sample_aspect_ratio = spec.sample_aspect_ratio
    return context


def _as_jfif(picture: av.VideoFrame, wanted: str) -> av.VideoFrame:
    """Convert a frame to the colours of JPEG files: full range, the matrix of BT.601 at any size (JFIF 1.02)."""
    unnamed_is_theirs = picture.colorspace == _UNKNOWN_MATRIX and picture.height < _HD_HEIGHT
    if picture.format.name == wanted and (picture.colorspace in _JFIF_MATRICES or unnamed_is_theirs):
        return picture
    like = av.VideoFrame(picture.width, picture.height, wanted)
    like.colorspace, like.color_range = _JFIF_MATRICES[0], _FULL_RANGE
    return from_rgb(to_rgb(picture), like)
