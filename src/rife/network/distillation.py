"""Privileged distillation: a teacher that has seen the true frame shows every block what flow to find (section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from rife.network.estimate import BlockInput


class Teaching(NamedTuple):
    """What the privileged teacher adds in training (section 3.3).

    flow: (B, 4, H, W) of the teacher. merged: (B, 3, H, W) of the teacher, unrefined.
    distillation_loss: scalar; the distance of every block's flow from the teacher's, where the teacher's
    merge is better by 0.01.
    """

    flow: Tensor
    merged: Tensor
    distillation_loss: Tensor


def distilled(teacher: BlockInput, stages: Sequence[BlockInput], ground_truth: Tensor) -> Teaching:
    """Measure every stage against the teacher.

    Args:
        teacher: what the teacher made of the frames, at full size.
        stages: the same of each block of the student.
        ground_truth: (B, 3, H, W) true frame.
    """
    merged = teacher.merged()
    teacher_error = (merged - ground_truth).abs().mean(1, True)
    loss = merged.new_zeros(())
    for stage in stages:
        error = (stage.merged() - ground_truth).abs().mean(1, True)
        worse = (error > teacher_error + 0.01).to(merged.dtype).detach()
        # A root has no slope at zero: where both flows agree, nothing is to be learnt, and nothing is.
        distance = (teacher.flow.detach() - stage.flow).square().mean(1, True).clamp_min(1e-12).sqrt()
        loss = loss + (distance * worse).mean()
    return Teaching(teacher.flow, merged, loss)
