"""Image sequences as an input: a folder, or a numbered pattern.

The images of a folder are the files with an image extension. They must have one format and one size, and are read in
natural order: numbers in a name count as numbers, so frame2 comes before frame10. Gaps between the numbers are valid in
a folder, but not in a pattern, where a missing number is a missing image.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import av

from rife.errors import MediaError, TruncatedMediaError
from rife.media.images.image_file import PICTURE_ENDINGS, PictureFacts, decode_picture, picture_facts, richest
from rife.media.source import SourceFrame, VideoInfo
from rife.media.video.findings import Findings
from rife.media.video.showing_times import TimeSpan
from rife.options import OnDamage

DEFAULT_SEQUENCE_RATE = Fraction(25)
"""Default frame rate of a sequence, in frames per second."""

_MOST_LISTED = 20
"""Largest number of names in a message."""

_CONVERSION = re.compile(r"%%|%\d*d")


class ImageSequence:
    """Image files as a `Source` with a constant frame rate."""

    def __init__(self, path: Path, *, frame_rate: Fraction | None = None, on_damage: OnDamage = "stop") -> None:
        """Find the images, and read the header of each.

        Args:
            path: a folder, or a pattern with one `%d` or `%04d` in its last part.
            frame_rate: images per second; 25 if not given.
            on_damage: at an image that cannot be read, `stop`, or `hold` the previous one in its place.

        Raises:
            MediaError: there are no images, their formats or sizes differ, a number of a pattern is missing, or a file
                is no image.
        """
        rate = DEFAULT_SEQUENCE_RATE if frame_rate is None else frame_rate
        if rate <= 0:
            raise MediaError(f"{path}: expected a frame rate above 0, got {rate}.")
        self.path = path
        self.findings = Findings()
        self._holds = on_damage == "hold"
        self._unreadable: set[int] = set()
        self.files = _folder_files(path) if path.is_dir() else _pattern_files(path)
        _refuse_equal_names(path, self.files)
        first, self.pixel_format = self._survey()
        self.info = VideoInfo(
            path=path,
            width=first.width,
            height=first.height,
            frame_rate=rate,
            time_base=1 / rate,
            frames=len(self.files),
            duration_seconds=len(self.files) / rate,
        )

    def __enter__(self) -> ImageSequence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # every file is closed after reading

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the images; the pts of the first is 0, and every duration is one tick.

        Args:
            from_pts: index of the first image; those before it are not opened.

        Raises:
            TruncatedMediaError: an image cannot be decoded, or has changed; the images before it are valid.
            MediaError: the same of the first image, or there is none at `from_pts`.
        """
        start = from_pts or 0
        if not 0 <= start < len(self.files):
            raise MediaError(f"{self.path}: has images 0 to {len(self.files) - 1}, none at {start}.")
        held = self._last_readable_before(start) if self._holds and start else None
        was_lost = False
        for index in range(start, len(self.files)):
            path = self.files[index]
            try:
                picture = self._picture(index)
            except MediaError as err:
                if not self._holds or held is None:
                    raise self._stopped(index, str(err), first=index == start) from err
                picture, is_lost = held, True
                self._unreadable.add(index)
            else:
                held, is_lost = picture, False
            yield SourceFrame(picture, pts=index, duration=1, name=path.stem, after_damage=is_lost or was_lost)
            was_lost = is_lost
        self.findings = Findings(lost=self._lost())

    @property
    def notes(self) -> list[str]:
        """Note on images that cannot be read."""
        if not self._unreadable:
            return []
        names = [self.files[index].name for index in sorted(self._unreadable)]
        more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
        return [f"cannot be read: {', '.join(names[:_MOST_LISTED])}{more}. The previous image is held in their place"]

    def _picture(self, index: int) -> av.VideoFrame:
        picture = decode_picture(self.files[index], pixel_format=self.pixel_format)
        if (picture.width, picture.height) != (self.info.width, self.info.height):
            raise MediaError(f"{self.files[index]}: has changed since its header was read.")
        return picture

    def _last_readable_before(self, start: int) -> av.VideoFrame | None:
        for index in range(start - 1, -1, -1):
            try:
                return self._picture(index)
            except MediaError:
                continue
        return None

    def _lost(self) -> list[TimeSpan]:
        """Time spans of images that cannot be read."""
        tick, spans = self.info.time_base, list[TimeSpan]()
        for index in sorted(self._unreadable):
            start = index * tick
            if spans and spans[-1].end == start:
                start = spans.pop().start
            spans.append(TimeSpan(start, (index + 1) * tick))
        return spans

    def _stopped(self, index: int, reason: str, *, first: bool) -> MediaError:
        kind = MediaError if first else TruncatedMediaError
        return kind(f"{reason} It is image {index + 1} of {len(self.files)}. Repair or remove it.")

    def _survey(self) -> tuple[PictureFacts, str]:
        """Read every header, check that sizes are equal, and choose the pixel format that holds all images."""
        first: PictureFacts | None = None
        formats = set()
        for index, path in enumerate(self.files):
            try:
                facts = picture_facts(path)
            except MediaError as err:
                if self._holds and first is not None:
                    continue
                raise self._stopped(index, str(err), first=True) from err
            if first is None:
                first = facts
            if (facts.width, facts.height) != (first.width, first.height):
                raise MediaError(
                    f"{path}: is {facts.width}x{facts.height}, expected {first.width}x{first.height} like "
                    f"{self.files[0].name}. It is image {index + 1} of {len(self.files)}."
                )
            formats.add(facts.pixel_format)
        if first is None:
            raise MediaError(f"{self.path}: no image found.")
        return first, richest(formats)


def numbered(pattern: str, number: int) -> str:
    """Format a number into a pattern, as printf does; `%%` becomes a per cent sign.

    Raises:
        MediaError: the pattern has no number conversion, or more than one.
    """
    conversions = [found for found in _CONVERSION.findall(pattern) if found != "%%"]
    if len(conversions) != 1:
        raise MediaError(f"{pattern}: expected one number conversion, such as %04d, found {len(conversions)}.")

    def fill(found: re.Match[str]) -> str:
        return "%" if found[0] == "%%" else f"{number:0{int(found[0][1:-1] or 0)}d}"

    return _CONVERSION.sub(fill, pattern)


def matches(pattern: str, name: str) -> re.Match[str] | None:
    """Match a file name against a pattern; group 1 is the number. None if the name does not match."""
    parts = re.split(r"(%%|%\d*d)", pattern)
    shape = "".join("%" if p == "%%" else "([0-9]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts))
    found = re.fullmatch(shape, name)
    return found if found is not None and numbered(pattern, int(found[1])) == name else None


def natural_key(name: str) -> tuple[str | tuple[int, int], ...]:
    """Sort key in which digits count as one number; of equal numbers, the one with fewer digits comes first."""
    parts = re.split("([0-9]+)", name)
    return tuple((int(part), len(part)) if index % 2 else part for index, part in enumerate(parts))


def _folder_files(folder: Path) -> list[Path]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and not entry.is_dir()]
    except OSError as err:
        raise MediaError(f"{folder}: cannot be read ({err.strerror or err}).") from err
    files = [entry for entry in entries if entry.suffix.lower() in PICTURE_ENDINGS]
    if not files:
        found = "the folder is empty" if not entries else f"found {len(entries)} other files"
        raise MediaError(f"{folder}: expected images ({', '.join(PICTURE_ENDINGS)}), but {found}.")
    kinds = Counter(PICTURE_ENDINGS[file.suffix.lower()] for file in files)
    if len(kinds) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise MediaError(
            f"{folder}: expected images of one format, found {counts}. Move the others away, or name a pattern such "
            f"as {folder / '%04d.png'}."
        )
    return sorted(files, key=lambda file: natural_key(file.name))


def _pattern_files(pattern: Path) -> list[Path]:
    numbered(pattern.name, 0)
    if pattern.suffix.lower() not in PICTURE_ENDINGS:
        raise MediaError(f"{pattern}: expected a pattern of images ({', '.join(PICTURE_ENDINGS)}).")
    try:
        names = [entry.name for entry in pattern.parent.iterdir()]
    except OSError as err:
        raise MediaError(f"{pattern}: the folder {pattern.parent} cannot be read ({err.strerror or err}).") from err
    numbers = sorted(int(found[1]) for name in names if (found := matches(pattern.name, name)) is not None)
    if not numbers:
        raise MediaError(f"{pattern}: no file matches. Check the folder, and the digits after the per cent sign.")
    for before, after in pairwise(numbers):
        if after != before + 1:
            raise MediaError(
                f"{pattern}: {numbered(pattern.name, before + 1)} is missing: the numbers go from {before} to {after}. "
                f"To use the existing files, name the folder: {pattern.parent}"
            )
    return [pattern.parent / numbered(pattern.name, number) for number in numbers]


def _refuse_equal_names(path: Path, files: list[Path]) -> None:
    """Check that file name stems are unique: they become the names of the outputs."""
    seen: dict[str, Path] = {}
    for file in files:
        other = seen.setdefault(file.stem, file)
        if other != file:
            raise MediaError(f"{path}: {other.name} and {file.name} differ in their extension only. Rename one.")
