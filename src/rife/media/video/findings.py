"""Findings of a decoding pass about damage and times, and their notes for the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rife.media.video.clock_jumps import Jump
from rife.media.video.showing_times import TimeSpan

_MOST_LISTED = 20
"""Largest number of entries in a note."""


@dataclass(frozen=True)
class Findings:
    """Findings of a decoding pass.

    Attributes:
        jumps: timestamp discontinuities.
        lost: time spans that cannot be decoded; the previous frame, if there is one, is held there.
        not_believed: start and stated duration of frames that would last past the end of the file.
        in_decoding_order: the file has no presentation times, and its frames were reordered.
    """

    jumps: Sequence[Jump] = ()
    lost: Sequence[TimeSpan] = ()
    not_believed: Sequence[tuple[Fraction, Fraction]] = ()
    in_decoding_order: bool = False

    @property
    def can_seek(self) -> bool:
        """Whether seeking by time is reliable: only if the times of the frames are those of the file."""
        return not (self.jumps or self.lost or self.not_believed or self.in_decoding_order)

    def notes(self) -> list[str]:
        """The findings as sentences for the user."""
        notes = []
        if self.jumps:
            positions = [f"{float(jump.at_seconds):.2f} s" for jump in self.jumps]
            notes.append(
                f"the source's timestamps are discontinuous at {_listed(positions)}: the parts are joined, with video "
                "and audio in sync"
            )
        held = [str(span) for span in self.lost if span.held]
        if held:
            notes.append(f"the source is damaged at {_listed(held)}: the previous frame is held there")
        for span in self.lost:
            if not span.held:
                notes.append(f"the source is damaged at {span}, before its first frame: the video begins later")
        for start, length in self.not_believed[:_MOST_LISTED]:
            notes.append(
                f"the frame at {float(start):.2f} s has a stated duration of {float(length):.2f} s, past the stated "
                "end of the source: it is shown until that end or as long as other frames"
            )
        return notes


def _listed(positions: list[str]) -> str:
    more = f" and {len(positions) - _MOST_LISTED} more positions" if len(positions) > _MOST_LISTED else ""
    return ", ".join(positions[:_MOST_LISTED]) + more
