"""Privileged distillation: a teacher block that takes the true frame guides the flow of every block (section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from rife.network.estimate import Stage


class Teaching(NamedTuple):
    """The teacher's results, in training (section 3.3).

    flow: (B, 4, H, W) of the teacher. merged: (B, 3, H, W) of the teacher, unrefined. distillation_loss: scalar; the
    distance of every block's flow from the teacher's, where the teacher's merge is better by 0.01.
    """

    flow: Tensor
    merged: Tensor
    distillation_loss: Tensor


def distilled(teacher: Stage, stages: Sequence[Stage], ground_truth: Tensor) -> Teaching:
    """Compare every stage of the student with the teacher.

    Args:
        teacher: at full size.
        stages: one for each block of the student.
        ground_truth: (B, 3, H, W) true frame.
    """
    merged = teacher.merged()
    teacher_error = (merged - ground_truth).abs().mean(1, keepdim=True)
    loss = merged.new_zeros(())
    for stage in stages:
        error = (stage.merged() - ground_truth).abs().mean(1, keepdim=True)
        worse = (error > teacher_error + 0.01).to(merged.dtype).detach()
        # The square root has no finite slope at zero: where both flows agree, the gradient is zero.
        distance = (teacher.flow.detach() - stage.flow).square().mean(1, keepdim=True).clamp_min(1e-12).sqrt()
        loss = loss + (distance * worse).mean()
    return Teaching(teacher.flow, merged, loss)
