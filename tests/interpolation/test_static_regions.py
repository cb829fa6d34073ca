"""What does not move stays as it is, and costs nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from rife.interpolation.interpolator import Interpolator
from rife.interpolation.static_regions import BLOCK_PX, static_regions


def test_a_block_is_still_only_with_all_blocks_around_it() -> None:
    a = torch.rand(1, 3, 5 * BLOCK_PX, 6 * BLOCK_PX + 10)
    b = a.clone()
    b[0, 1, 3 * BLOCK_PX + 5, 4 * BLOCK_PX + 3] += 1 / 255  # one value of one pixel, where no coarse look falls
    still = static_regions(a, b)
    assert still is not None
    blocks = still[0, 0, ::BLOCK_PX, ::BLOCK_PX]
    expected = torch.ones(5, 7, dtype=torch.bool)
    expected[2:5, 3:6] = False
    assert torch.equal(blocks, expected)
    assert still.shape == (1, 1, *a.shape[-2:])


def test_frames_that_move_everywhere() -> None:
    assert static_regions(torch.rand(1, 3, 70, 200), torch.rand(1, 3, 70, 200)) is None
    assert static_regions(torch.zeros(1, 4, 3, 5), torch.ones(1, 4, 3, 5)) is None


def test_equal_frames_need_no_network(blender: Interpolator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blender.engine, "estimate", lambda *_, **__: pytest.fail("ran"))
    frame = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    assert np.array_equal(blender(frame, frame.copy(), Fraction(1, 3)), frame)


def test_still_grain_is_kept_beside_motion(default_interpolator: Interpolator) -> None:
    before = np.random.default_rng(0).integers(0, 256, (128, 6 * BLOCK_PX, 3), dtype=np.uint8)
    after = before.copy()
    after[40:60, 20:40], after[40:60, 26:46] = before[40:60, 26:46], before[40:60, 20:40]
    made = default_interpolator(before, after)
    assert np.array_equal(made[:, 2 * BLOCK_PX :], before[:, 2 * BLOCK_PX :])
    assert not np.array_equal(made[:, :BLOCK_PX], before[:, :BLOCK_PX])
    assert not np.array_equal(made[:, :BLOCK_PX], after[:, :BLOCK_PX])
