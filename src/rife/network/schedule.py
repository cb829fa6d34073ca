"""The schedule of every engine: order of the blocks, restart on large motion, average over both frame orders.

Features of a source frame are computed once. Then the blocks run from coarse to fine (`estimate_flow`), and a window of
the new frame is warped, merged and, where the network has refinement, corrected (`synthesize`). What differs between
engines is how a block and the refinement are computed: an engine supplies these as `Operations`.

Scales follow RIFE, section 3.2: block number i works at 1/`scales[i]` of the frame's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from torch import Tensor

from rife.network.batching import join_rows, select_rows
from rife.network.blocks import BlockOutput
from rife.network.estimate import FlowEstimate, Pair, farthest_px
from rife.network.refine import REFINE_REACH_PX
from rife.network.regions import Window
from rife.network.specs import NetworkSpec

_COARSE_BLOCKS = 2
"""Blocks whose result decides on a restart."""

_NEAR = 0.15
"""Relative distance to `restart_flow_px` below which bf16 does not decide on a restart. On pairs of the sample clips,
the motion measured in bf16 deviates from float32 by a relative 0.02 at most."""

MergedT = TypeVar("MergedT")
"""What an engine computes for a window before its correction."""


class Operations(Protocol[MergedT]):
    """What an engine computes for the schedule.

    Where `both_orders` is set, the results are two: for the frames in their own order, and for img0 and img1 exchanged.
    """

    @property
    def spec(self) -> NetworkSpec:
        """The network."""

    @property
    def restart_px(self) -> float | None:
        """Motion between the two first blocks beyond which the estimate restarts; None if it never does."""

    @property
    def refine_multiple(self) -> int | None:
        """The windows' multiple that the refinement takes; None without refinement."""

    @property
    def exact(self) -> Operations[MergedT]:
        """The same operations in float32, which decide on a restart and compute it; these, if they are that."""

    def accumulate(self, pair: Pair, estimate: FlowEstimate) -> FlowEstimate:
        """Sum up the estimate at full size, for operations that read it there; others return it as it is."""

    def changes(
        self, pair: Pair, estimate: FlowEstimate, index: int, scale: float, *, both_orders: bool
    ) -> Sequence[BlockOutput]:
        """Run block number `index` at 1/`scale` of the frame's size."""

    def warp_window(self, pair: Pair, estimate: FlowEstimate, window: Window, *, refine: bool) -> MergedT:
        """Warp a window of both frames, and compute what the refinement takes, if `refine`.

        The mask blends the warped frames here, or in `frame`.
        """

    def residuals(
        self, pair: Pair, estimate: FlowEstimate, merged: MergedT, window: Window, *, both_orders: bool
    ) -> Sequence[Tensor]:
        """Run the refinement on a merged window: residuals in [0, 1], 0.5 for no correction."""

    def frame(self, merged: MergedT, residual: Tensor | None) -> Tensor:
        """The new frame (B, 3, h, w) of a merged window, corrected by a residual if there is one."""


def block_scales(spec: NetworkSpec, flow_scale: float = 1.0) -> list[float]:
    """Size of the frame over the size at which each block works."""
    return [scale / flow_scale for scale in spec.scales]


def averages(spec: NetworkSpec, *, ensemble: bool) -> bool:
    """Whether a network averages both frame orders.

    Raises:
        ValueError: `ensemble` asks for it, and the network does not support it.
    """
    if ensemble and spec.ensemble == "never":
        raise ValueError(f"network {spec.name} does not support averaging both frame orders")
    return ensemble or spec.ensemble == "always"


def averages_block(index: int, *, average: bool, restarted: bool) -> bool:
    """Whether a block is averaged: as published, all but the first block of a restart are."""
    return average and not (restarted and index == 0)


def mean_change(changes: Sequence[BlockOutput]) -> BlockOutput:
    """The change of a block: its output, or the mean of its outputs for both frame orders."""
    own, *other = changes
    return own.averaged(other[0]) if other else own


def estimate_flow(
    operations: Operations[MergedT], pair: Pair, *, flow_scale: float = 1.0, ensemble: bool = False
) -> FlowEstimate:
    """Run the blocks, coarse to fine.

    Args:
        operations: of an engine.
        pair: the frames.
        flow_scale: below 1 estimates flow on smaller frames, above 1 on larger.
        ensemble: average both frame orders.
    """
    spec, limit_px = operations.spec, operations.restart_px
    scales, average = block_scales(spec, flow_scale), averages(spec, ensemble=ensemble)
    if limit_px is None:
        start = FlowEstimate.before_first_block(spec)
        return _run_blocks(operations, pair, start, scales, range(len(scales)), average=average)[0]
    estimate, moved_px = coarse_flow(operations, pair, scales, average=average)
    if operations.exact is not operations and bool(((moved_px / limit_px - 1).abs() < _NEAR).any()):
        estimate, moved_px = coarse_flow(operations.exact, pair, scales, average=average)
    far = moved_px > limit_px
    if bool(far.all()):
        return _restarted_flow(operations, pair, scales, average=average)
    if bool(far.any()):
        # Only the samples that moved far restart: a batch equals a loop.
        moved, stayed = select_rows(pair, far), select_rows(pair, ~far)
        restarted = _restarted_flow(operations, moved, scales, average=average)
        others = estimate_flow(operations, stayed, flow_scale=flow_scale, ensemble=ensemble)
        first, second = (x.dense(pair.whole)._replace(latest=None) for x in (restarted, others))
        return join_rows(first, second, far)
    return _run_blocks(operations, pair, estimate, scales, range(_COARSE_BLOCKS, len(scales)), average=average)[0]


def coarse_flow(
    operations: Operations[MergedT], pair: Pair, scales: Sequence[float], *, average: bool
) -> tuple[FlowEstimate, Tensor]:
    """Run the two first blocks; also return how far the second moves each sample, in pixels, (B,)."""
    start = FlowEstimate.before_first_block(operations.spec)
    estimate, second = _run_blocks(operations, pair, start, scales, range(_COARSE_BLOCKS), average=average)
    return estimate, farthest_px(second, pair.whole)


def _restarted_flow(
    operations: Operations[MergedT], pair: Pair, scales: Sequence[float], *, average: bool
) -> FlowEstimate:
    """Run all blocks at doubled scales, which reach twice as far.

    In float32: motion this large is where bf16 errs most, and the doubled scales are cheap.
    """
    start = FlowEstimate.before_first_block(operations.spec)
    doubled, every = [2 * scale for scale in scales], range(len(scales))
    return _run_blocks(operations.exact, pair, start, doubled, every, average=average, restarted=True)[0]


def _run_blocks(
    operations: Operations[MergedT],
    pair: Pair,
    estimate: FlowEstimate,
    scales: Sequence[float],
    blocks: range,
    *,
    average: bool,
    restarted: bool = False,
) -> tuple[FlowEstimate, BlockOutput]:
    """Run some of the blocks; also return the last one's output for the frames in their own order."""
    for index in blocks:
        if index > 0 and scales[index] < 4:
            estimate = operations.accumulate(pair, estimate)
        both_orders = averages_block(index, average=average, restarted=restarted)
        changes = operations.changes(pair, estimate, index, scales[index], both_orders=both_orders)
        estimate = estimate.plus(mean_change(changes))
    return estimate, changes[0]


def synthesize(
    operations: Operations[MergedT],
    pair: Pair,
    estimate: FlowEstimate,
    window: Window,
    *,
    refine: bool = True,
    ensemble: bool = False,
) -> Tensor:
    """Compute a window of the new frame: warp, merge, and correct by the residual (section 3.5).

    Args:
        operations: of an engine.
        pair: the frames.
        estimate: from `estimate_flow`.
        window: what to compute; the refinement also computes its surroundings, which are cut off.
        refine: correct the merge, where the network has refinement.
        ensemble: average both frame orders.
    """
    multiple = operations.refine_multiple
    if not refine or multiple is None:
        return operations.frame(operations.warp_window(pair, estimate, window, refine=False), None)
    outer = window.grown(REFINE_REACH_PX, within=pair.whole, multiple=multiple)
    merged = operations.warp_window(pair, estimate, outer, refine=True)
    both_orders = averages(operations.spec, ensemble=ensemble)
    own, *other = operations.residuals(pair, estimate, merged, outer, both_orders=both_orders)
    residual = (own + other[0]) / 2 if other else own
    return window.relative_to(outer).read(operations.frame(merged, residual))
