"""The same frames on an NVIDIA GPU."""

from __future__ import annotations

import pytest
import torch

from rife import load
from rife.interpolation.interpolator import Interpolator
from support.motion import moving, psnr_db

pytestmark = pytest.mark.gpu

LOWEST_DB = 50.0
"""PyTorch's convolutions on a GPU round to TensorFloat-32 by default."""


def test_a_gpu_makes_the_frame_of_the_cpu(default_interpolator: Interpolator) -> None:
    img0, img1 = (torch.from_numpy(frame).permute(2, 0, 1) for frame in moving(96, 160, 6))
    expected = default_interpolator(img0, img1, 0.5)
    made = load(device="cuda")(img0, img1, 0.5)
    assert psnr_db(made.cpu(), expected) > LOWEST_DB
