"""What a pass over a file found out of order, and how that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rife.media.video.clock_jumps import Jump
from rife.media.video.showing_times import TimeSpan

_TOLD = 20
"""Places that are listed one by one; a longer list helps nobody."""


@dataclass(frozen=True)
class Findings:
    """What was bridged, held or not believed.

    Attributes:
        jumps: where the file's clock starts again or jumps.
        lost: what cannot be decoded; the frame before it, if there is one, is held meanwhile.
        not_believed: start and stated length of frames that would be shown past the end of the file.
        in_decoding_order: the file has no times for showing, and its frames were put in order.
    """

    jumps: Sequence[Jump] = ()
    lost: Sequence[TimeSpan] = ()
    not_believed: Sequence[tuple[Fraction, Fraction]] = ()
    in_decoding_order: bool = False

    @property
    def can_seek(self) -> bool:
        """Whether a place in the file is found by its time: not where times are not the file's own."""
        return not (self.jumps or self.lost or self.not_believed or self.in_decoding_order)

    def notes(self) -> list[str]:
        """Say it in sentences."""
        notes = []
        if self.jumps:
            places = [f"{float(jump.at_seconds):.2f} s" for jump in self.jumps]
            notes.append(
                f"the source's clock starts again or jumps at {_listed(places)}: what follows is joined to what is "
                "before, picture and sound together"
            )
        held = [str(stretch) for stretch in self.lost if stretch.held]
        if held:
            notes.append(f"the source is damaged at {_listed(held)}: the frame before is held there")
        for stretch in self.lost:
            if not stretch.held:
                notes.append(f"the source is damaged at {stretch}, and no frame comes before: the picture begins later")
        for start, length in self.not_believed[:_TOLD]:
            notes.append(
                f"the frame at {float(start):.2f} s would be shown for {float(length):.2f} s, past the end that the "
                "source announces: not believed, it is shown until that end or as long as other frames"
            )
        return notes


def _listed(places: list[str]) -> str:
    more = f" and {len(places) - _TOLD} more places" if len(places) > _TOLD else ""
    return ", ".join(places[:_TOLD]) + more
