"""The rows: one frozen record for each distinct RIFE network.

Releases whose tensors and arithmetic are the same share a row. Everything that can be derived from the
fields (input channels, pad multiple) is derived here, so that a new release is a new row and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rife.errors import CheckpointError

Activation = Literal["prelu", "leaky"]
"""What follows the convolutions of a block: PReLU with a slope per channel, or LeakyReLU(0.2)."""

Body = Literal["chain", "pairs", "resconv"]
"""Middle of a block: eight convolutions with one outer residual; four residual pairs; eight `ResConv`."""

Head = Literal["deconv", "split_double_deconv", "pixelshuffle"]
"""End of a block: one transposed convolution (at 1/2 of the block's size); for flow and mask apart, two
transposed convolutions each (full size); a transposed convolution and a pixel shuffle (full size)."""

EncoderKind = Literal["head"]
"""Form of the per-frame encoder: four named convolutions."""

Ensemble = Literal["optional", "always", "never"]
"""Averaging of both frame orders: a choice of the caller, part of the network, or not supported."""


@dataclass(frozen=True)
class EncoderSpec:
    """The per-frame feature encoder of a flow network: half size inside, full size out."""

    kind: EncoderKind
    hidden: int
    out: int


@dataclass(frozen=True)
class NetworkSpec:
    """One distinct RIFE network.

    Attributes:
        name: what users call it, and the key in `SPECS`.
        releases: published names that share its tensors.
        widths: channels of each block, coarse to fine.
        scales: shrinking factor of the frames in each block; as many as `widths`.
        activation: activation of the blocks' convolutions.
        body: middle of a block.
        head: end of a block.
        outputs: channels that a block returns: 4 flow, 1 mask, the rest unused or carried.
        carried: feature channels handed from block to block.
        any_time: takes any timestep; otherwise only t = 0.5.
        first_block_sees_flow: the first block takes the (zero) flow and mask as well.
        later_blocks_see_sources: later blocks take the unwarped frames too.
        mask_accumulates: a block's mask is added to the one before; otherwise it replaces it.
        encoder: per-frame feature encoder, if there is one.
        refines: contextnet and unet belong to the network.
        teacher_width: channels of the privileged teacher block used in training, if it is defined.
        restart_flow_px: when the second block moves both flows by more than this somewhere, all scales
            double and estimation starts again.
        ensemble: whether both frame orders can be averaged.
    """

    name: str
    releases: tuple[str, ...]
    widths: tuple[int, ...]
    scales: tuple[int, ...]
    activation: Activation
    body: Body
    head: Head
    outputs: int = 5
    carried: int = 0
    any_time: bool = True
    first_block_sees_flow: bool = False
    later_blocks_see_sources: bool = False
    mask_accumulates: bool = True
    encoder: EncoderSpec | None = None
    refines: bool = False
    teacher_width: int | None = None
    restart_flow_px: float | None = None
    ensemble: Ensemble = "optional"

    def __post_init__(self) -> None:
        """Reject rows that contradict themselves."""
        if len(self.widths) != len(self.scales):
            raise ValueError(f"{self.name}: {len(self.widths)} widths but {len(self.scales)} scales")
        if 5 + self.carried > self.outputs:
            raise ValueError(f"{self.name}: {self.outputs} outputs cannot hold {self.carried} carried channels")

    @property
    def pad_multiple(self) -> int:
        """Height and width must be multiples of this: two halvings in a block at the largest scale."""
        return self.pad_multiple_at(1.0)

    def pad_multiple_at(self, flow_scale: float) -> int:
        """`pad_multiple` where flow is estimated at `flow_scale` times the size."""
        restarted = 1 if self.restart_flow_px is None else 2
        shrink = max(1.0, max(self.scales) * restarted / flow_scale)
        refinement = 16 if self.refines else 1
        return max(math.ceil(4 * shrink), refinement)

    def input_channels(self, block: int) -> int:
        """Channels that block number `block` takes, flow included."""
        frames = 6 + 2 * (self.encoder.out if self.encoder else 0) + int(self.any_time)
        if block == 0 and not self.first_block_sees_flow:
            return frames
        flow_and_mask = 5
        return frames + flow_and_mask + self.carried + (6 if self.later_blocks_see_sources else 0)


_ROWS = (
    NetworkSpec(
        name="IFNet",
        releases=("IFNet",),
        scales=(4, 2, 1),
        widths=(240, 150, 90),
        activation="prelu",
        body="chain",
        head="deconv",
        any_time=False,
        later_blocks_see_sources=True,
        refines=True,
        teacher_width=90,
        ensemble="never",
    ),
    NetworkSpec(
        name="IFNet_m",
        releases=("IFNet_m",),
        scales=(4, 2, 1),
        widths=(240, 150, 90),
        activation="prelu",
        body="chain",
        head="deconv",
        later_blocks_see_sources=True,
        refines=True,
        teacher_width=90,
        ensemble="never",
    ),
    NetworkSpec(
        name="3.8",
        releases=("3.8",),
        scales=(4, 2, 1),
        widths=(90, 90, 90),
        activation="prelu",
        body="pairs",
        head="split_double_deconv",
        any_time=False,
        first_block_sees_flow=True,
        teacher_width=90,
        ensemble="always",
    ),
    NetworkSpec(
        name="4.0",
        releases=("4.0", "4.1"),
        scales=(8, 4, 2, 1),
        widths=(192, 128, 96, 64),
        activation="prelu",
        body="chain",
        head="deconv",
        refines=True,
        restart_flow_px=32.0,
    ),
    NetworkSpec(
        name="4.6",
        releases=("4.6",),
        scales=(8, 4, 2, 1),
        widths=(192, 128, 96, 64),
        activation="leaky",
        body="resconv",
        head="pixelshuffle",
        outputs=6,
    ),
    NetworkSpec(
        name="4.15",
        releases=("4.13", "4.14", "4.15", "4.17", "4.18", "4.19", "4.24"),
        scales=(8, 4, 2, 1),
        widths=(192, 128, 96, 64),
        activation="leaky",
        body="resconv",
        head="pixelshuffle",
        outputs=6,
        mask_accumulates=False,
        encoder=EncoderSpec(kind="head", hidden=32, out=8),
    ),
    NetworkSpec(
        name="4.26",
        releases=("4.25", "4.26"),
        scales=(16, 8, 4, 2, 1),
        widths=(192, 128, 96, 64, 32),
        activation="leaky",
        body="resconv",
        head="pixelshuffle",
        outputs=13,
        carried=8,
        mask_accumulates=False,
        encoder=EncoderSpec(kind="head", hidden=16, out=4),
        ensemble="never",
    ),
)

SPECS: dict[str, NetworkSpec] = {row.name: row for row in _ROWS}
"""Every known network by its name."""


def spec_named(name: str) -> NetworkSpec:
    """Return the row for a network or release name.

    Raises:
        CheckpointError: no row has that name.
    """
    for row in _ROWS:
        if name == row.name or name in row.releases:
            return row
    raise CheckpointError(f"{name}: no such network. Known are {', '.join(SPECS)}.")
