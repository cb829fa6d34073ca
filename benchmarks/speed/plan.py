"""Who is measured on what: the records that everything else here is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from rife.options import EngineName, Precision, Refine

Kind = Literal["rife", "published", "blend"]

REFERENCE = "rife torch float32, full"
"""Whose pictures the other engines' are compared with."""

BASELINE = "published, full"
"""Whose time the others' is a ratio of."""

BLEND = "linear blend"
FFMPEG = "ffmpeg minterpolate"

REFINE: tuple[Refine, ...] = ("full", "off")


@dataclass(frozen=True)
class Contestant:
    """One way to make new frames.

    Attributes:
        name: in tables and charts.
        kind: this package, the published network, or a blend of both frames.
        refine: as of `rife.load`; the published network knows full and off.
        engine: as of `rife.load`.
        precision: as of `rife.load`.
        model: as of `rife.load`.
    """

    name: str
    kind: Kind
    refine: Refine = "full"
    engine: EngineName = "torch"
    precision: Precision = "float32"
    model: str = "4.0"

    def as_json(self) -> dict[str, Any]:
        """Plain values, for another process."""
        return asdict(self)


@dataclass(frozen=True)
class Cell:
    """One size and factor that contestants are timed at."""

    width: int
    height: int
    factor: int

    @property
    def size(self) -> str:
        """As in 720x480."""
        return f"{self.width}x{self.height}"

    @property
    def key(self) -> str:
        """As in 720x480 x2."""
        return f"{self.size} x{self.factor}"

    @property
    def intervals(self) -> int:
        """Source intervals in one run: more where one is soon done."""
        return max(1, min(4, round(4 * 720 * 480 / (self.width * self.height) / (self.factor - 1))))


@dataclass(frozen=True)
class WholeJob:
    """One clip that whole commands double.

    Attributes:
        width: of the clip.
        height: of the clip.
        frames: of the clip; a job's fixed costs are spread over them.
        rival: whether ffmpeg doubles it too.
    """

    width: int
    height: int
    frames: int
    rival: bool = False

    @property
    def size(self) -> str:
        """As in 720x480."""
        return f"{self.width}x{self.height}"

    @property
    def key(self) -> str:
        """As in 720x480, 49 frames."""
        return f"{self.size}, {self.frames} frames"


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        runs: timed rounds in each cell; one more before them warms up.
        cells: sizes and factors.
        growth_cells: further ones, for our own contestants alone.
        triples: frames held out of each clip.
        jobs: whole jobs.
    """

    runs: int
    cells: tuple[Cell, ...]
    growth_cells: tuple[Cell, ...]
    triples: dict[str, int]
    jobs: tuple[WholeJob, ...]


def contestants(*, bf16: bool, openvino: bool, native: bool) -> list[Contestant]:
    """List who takes part on a machine: its libraries, and what its processor multiplies."""
    rows = [Contestant(BASELINE, "published"), Contestant("published, off", "published", refine="off")]
    rows += [_ours("torch", "float32", refine) for refine in REFINE]
    if native:
        rows += [_ours("native", "float32", refine) for refine in REFINE]
    if openvino:
        rows += [_ours("openvino", "float32", "full")]
        if bf16:
            rows += [_ours("torch", "bf16", "full")]
            rows += [_ours("openvino", "bf16", refine) for refine in REFINE]
    return [*rows, Contestant(BLEND, "blend")]


def _ours(engine: EngineName, precision: Precision, refine: Refine) -> Contestant:
    return Contestant(f"rife {engine} {precision}, {refine}", "rife", refine, engine, precision)
