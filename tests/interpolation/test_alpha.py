"""Frames with opacity: it goes with the picture, and hidden colours stay hidden."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from rife.interpolation.interpolator import Interpolator
from rife.interpolation.stream import interpolate

HALF = [Fraction(1, 2)]


def made(worker: Interpolator, picture0: Tensor, picture1: Tensor, time: Fraction = HALF[0]) -> Tensor:
    return next(worker.between(worker.prepare(picture0), worker.prepare(picture1), [time]))


def square(left: int, *, hidden: float = 0.0, inside: tuple[float, float, float] = (0.9, 0.6, 0.2)) -> Tensor:
    """A textured square over nothing; `hidden` is the colour that nothing has."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    picture = torch.full((1, 4, 64, 96), hidden)
    picture[:, 3] = 0
    texture = 0.7 + 0.3 * torch.sin((x - left) * 0.7) * torch.sin(y * 0.5)
    colours = torch.tensor(inside)[:, None, None] * texture
    picture[0, :3, 16:48, left : left + 32] = colours[:, 16:48, left : left + 32]
    picture[0, 3, 16:48, left : left + 32] = 1
    return picture


@pytest.mark.slow
@pytest.mark.parametrize("worker", ["blender", "middle_blender", "default_interpolator"])
def test_an_opaque_frame_is_made_as_one_without_opacity(worker: str, request: pytest.FixtureRequest) -> None:
    interpolator = request.getfixturevalue(worker)
    frames = torch.rand(2, 1, 3, 40, 56) * 1.2 - 0.1  # beyond black and white too
    expected = made(interpolator, *frames)
    opaque = torch.ones(1, 1, 40, 56)
    out = made(interpolator, torch.cat((frames[0], opaque), 1), torch.cat((frames[1], opaque), 1))
    torch.testing.assert_close(out[:, :3], expected, atol=2e-6, rtol=0)
    assert (out[:, 3] == 1).all()
    mixed = made(interpolator, frames[0], torch.cat((frames[1], opaque), 1))
    torch.testing.assert_close(mixed, out)


@pytest.mark.usefixtures("as_if_moving")
@pytest.mark.parametrize("worker", ["blender", "middle_blender"])
def test_a_still_frame_stays_as_it_is_hidden_colours_too(worker: str, request: pytest.FixtureRequest) -> None:
    frame = torch.rand(1, 4, 33, 47) * 1.2 - 0.1
    frame[:, 3, :3], frame[:, 3, 3:6] = 0, 1 / 255
    frame[:, 3].clamp_(0, 1)
    out = made(request.getfixturevalue(worker), frame, frame, Fraction(1, 4))
    # Half a code of 10 bits: the warp's rounding in noise, a few millionths, is divided by faint opacities.
    torch.testing.assert_close(out, frame, atol=0.5 / 1023, rtol=0)


def test_opacity_is_blended_and_weighs_the_colours(blender: Interpolator) -> None:
    """Half of an opaque red and half of nothing is red at half opacity, whatever colour nothing has."""
    red = torch.tensor([1.0, 0, 0, 1])[None, :, None, None].expand(1, 4, 8, 8)
    nothing = torch.tensor([0, 0, 1.0, 0])[None, :, None, None].expand(1, 4, 8, 8)
    out = made(blender, red, nothing)[0, :, 4, 4]
    assert out[3] == pytest.approx(0.5)
    torch.testing.assert_close(out[:3], torch.tensor([1.0, 0, 0]), atol=0.02, rtol=0)


def test_opacity_moves_with_the_picture(default_interpolator: Interpolator) -> None:
    out = made(default_interpolator, square(20), square(32))
    expected = square(26)
    error = (out[:, 3] - expected[:, 3]).abs().mean()
    blend = ((square(20) + square(32)) / 2 - expected)[:, 3].abs().mean()
    assert error < blend / 3, (error, blend)
    seen = (expected[:, 3] == 1) & (out[:, 3] > 0.99)
    assert (out[:, :3] - expected[:, :3]).abs().mean(1)[seen].mean() < 0.03


def test_hidden_colours_do_not_show(default_interpolator: Interpolator) -> None:
    """Composed over grey, it does not matter what colour the nothing around the square had."""
    over = []
    for hidden in (0.0, 1.0):
        out = made(default_interpolator, square(20, hidden=hidden), square(32, hidden=hidden))
        over.append(out[:, :3].clamp(0, 1) * out[:, 3:] + 0.5 * (1 - out[:, 3:]))
    assert (over[0] - over[1]).abs().max() < 0.02


def test_frames_in_memory_may_have_opacity(blender: Interpolator) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 4), dtype=np.uint8)
    frames[..., 3] = 255
    out = list(interpolate(list(frames), interpolator=blender))
    assert out[1].shape == (20, 30, 4)
    np.testing.assert_allclose(out[1], frames.astype(float).mean(0), atol=0.51)
    assert blender(frames[0][..., :3], frames[1]).shape == (20, 30, 3), "of the kind of the first"
