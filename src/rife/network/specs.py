"""The table of networks: one frozen record for each distinct RIFE network.

Releases with the same tensors and arithmetic share a row. Everything that follows from the fields (inputs of the
blocks, pad multiple) is derived here, so that a new release of a known form is a new row and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from rife.errors import CheckpointError
from rife.network.channels import CARRIED_START, InputPart

Activation = Literal["prelu", "leaky"]
"""Activation of the convolutions of a block: PReLU with a slope per channel, or LeakyReLU(0.2)."""

Body = Literal["chain", "residual_chain", "pairs", "resconv"]
"""Middle of a block: eight convolutions; the same with one outer residual; four residual pairs; eight `ResConv`."""

Head = Literal["deconv", "deconvs", "double_deconvs", "pixelshuffle"]
"""End of a block: one transposed convolution for flow and mask together, or one for each (both end at 1/2 of the
block's size); two for each, or one and a pixel shuffle (both end at its full size)."""

EncoderKind = Literal["pair", "chain", "head"]
"""Form of the per-frame encoder: a convolution and a transposed one; four with LeakyReLU between, by number; the same
by name, clamping its input."""

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
        scales: size of the frame over the size at which each block works; as many as `widths`.
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
        restart_flow_px: where the second block changes each of the two flows by more than this at some pixel (in x or
            y, not necessarily at the same pixel), all scales double and the estimate starts again.
        ensemble: whether both frame orders can be averaged.
        groups: groups of the convolutions inside `ResConv`.
        half_downsampling: blocks and refinement halve the picture once less.
        named_only: its tensors are those of another row too, so that it must be asked for by name.
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
    groups: int = 1
    half_downsampling: bool = False
    named_only: bool = False

    def __post_init__(self) -> None:
        """Reject rows that contradict themselves."""
        if len(self.widths) != len(self.scales):
            raise ValueError(f"{self.name}: {len(self.widths)} widths but {len(self.scales)} scales")
        if CARRIED_START + self.carried > self.outputs:
            raise ValueError(f"{self.name}: {self.outputs} outputs cannot hold {self.carried} carried channels")
        if self.first_block_sees_flow and (self.carried or self.later_blocks_see_sources):
            raise ValueError(f"{self.name}: a first block that takes flow takes no carried channels and no sources")

    @property
    def pad_multiple(self) -> int:
        """Height and width must be multiples of this, which the largest scale and the refinement decide."""
        return self.pad_multiple_at(1.0)

    def pad_multiple_at(self, flow_scale: float) -> int:
        """`pad_multiple` where flow is estimated at `flow_scale` times the size.

        Raises:
            ValueError: a scale at which some block works at neither a whole multiple nor a whole fraction.
        """
        restarted = 1 if self.restart_flow_px is None else 2
        for shrink in (scale * restarted / flow_scale for scale in self.scales):
            if not (shrink.is_integer() or (1 / shrink).is_integer()):
                raise ValueError(f"flow scale {flow_scale}: network {self.name} cannot work at 1/{shrink:g} of a frame")
        largest = max(1, math.ceil(max(self.scales) * restarted / flow_scale))
        halvings = 1 if self.half_downsampling else 2
        return math.lcm(largest, 1 << (halvings + 2)) if self.refines else largest

    def block_input(self, block: int) -> tuple[InputPart, ...]:
        """The parts that block number `block` takes, in the order of the published weights.

        sources: both frames. warped: both frames, warped. encoded: their encoder features, warped. carried: features
        from the block before. flow: in pixels of the size at which the block works.
        """
        is_plain = block == 0 and not self.first_block_sees_flow
        encoded = [InputPart("encoded", 2 * self.encoder.out)] if self.encoder else []
        timestep = [InputPart("timestep", 1)] if self.any_time else []
        if is_plain:
            return InputPart("sources", 6), *encoded, *timestep
        sources, warped = InputPart("sources", 6), InputPart("warped", 6)
        first, then = ([sources], [warped]) if self.later_blocks_see_sources else ([warped], [])
        carried = [InputPart("carried", self.carried)] if self.carried else []
        return *first, *encoded, *timestep, *then, InputPart("mask", 1), *carried, InputPart("flow", 4)

    def input_channels(self, block: int) -> int:
        """Number of channels that block number `block` takes."""
        return sum(part.channels for part in self.block_input(block))

    @property
    def teacher_input(self) -> tuple[InputPart, ...]:
        """The parts that the teacher takes: those of the last block, and the true frame before the flow."""
        *parts, flow = self.block_input(len(self.widths) - 1)
        return *parts, InputPart("truth", 3), flow


_ECCV = NetworkSpec(
    name="IFNet_m",
    releases=("IFNet_m",),
    widths=(240, 150, 90),
    scales=(4, 2, 1),
    activation="prelu",
    body="residual_chain",
    head="deconv",
    later_blocks_see_sources=True,
    refines=True,
    teacher_width=90,
    ensemble="never",
)
"""The any-time network of ECCV 2022: 7->240, 18->150, 18->90, teacher 21->90."""

_THREE = NetworkSpec(
    name="3.8",
    releases=("3.8",),
    widths=(90, 90, 90),
    scales=(4, 2, 1),
    activation="prelu",
    body="pairs",
    head="double_deconvs",
    any_time=False,
    first_block_sees_flow=True,
    teacher_width=90,
    ensemble="always",
)

_FOUR = NetworkSpec(
    name="4.2",
    releases=("4.2", "4.3", "4.4"),
    widths=(192, 128, 96, 64),
    scales=(8, 4, 2, 1),
    activation="leaky",
    body="chain",
    head="deconv",
)

_SHUFFLED = replace(_FOUR, name="4.6", releases=("4.6",), body="resconv", head="pixelshuffle", outputs=6)

_ENCODED = replace(
    _SHUFFLED,
    name="4.15",
    releases=("4.13", "4.14", "4.15", "4.17", "4.18", "4.19", "4.24"),
    mask_accumulates=False,
    encoder=EncoderSpec("head", hidden=32, out=8),
)

_CARRIED = replace(
    _ENCODED,
    name="4.21",
    releases=("4.21", "4.22", "4.23"),
    widths=(256, 192, 96, 48),
    outputs=13,
    carried=8,
    ensemble="never",
)

_FIVE = replace(
    _CARRIED,
    name="4.26",
    releases=("4.25", "4.26"),
    widths=(192, 128, 96, 64, 32),
    scales=(16, 8, 4, 2, 1),
    encoder=EncoderSpec("head", hidden=16, out=4),
)

_LITE_WIDTHS = (128, 96, 64, 48)

_ROWS = (
    replace(_ECCV, name="IFNet", releases=("IFNet",), any_time=False),
    _ECCV,
    replace(_ECCV, name="IFNet_2R", releases=("IFNet_2R",), any_time=False, half_downsampling=True, named_only=True),
    replace(_THREE, name="3.5", releases=("3.5",), head="deconvs"),
    _THREE,
    replace(
        _FOUR,
        name="4.0",
        releases=("4.0", "4.1"),
        activation="prelu",
        body="residual_chain",
        refines=True,
        restart_flow_px=32.0,
    ),
    _FOUR,
    replace(_SHUFFLED, name="4.5", releases=("4.5",), outputs=5),
    _SHUFFLED,
    replace(_ENCODED, name="4.7", releases=("4.7", "4.8", "4.9"), encoder=EncoderSpec("pair", hidden=16, out=4)),
    replace(_ENCODED, name="4.10", releases=("4.10", "4.11", "4.12"), encoder=EncoderSpec("chain", hidden=32, out=8)),
    replace(
        _ENCODED,
        name="4.12.lite",
        releases=("4.12.lite", "4.13.lite"),
        widths=_LITE_WIDTHS,
        encoder=EncoderSpec("chain", hidden=32, out=4),
    ),
    _ENCODED,
    replace(_ENCODED, name="4.14.lite", releases=("4.14.lite",), groups=2),
    replace(
        _ENCODED,
        name="4.15.lite",
        releases=("4.15.lite", "4.16.lite", "4.17.lite"),
        widths=_LITE_WIDTHS,
        encoder=EncoderSpec("head", hidden=16, out=4),
    ),
    replace(_ENCODED, name="4.20", releases=("4.20",), widths=(384, 192, 96, 48)),
    _CARRIED,
    replace(
        _CARRIED,
        name="4.22.lite",
        releases=("4.22.lite",),
        widths=(192, 128, 64, 32),
        encoder=EncoderSpec("head", hidden=16, out=4),
    ),
    _FIVE,
    replace(
        _FIVE,
        name="4.25.lite",
        releases=("4.25.lite",),
        widths=(192, 128, 96, 64, 24),
        scales=(32, 16, 8, 4, 1),
    ),
    replace(_FIVE, name="4.25.heavy", releases=("4.25.heavy",), widths=(384, 256, 192, 128, 64)),
    replace(_FIVE, name="4.26.heavy", releases=("4.26.heavy",), encoder=EncoderSpec("head", hidden=16, out=16)),
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
