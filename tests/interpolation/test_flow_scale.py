"""The flow scale: what `auto` chooses, and that the choice is right, on the published weights."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import pytest
import torch
from torch import Tensor

import rife
from rife.assets.samples import sample_path
from rife.errors import JobError
from rife.evaluate.held_out import psnr_db, score_held_out
from rife.interpolation.interpolator import Interpolator
from rife.media.colour.convert import to_rgb
from rife.media.video.reader import VideoReader
from rife.network.specs import SPECS
from rife.options import FlowScale, Refine
from support.golden import tolerance

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def still() -> Tensor:
    """A detailed 1280x720 picture."""
    with VideoReader(sample_path("bigbuckbunny")) as reader:
        frames = (frame.picture for frame in reader.frames())
        return to_rgb(next(islice(frames, 60, None)))


def pan(still: Tensor, pixels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Source, truth and source of a camera that moves by `pixels` from frame to frame."""
    views = [still[..., 100:612, 40 + shift : 936 + shift] for shift in (0, pixels // 2, pixels)]
    return views[0], views[1], views[2]


def quality(worker: Interpolator, still: Tensor, pixels: int) -> tuple[float, float]:
    """PSNR of the middle frame of a pan, and the flow scale that was chosen for it."""
    before, truth, after = pan(still, pixels)
    pair = worker.prepare(before), worker.prepare(after)
    (made,) = worker.between(*pair, [Fraction(1, 2)])
    return psnr_db(made, truth), worker.flow_scale(*pair)


@pytest.mark.parametrize(("model", "pixels"), [("3.8", 60), ("3.5", 60), ("3.8", 130), ("4.0", 240)])
def test_auto_is_better_on_large_motion(model: str, pixels: int, still: Tensor) -> None:
    fixed, auto = (
        rife.load(model, refine="off", scale=scale, device="cpu", engine="native") for scale in ("1", "auto")
    )
    (before, _), (after, chosen) = quality(fixed, still, pixels), quality(auto, still, pixels)
    assert chosen < 1
    assert after > before


def test_auto_leaves_motion_alone_that_the_network_follows_by_itself(still: Tensor) -> None:
    """4.0 starts again at half the scale where motion is large: at 60 px no other scale does better."""
    fixed, auto = (
        rife.load("4.0", refine="off", scale=scale, device="cpu", engine="native") for scale in ("1", "auto")
    )
    (before, _), (after, chosen) = quality(fixed, still, 60), quality(auto, still, 60)
    assert chosen == 1
    assert after == pytest.approx(before, abs=0.05)


@pytest.mark.parametrize("clip", ["bikes", "carphone", "bigbuckbunny"])
@pytest.mark.parametrize("model", ["4.0", "3.8"])
def test_auto_is_never_worse_on_the_sample_clips(model: str, clip: str) -> None:
    workers = {
        scale: rife.load(model, refine="off", scale=scale, device="cpu", engine="native") for scale in ("1", "auto")
    }
    frames = 21 if clip == "bigbuckbunny" else 41
    scores = {s.method: s.psnr_db for s in score_held_out(sample_path(clip), workers, frames=frames)}
    assert scores["auto"] >= scores["1"] - 0.05


@pytest.mark.usefixtures("as_if_moving")
@pytest.mark.parametrize("scale", ["0.5", "0.25", "2"])
@pytest.mark.parametrize("name", ["3.8", "4.6", "4.26"])
def test_any_scale_keeps_the_size(name: str, scale: FlowScale) -> None:
    from conftest import blending_network

    worker = Interpolator(blending_network(SPECS[name]), scale=scale, device="cpu", engine="torch")
    frame = torch.rand(3, 50, 70)
    out = worker(frame, frame)
    torch.testing.assert_close(out, frame, atol=1e-5, rtol=0)


def test_unknown_scales_are_refused(blender: Interpolator) -> None:
    with pytest.raises(JobError, match=r"one of 1, 0\.5, 0\.25, 2, auto, got '3'"):
        Interpolator(blender.network, scale="3")


# --- both frame orders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("refine", ["full", "off"])
@pytest.mark.parametrize("t", [0.5, 0.3])
def test_the_ensemble_is_symmetric(t: float, refine: Refine) -> None:
    """Swapping the frames and t -> 1 - t gives the same picture, here with the default model's weights."""
    with VideoReader(sample_path("carphone")) as reader:
        frames = [to_rgb(item.picture)[0] for item in islice(reader.frames(), 6)]
    averaged = rife.load(refine=refine, ensemble=True, device="cpu", engine="torch")
    plain = Interpolator(averaged.network, refine=refine, device="cpu", engine="torch")
    forwards = averaged(frames[0], frames[5], t)
    assert (forwards - averaged(frames[5], frames[0], 1 - Fraction(t))).abs().max() < tolerance()
    assert (forwards - plain(frames[0], frames[5], t)).abs().max() > tolerance()


@pytest.mark.parametrize("name", [name for name, row in SPECS.items() if row.ensemble == "optional"])
def test_the_ensemble_of_every_network_is_symmetric(name: str) -> None:
    from rife.network.ifnet import IFNet
    from support.golden import IMG0, IMG1, with_closed_form_weights

    network = with_closed_form_weights(IFNet(SPECS[name], refine=False))
    if SPECS[name].restart_flow_px:  # as published, a restart is not averaged in its first block
        for parameter in network.parameters():
            parameter.data *= 0.7
    with torch.no_grad():
        forwards = network(IMG0, IMG1, 0.3, ensemble=True).merged
        backwards = network(IMG1, IMG0, 0.7, ensemble=True).merged
    assert (forwards - backwards).abs().max() < tolerance()


@pytest.mark.usefixtures("as_if_moving")
def test_an_ensemble_that_a_network_does_not_have(blender: Interpolator) -> None:
    from conftest import blending_network

    with pytest.raises(JobError, match=r"network 4\.26 does not have it\. These do: 4\.0, "):
        Interpolator(blending_network(SPECS["4.26"]), ensemble=True, device="cpu", engine="torch")
    frame = torch.rand(3, 40, 40)
    averaged = Interpolator(blender.network, ensemble=True, device="cpu", engine="torch")
    torch.testing.assert_close(averaged(frame, frame), frame, atol=1e-5, rtol=0)
