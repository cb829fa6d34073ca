"""Two frames and a time, in memory."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import rife
from rife.errors import CheckpointError, JobError, OptionError, RifeError, ShapeError
from rife.interpolation.interpolator import Interpolator
from rife.interpolation.prepared import split_range
from rife.interpolation.stream import interpolate
from rife.network.encoder import FrameFeatures
from rife.network.estimate import Pair
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS


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
    off = rife.load(refine="off", device="cpu", engine="torch")
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

    def pair(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Tensor = 0.5,
        **options: Any,  # noqa: ANN401 (those of `IFNet.pair`)
    ) -> Pair:
        self.asked.append(float(timestep))
        return super().pair(img0, img1, timestep, **options)

    def features(self, img: Tensor, *, refine: bool = True) -> FrameFeatures:
        self.encoded += 1
        return super().features(img, refine=refine)


def test_each_new_frame_is_made_at_its_own_time_from_the_source_frames() -> None:
    network = CountingNetwork("4.15")
    frames = [moving_square(s) for s in range(4)]
    worker = Interpolator(network, device="cpu", engine="torch")
    list(interpolate(frames, factor=5, interpolator=worker))
    assert network.asked == pytest.approx([k / 5 for k in range(1, 5)] * 3)
    assert worker.network.encoded == 4, "features are computed once for each source frame"


@pytest.mark.slow
def test_measuring_motion_computes_features_once_for_each_frame_too() -> None:
    network = CountingNetwork("4.15")
    frames = [np.full((400, 416, 3), value, np.uint8) for value in (0, 100, 200)]
    worker = Interpolator(network, scale="auto", device="cpu", engine="torch")
    list(interpolate(frames, factor=3, interpolator=worker))
    assert worker.network.encoded == 2 * 3, "full size and half size, once for each of three frames"


def test_a_network_with_a_fixed_time_halves_the_interval() -> None:
    network = CountingNetwork("3.8")
    worker = Interpolator(network, device="cpu", engine="torch")
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
    (middle,) = blender.between(prepared[0], prepared[1], [Fraction(1, 2)])
    torch.testing.assert_close(middle, (first + second) / 2)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("compiled", [True, False])
def test_what_lies_beyond_is_told_apart(wide: bool, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        monkeypatch.setattr("rife.interpolation.prepared._kernels_are_right", lambda: False)
    picture = torch.rand(1, 3, 17, 33)
    if wide:
        picture = picture * 1.2 - 0.1
        picture[0, 1, 2, 3] = float("nan")
    inside, beyond = split_range(picture)
    assert torch.equal(inside.nan_to_num(9), picture.clamp(0, 1).nan_to_num(9))
    assert (beyond is not None) == wide
    if beyond is not None:
        assert torch.equal(beyond.nan_to_num(9), (picture - picture.clamp(0, 1)).nan_to_num(9))


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_black_and_white_are_not_beyond(edge: float) -> None:
    assert split_range(torch.full((1, 3, 4, 5), edge))[1] is None


def test_a_frame_is_not_copied_on_request(blender: Interpolator) -> None:
    picture = torch.rand(1, 3, 32, 48)
    assert blender.prepare(picture, copy=False).whole.data_ptr() == picture.data_ptr()
    assert blender.prepare(picture).whole.data_ptr() != picture.data_ptr()


def test_load_and_interpolator_have_the_same_defaults() -> None:
    """The engine was once another one."""
    ways = [inspect.signature(way).parameters for way in (rife.load, Interpolator)]
    shared = ways[0].keys() & ways[1].keys()
    assert {"engine", "scale", "precision", "refine", "tile"} <= shared - {"network"}
    assert all(ways[0][name].default == ways[1][name].default for name in shared - {"network"})


def test_a_network_is_not_changed_by_who_runs_it() -> None:
    network = CountingNetwork("4.6").train()
    weights = {name: (tensor, tensor.data_ptr(), tensor.stride()) for name, tensor in network.state_dict().items()}
    worker = Interpolator(network, device="cpu", engine="torch")
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert (tensor.data_ptr(), tensor.stride()) == weights[name][1:]
    assert not worker.network.training
    assert type(worker.network) is CountingNetwork
    assert not any(parameter.requires_grad for parameter in worker.network.parameters())


def test_memory_of_weights_is_shared_where_it_lies_as_needed(blender: Interpolator) -> None:
    again = Interpolator(blender.network, device="cpu", engine="torch")
    assert again.network is not blender.network
    for mine, other in zip(again.network.parameters(), blender.network.parameters(), strict=True):
        assert mine.data_ptr() == other.data_ptr()


@pytest.mark.parametrize("t", [np.float32(0.25), torch.tensor(0.25), "1/4", np.float64(0.25), Fraction(1, 4)])
def test_a_time_in_any_form(t: object, middle_blender: Interpolator) -> None:
    frames = [np.full((8, 8, 3), value, np.float32) for value in (0.0, 1.0)]
    assert float(middle_blender(frames[0], frames[1], t).mean()) == pytest.approx(0.25)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [np.int64(2), "2", 2.0])
def test_a_factor_in_any_form(factor: object, blender: Interpolator) -> None:
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    assert len(list(interpolate(frames, factor=factor, interpolator=blender))) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["(H, W)", "(H, W, 1)", "(1, H, W)"])
def test_grey_frames_are_made_and_come_back_grey(kind: str, blender: Interpolator) -> None:
    """As files of grey are; they were once refused."""
    shape = {"(H, W)": (16, 24), "(H, W, 1)": (16, 24, 1), "(1, H, W)": (1, 16, 24)}[kind]
    first, second = (np.full(shape, value, np.uint8) for value in (40, 80))
    frames: list[Any] = [torch.from_numpy(x) if kind == "(1, H, W)" else x for x in (first, second)]
    made = list(interpolate(frames, factor=2, interpolator=blender))[1]
    assert (tuple(made.shape), type(made)) == (shape, type(frames[0]))
    assert np.unique(np.asarray(made)).tolist() == [60]


@pytest.mark.parametrize("value_range", [(-1, 1), (0, 255), [-0.5, np.float32(0.5)]])
def test_new_frames_have_the_range_that_is_stated(value_range: tuple[float, float], blender: Interpolator) -> None:
    low, high = map(float, value_range)
    frames = [torch.full((3, 16, 16), value) for value in (low, high)]
    frames[1][:, 0, 0] = frames[0][:, 0, 0]  # still in one place
    middle = blender(frames[0], frames[1], value_range=value_range)
    assert float(middle[0, 8, 8]) == pytest.approx((low + high) / 2, abs=1e-4 * (high - low))
    assert float(middle[0, 0, 0]) == pytest.approx(low)
    made = list(interpolate(frames, factor=2, interpolator=blender, value_range=value_range))
    assert torch.equal(made[1], middle)


def test_a_bad_frame_of_a_stream_is_named(blender: Interpolator) -> None:
    frames = np.zeros((4, 16, 16, 3), np.float32)
    frames[2, 3, 4, 1] = np.nan
    made = interpolate(frames, factor=2, interpolator=blender)
    assert [next(made).shape for _ in range(2)] == [(16, 16, 3)] * 2
    with pytest.raises(ShapeError, match="frame 2: expected numbers, got nan at row 3, column 4, channel 1"):
        list(made)
    with pytest.raises(ShapeError, match="img1: expected values"):
        blender(frames[0], frames[0] + 255)


@pytest.mark.parametrize("frames", [np.zeros((16, 16, 3), np.uint8), "film.mp4", None, 7])
def test_what_is_no_stream_of_frames_is_refused_at_once(frames: object, blender: Interpolator) -> None:
    with pytest.raises(ShapeError, match=r"^frames: expected"):
        interpolate(frames, interpolator=blender)  # type: ignore[arg-type]


def test_a_model_by_its_name_or_a_sentence(blender: Interpolator, tmp_path: Path) -> None:
    """A name once ended in: 'str' object has no attribute 'check_factor'."""
    weights = {name: tensor.contiguous() for name, tensor in blender.network.state_dict().items()}
    save_file(weights, tmp_path / "blend.safetensors")
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    for model in (tmp_path / "blend.safetensors", str(tmp_path / "blend.safetensors")):
        assert len(list(interpolate(frames, interpolator=model))) == 4
    with pytest.raises(CheckpointError, match="nosuch: neither a known model nor a file"):
        interpolate(frames, interpolator="nosuch")
    with pytest.raises(OptionError, match=r"interpolator: expected what rife\.load returns"):
        interpolate(frames, interpolator=blender.network)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"network: expected a rife\.network\.ifnet\.IFNet .* rife\.load takes"):
        Interpolator("4.0")  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r'model: expected a name such as "4\.0"'):
        rife.load(4.0)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="URLs are not supported"):
        rife.load("https://example.org/flownet.pkl")


def test_every_error_that_a_user_can_meet_is_public() -> None:
    tree: list[type[RifeError]] = [
        RifeError,
        *RifeError.__subclasses__(),
        *(x for y in RifeError.__subclasses__() for x in y.__subclasses__()),
    ]
    ours = {error.__name__ for error in tree if error.__module__ == "rife.errors"}
    assert ours <= set(rife.__all__)
    assert {"FetchError", "MissingExtraError", "OptionError"} <= ours
