"""Two frames and a time, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

import rife
from rife.errors import JobError, ShapeError
from rife.ifnet import IFNet
from rife.in_memory import interpolate
from rife.interpolator import Interpolator
from rife.prepared import divided
from rife.specs import SPECS


def moving_square(shift: int, height: int = 90, width: int = 130) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    frame = np.stack((x, y, (x + y) % 100), -1).astype(np.uint8)
    frame[30:60, 30 + shift : 60 + shift] = (250, 240, 20)
    return frame


@pytest.mark.usefixtures("as_if_moving")
@pytest.mark.parametrize("size", [(90, 130), (64, 64), (33, 127), (16, 16), (3, 5)])
def test_any_size_keeps_its_size(size: tuple[int, int], default_interpolator: Interpolator) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    out = default_interpolator(frame, frame)
    assert out.shape == frame.shape
    assert out.dtype == np.uint8


def test_the_square_is_found_where_it_should_be(default_interpolator: Interpolator) -> None:
    for t, shift in ((Fraction(1, 4), 2), (Fraction(1, 2), 4), (Fraction(3, 4), 6)):
        out = default_interpolator(moving_square(0), moving_square(8), t).astype(int)
        error = np.abs(out - moving_square(shift).astype(int)).mean()
        blend = np.abs((moving_square(0) * (1 - float(t)) + moving_square(8) * float(t)) - moving_square(shift)).mean()
        assert error < blend / 2, (t, error, blend)


def test_refinement_changes_the_picture(default_interpolator: Interpolator) -> None:
    off = rife.load(refine="off", device="cpu")
    assert not off.refine
    frames = torch.rand(2, 3, 64, 64)
    assert not torch.equal(off(frames[0], frames[1]), default_interpolator(frames[0], frames[1]))


def test_source_frames_pass_through_untouched(blender: Interpolator) -> None:
    frames = [moving_square(s) for s in (0, 3, 9)]
    out = list(interpolate(iter(frames), factor=3, interpolator=blender))
    assert len(out) == 9
    assert all(out[3 * i] is frame for i, frame in enumerate(frames))
    assert out[7] is out[8] is frames[2]


def test_frames_are_made_as_a_stream(blender: Interpolator) -> None:
    read = []

    def source() -> Iterator[np.ndarray]:
        for i in range(100):
            read.append(i)
            yield moving_square(i % 20)

    out = interpolate(source(), interpolator=blender)
    for _ in range(3):
        next(out)
    assert len(read) <= 3


def test_an_empty_stream_and_a_single_frame(blender: Interpolator) -> None:
    assert list(interpolate([], interpolator=blender)) == []
    frame = moving_square(0)
    assert [f is frame for f in interpolate([frame], factor=2, interpolator=blender)] == [True, True]


def test_a_stacked_tensor_is_a_stream_of_frames(blender: Interpolator) -> None:
    video = torch.rand(3, 3, 20, 30)
    out = torch.stack(list(interpolate(video, factor=2, interpolator=blender)))
    assert out.shape == (6, 3, 20, 30)
    torch.testing.assert_close(out[1], (video[0] + video[1]) / 2, atol=1e-5, rtol=0)


class CountingNetwork(IFNet):
    """Records what it is asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(SPECS[name], refine=False)
        self.asked: list[float] = []
        self.encoded = 0
        for parameter in self.parameters():
            parameter.data.zero_()

    def pair(self, img0: Tensor, img1: Tensor, timestep: float = 0.5, **options: object) -> object:
        self.asked.append(float(timestep))
        return super().pair(img0, img1, timestep, **options)  # type: ignore[arg-type]

    def features(self, img: Tensor, *, refine: bool = True) -> object:
        self.encoded += 1
        return super().features(img, refine=refine)


def test_each_new_frame_is_made_at_its_own_time_from_the_source_frames() -> None:
    network = CountingNetwork("4.15")
    frames = [moving_square(s) for s in range(4)]
    list(interpolate(frames, factor=5, interpolator=Interpolator(network, device="cpu")))
    assert network.asked == pytest.approx([k / 5 for k in range(1, 5)] * 3)
    assert network.encoded == 4, "features are computed once for each source frame"


def test_measuring_motion_computes_features_once_for_each_frame_too() -> None:
    network = CountingNetwork("4.15")
    frames = [np.full((400, 416, 3), value, np.uint8) for value in (0, 100, 200)]
    list(interpolate(frames, factor=3, interpolator=Interpolator(network, scale="auto", device="cpu")))
    assert network.encoded == 2 * 3, "full size and half size, once for each of three frames"


def test_a_network_with_a_fixed_time_halves_the_interval() -> None:
    network = CountingNetwork("3.8")
    worker = Interpolator(network, device="cpu")
    frames = [np.full((8, 8, 3), value, np.float32) for value in (0.0, 1.0)]
    out = list(interpolate(frames, factor=8, interpolator=worker))
    assert [float(f.mean()) for f in out[:9]] == pytest.approx([k / 8 for k in range(9)])
    assert network.asked == [0.5] * 7


def test_factors_and_times_that_halving_cannot_reach(middle_blender: Interpolator) -> None:
    with pytest.raises(JobError, match=r"factor 3: .* 2, 4, 8, 16, 32, 64.* 4\.0"):
        interpolate([], factor=3, interpolator=middle_blender)
    frame = moving_square(0)
    with pytest.raises(JobError, match="middle frames only"):
        middle_blender(frame, frame, Fraction(1, 3))
    assert middle_blender(frame, frame, Fraction(3, 8)).shape == frame.shape


@pytest.mark.parametrize("t", [0, 1, -0.1, 1.5, float("nan"), float("inf")])
def test_times_outside_the_interval_are_refused(t: float, blender: Interpolator) -> None:
    with pytest.raises(JobError, match="between 0 and 1"):
        blender(moving_square(0), moving_square(1), t)


def test_bad_arguments_are_refused_at_once(blender: Interpolator) -> None:
    with pytest.raises(JobError, match="factor"):
        interpolate([], factor=1, interpolator=blender)
    with pytest.raises(ShapeError, match="same size, got 130x90 and 64x64"):
        blender(moving_square(0), moving_square(0, 64, 64))
    with pytest.raises(JobError, match="refine: expected full or off"):
        Interpolator(blender.network, refine="half")  # type: ignore[arg-type]
    with pytest.raises(JobError, match="device 'abacus'"):
        Interpolator(blender.network, device="abacus")


@pytest.mark.parametrize("reach", [1.0, 1.2])
def test_a_buffer_that_is_filled_again_is_another_frame(blender: Interpolator, reach: float) -> None:
    first, second = torch.rand(2, 1, 3, 32, 48) * reach
    buffer, prepared = torch.empty(1, 3, 32, 48), []
    for frame in (first, second):
        prepared.append(blender.prepare(buffer.copy_(frame)))
    (middle,) = blender.between(*prepared, [Fraction(1, 2)])
    torch.testing.assert_close(middle, (first + second) / 2)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("compiled", [True, False])
def test_what_lies_beyond_is_told_apart(wide: bool, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        monkeypatch.setattr("rife.prepared._kernels_are_right", lambda: False)
    picture = torch.rand(1, 3, 17, 33)
    if wide:
        picture = picture * 1.2 - 0.1
        picture[0, 1, 2, 3] = float("nan")
    inside, beyond = divided(picture)
    assert torch.equal(inside.nan_to_num(9), picture.clamp(0, 1).nan_to_num(9))
    assert (beyond is not None) == wide
    if beyond is not None:
        assert torch.equal(beyond.nan_to_num(9), (picture - picture.clamp(0, 1)).nan_to_num(9))


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_black_and_white_are_not_beyond(edge: float) -> None:
    assert divided(torch.full((1, 3, 4, 5), edge))[1] is None


def test_a_frame_that_is_not_lent_is_not_copied(blender: Interpolator) -> None:
    picture = torch.rand(1, 3, 32, 48)
    assert blender.prepare(picture, lent=False).whole.data_ptr() == picture.data_ptr()
    assert blender.prepare(picture).whole.data_ptr() != picture.data_ptr()
