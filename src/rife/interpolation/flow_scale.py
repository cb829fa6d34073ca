"""Chooses the flow scale of a pair of frames from its measured motion (docs/flow-scale.md)."""

from __future__ import annotations

from torch import Tensor

from rife.network.specs import NetworkSpec

MIN_SIDE_PX = 400
"""Smaller frames keep the full size: too little is left of the picture at half of it."""

MEASURED_SIZE = 0.5
"""Relative size at which motion is measured: enough to measure, and it reaches twice as far."""

_REACH_PER_SCALE_PX = 12.0
"""Motion that a network follows for each unit of its coarsest scale, before a smaller flow scale does better."""

_SAMPLED_EVERY_PX = 4


def auto_scales(spec: NetworkSpec) -> tuple[float, ...]:
    """The scales that `auto` chooses from, by growing motion; a network that restarts halves its scale by itself."""
    return (1.0, 0.5) if spec.restart_flow_px else (1.0, 0.5, 0.25)


def scale_for_motion(flow: Tensor, spec: NetworkSpec, scales: tuple[float, ...]) -> float:
    """Choose a scale for measured motion.

    The median of the motion decides, which is the camera's: a smaller scale for one fast object would lose more on a
    slow background than it gains.

    Args:
        flow: (1, 4, h, w) in pixels of frames of `MEASURED_SIZE`, from the middle frame to both frames.
        spec: of the network.
        scales: to choose from, by growing motion.
    """
    sampled = flow[:, :2, ::_SAMPLED_EVERY_PX, ::_SAMPLED_EVERY_PX]
    # From the middle frame to one frame is half of the motion.
    motion_px = 2 / MEASURED_SIZE * float(sampled.norm(dim=1).median())
    reach_px = _REACH_PER_SCALE_PX * max(spec.scales) * (2 if spec.restart_flow_px else 1)
    steps = (motion_px > reach_px) + (motion_px > 2 * reach_px)
    return scales[min(steps, len(scales) - 1)]
