"""The record of a survey, and its JSON file with an editable list of cuts.

Interval i lies between source frames i and i + 1. The number of a cut is that of the first frame after it, as in video
editors: interval i is a cut if frame i + 1 begins a new shot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from rife.errors import Hint, JobError

FORMAT, VERSION = "rife survey", 1
_NEXT = Hint("Write a new one with {analyze}.")
_CHANGE_DIGITS = 6


@dataclass(frozen=True)
class Interval:
    """The interval between source frames i and i + 1.

    Attributes:
        cut: frame i + 1 begins a new shot: no frame can be interpolated.
        repeated: frame i + 1 shows the same picture as frame i.
        luma_change: mean absolute difference of luma over the frame, as a share of black to white: 0 to 1.
        damaged: frames of the interval are lost: frame i is held until frame i + 1.
    """

    cut: bool
    repeated: bool
    luma_change: float
    damaged: bool = False


@dataclass(frozen=True)
class Survey:
    """The results of one pass over a source.

    Attributes:
        pts: time of every source frame, in ticks.
        last_duration: duration of the last frame, in ticks.
        time_base: seconds per tick.
        intervals: one for each pair of neighbouring frames.
        keyframes: numbers of the key frames.
    """

    pts: tuple[int, ...]
    last_duration: int
    time_base: Fraction
    intervals: tuple[Interval, ...]
    keyframes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that the record describes a video.

        Raises:
            JobError: there are no frames, times do not increase, or the numbers of intervals and frames do not match.
        """
        if not self.pts:
            raise JobError("survey: expected at least one frame, got none.")
        if len(self.intervals) != len(self.pts) - 1:
            raise JobError(
                f"survey: expected {len(self.pts) - 1} intervals for {len(self.pts)} frames, got {len(self.intervals)}."
            )
        for index, (before, after) in enumerate(zip(self.pts, self.pts[1:], strict=False)):
            if after <= before:
                raise JobError(f"survey: expected increasing times, but frame {index + 1} has {after} after {before}.")
        if self.last_duration < 1 or self.time_base <= 0:
            raise JobError(
                "survey: expected a positive duration of the last frame and a positive time base, "
                f"got {self.last_duration} ticks of {self.time_base} s."
            )
        if any(not 0 <= frame < len(self.pts) for frame in self.keyframes):
            raise JobError(f"survey: expected keyframes from 0 to {len(self.pts) - 1}, got {list(self.keyframes)}.")

    @property
    def cuts(self) -> tuple[int, ...]:
        """Number of the first frame after each cut."""
        return tuple(index + 1 for index, interval in enumerate(self.intervals) if interval.cut)

    def seconds(self, frame: int) -> Fraction:
        """Presentation time of a frame, in seconds."""
        return self.pts[frame] * self.time_base

    def with_cuts(self, cuts: Iterable[int]) -> Survey:
        """A copy of the survey with other cuts.

        Args:
            cuts: number of the first frame after each cut.

        Raises:
            JobError: a number is no frame number, or is 0.
        """
        wanted = set(cuts)
        wrong = sorted(frame for frame in wanted if not 1 <= frame < len(self.pts))
        if wrong:
            raise JobError(
                f"cuts: expected frame numbers from 1 to {len(self.pts) - 1} (the first frame after each cut), "
                f"got {', '.join(map(str, wrong))}."
            )
        intervals = tuple(replace(interval, cut=i + 1 in wanted) for i, interval in enumerate(self.intervals))
        return replace(self, intervals=intervals)

    def to_json(self) -> str:
        """Write the survey as JSON: first the cuts, one per line, for editing; then the measurements."""
        cuts = [{"frame": frame, "seconds": round(float(self.seconds(frame)), 3)} for frame in self.cuts]
        lines = ",\n".join(f"    {json.dumps(cut)}" for cut in cuts)
        measured = {
            "frames": len(self.pts),
            "time_base": str(self.time_base),
            "last_duration": self.last_duration,
            "repeated": [index + 1 for index, interval in enumerate(self.intervals) if interval.repeated],
            "keyframes": self.keyframes,
            "luma_change": [round(interval.luma_change, _CHANGE_DIGITS) for interval in self.intervals],
            "pts": self.pts,
        }
        damaged = [index + 1 for index, interval in enumerate(self.intervals) if interval.damaged]
        if damaged:
            measured["damaged"] = damaged
        about = "each cut is the first frame of a new shot, counted from 0; seconds are informative only"
        head = {"format": FORMAT, "version": VERSION, "about": about}
        parts = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
        parts.append('  "cuts": [\n' + lines + "\n  ]" if cuts else '  "cuts": []')
        parts += [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in measured.items()]
        return "{\n" + ",\n".join(parts) + "\n}\n"

    @classmethod
    def from_json(cls, text: str, *, name: str = "survey") -> Survey:
        """Read the JSON text of `to_json`.

        Args:
            text: content of the file.
            name: name of the file, for messages.

        Raises:
            JobError: the text is no survey, of another version, or damaged.
        """
        fields = _fields(text, name)
        if fields.get("format") != FORMAT or "version" not in fields:
            raise JobError(
                f'{name}: expected "format": "{FORMAT}" with a version, got {fields.get("format")!r}.',
                hint=_NEXT,
            )
        _check_version(fields, name)
        frames = _whole(fields.get("frames"), f"{name}: frames", least=1)
        pts = _numbers(fields, "pts", name)
        changes = fields.get("luma_change")
        if len(pts) != frames:
            raise JobError(f"{name}: pts: expected {frames} times, one for each frame, got {len(pts)}.", hint=_NEXT)
        if not isinstance(changes, list) or len(changes) != frames - 1 or not all(map(_is_share, changes)):
            raise JobError(f"{name}: luma_change: expected {frames - 1} numbers from 0 to 1.", hint=_NEXT)
        repeated = set(_numbers(fields, "repeated", name))
        cuts = set(_cut_frames(fields, name, frames))
        damaged = set(_numbers(fields, "damaged", name)) if "damaged" in fields else set()
        for what, numbers in (("repeated", repeated), ("damaged", damaged)):
            if not numbers <= set(range(1, frames)):
                raise JobError(f"{name}: {what}: expected frame numbers from 1 to {frames - 1}.", hint=_NEXT)
        try:
            time_base = Fraction(str(fields.get("time_base")))
        except (ValueError, ZeroDivisionError) as err:
            raise JobError(
                f"{name}: time_base: expected a fraction such as 1/12800, got {fields.get('time_base')!r}.",
                hint=_NEXT,
            ) from err
        intervals = tuple(
            Interval(
                cut=i + 1 in cuts,
                repeated=i + 1 in repeated,
                luma_change=float(changes[i]),
                damaged=i + 1 in damaged,
            )
            for i in range(frames - 1)
        )
        last = _whole(fields.get("last_duration"), f"{name}: last_duration", least=1)
        try:
            return cls(pts, last, time_base, intervals, _numbers(fields, "keyframes", name))
        except JobError as err:
            raise JobError(f"{name}: {err.args[0]}", hint=_NEXT) from err


def read_cuts(path: str | Path, survey: Survey) -> tuple[int, ...]:
    """Read an edited list of cuts: a file of `rife analyze`, or an object with "cuts" alone.

    Args:
        path: a JSON file; an entry of "cuts" is a frame number, or an object with a frame number as "frame".
        survey: the survey of the video.

    Returns:
        Number of the first frame after each cut, increasing.

    Raises:
        JobError: the file is no list of cuts, or does not fit the video.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise JobError(f"{path}: cannot be read as a list of cuts ({getattr(err, 'strerror', None) or err}).") from err
    fields = _fields(text, str(path))
    if fields.get("format", FORMAT) != FORMAT:
        raise JobError(f'{path}: expected "format": "{FORMAT}", got {fields["format"]!r}.', hint=_NEXT)
    _check_version(fields, str(path))
    frames = len(survey.pts)
    if fields.get("frames", frames) != frames:
        raise JobError(
            f"{path}: the list is for a video of {fields['frames']!r} frames, but this video has {frames}. "
            "Name the list of this video."
        )
    return tuple(sorted(_cut_frames(fields, str(path), frames)))


def _fields(text: str, name: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as err:
        raise JobError(
            f"{name}: expected JSON as the analyze command writes it, but it is malformed: {err}.", hint=_NEXT
        ) from err
    if not isinstance(fields, dict):
        raise JobError(
            f"{name}: expected a JSON object as the analyze command writes it, got {_kind(fields)}.", hint=_NEXT
        )
    return fields


def _check_version(fields: dict[str, Any], name: str) -> None:
    if fields.get("version", VERSION) != VERSION:
        raise JobError(f"{name}: expected version {VERSION}, got {fields['version']!r}.", hint=_NEXT)


def _cut_frames(fields: dict[str, Any], name: str, frames: int) -> list[int]:
    entries = fields.get("cuts")
    if not isinstance(entries, list):
        raise JobError(f'{name}: expected a list "cuts", got {_kind(entries)}.', hint=_NEXT)
    found: list[int] = []
    for number, entry in enumerate(entries, 1):
        what = f"{name}: entry {number} of cuts"
        frame = _whole(entry.get("frame") if isinstance(entry, dict) else entry, what, least=1)
        if frame >= frames:
            raise JobError(
                f"{what}: expected a frame number from 1 to {frames - 1}, got {frame}. Correct or remove it."
            )
        if frame in found:
            raise JobError(f"{what}: frame {frame} is in the list already. Remove one of them.")
        found.append(frame)
    return found


def _numbers(fields: dict[str, Any], key: str, name: str) -> tuple[int, ...]:
    values = fields.get(key)
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise JobError(f"{name}: {key}: expected a list of whole numbers, got {_kind(values)}.", hint=_NEXT)
    return tuple(values)


def _whole(value: object, what: str, *, least: int) -> int:
    # In Python, True is an int.
    if type(value) is not int or value < least:
        raise JobError(f"{what}: expected a whole number from {least} on, got {value!r}.")
    return value


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and 0 <= float(str(value)) <= 1


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list with other entries", str: "text", type(None): "nothing"}
    return names.get(type(value), repr(value)[:40])
