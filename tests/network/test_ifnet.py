"""The flow network of every generation: reference arrays, keys, and properties."""

from __future__ import annotations

import pytest
import torch

from rife.errors import CheckpointError, ShapeError
from rife.interpolation.interpolator import Interpolator
from rife.network.ifnet import IFNet, Prediction
from rife.network.specs import SPECS, spec_named
from rife.network.warp import backward_warp
from support.golden import IMG0, IMG1, golden, head_of, tolerance, with_closed_form_weights, worst

INFERENCE = [("3.5", "v3_5"), ("3.8", "hdv3"), ("4.0", "v4_0"), ("4.6", "v4_6"), ("4.15", "v4_15"), ("4.26", "v4_26")]


def built(name: str, *, refine: bool = False, teacher: bool = False) -> IFNet:
    network = with_closed_form_weights(IFNet(SPECS[name], refine=refine, teacher=teacher))
    assert isinstance(network, IFNet)
    return network


@pytest.mark.parametrize("name", ["IFNet", "IFNet_m", "IFNet_2R"])
def test_training_form_matches_the_reference(name: str) -> None:
    reference = golden(name.lower())
    network = built(name, refine=True, teacher=True)
    assert sorted(network.state_dict()) == list(reference["keys"])
    times = [float(key.removeprefix("merged_t")) for key in reference if key.startswith("merged_t")]
    assert times
    for t in times:
        with torch.no_grad():
            estimate = network(IMG0, IMG1, t, ground_truth=(IMG0 + IMG1) / 2)
        assert estimate.teaching is not None
        assert worst(estimate.merged, reference[f"merged_t{t}"]) < tolerance()
        assert worst(estimate.flow, reference[f"flow_t{t}"]) < tolerance()
        assert worst(estimate.mask, reference[f"mask_t{t}"]) < tolerance()
        assert worst(estimate.teaching.flow, reference[f"teacher_flow_t{t}"]) < tolerance()
        assert worst(estimate.teaching.merged, reference[f"teacher_merged_t{t}"]) < tolerance()
        loss = float(estimate.teaching.distillation_loss)
        assert loss == pytest.approx(float(reference[f"distill_t{t}"]), abs=tolerance())


@pytest.mark.parametrize(("name", "file"), INFERENCE)
def test_inference_matches_the_reference(name: str, file: str) -> None:
    reference = golden(file)
    has_teacher = any(key.startswith("block_tea.") for key in reference["keys"])
    network = built(name, teacher=has_teacher)
    assert sorted(network.state_dict()) == list(reference["keys"])
    key, t = ("merged_t03", 0.3) if SPECS[name].any_time else ("merged", 0.5)
    with torch.no_grad():
        estimate = network(IMG0, IMG1, t)
    assert worst(estimate.merged, reference[key]) < tolerance()
    if "flow" in reference:
        assert worst(estimate.flow, reference["flow"]) < tolerance()


@pytest.mark.parametrize("t", [0.25, 0.5])
def test_published_weights_match_the_reference(t: float, default_interpolator: Interpolator) -> None:
    reference = golden("v4_0_pretrained")
    network = default_interpolator.network
    with torch.no_grad():
        refined = network(IMG0, IMG1, t).merged
        flow_only = network(IMG0, IMG1, t, refine=False).merged
    assert worst(refined, reference[f"refined_t{t}"]) < tolerance(pretrained=True)
    assert worst(flow_only, reference[f"flow_only_t{t}"]) < tolerance(pretrained=True)


def test_every_reference_array_is_checked() -> None:
    from support.golden import FOLDER

    checked = {"inputs", "warp", "contextnet", "unet", "ifnet", "ifnet_m", "ifnet_2r", "v4_0_pretrained"}
    assert {path.stem for path in FOLDER.glob("*.npz")} == checked | {file for _, file in INFERENCE}


def test_closed_form_inputs_are_those_of_the_reference() -> None:
    from support.golden import FLOW2, FLOW4, MASK

    reference = golden("inputs")
    for name, x in (("img0", IMG0), ("img1", IMG1), ("flow4", FLOW4), ("flow2", FLOW2), ("mask", MASK)):
        assert worst(x, reference[name]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SPECS))
def test_batch_equals_loop(name: str) -> None:
    network = built(name, refine=SPECS[name].refines)
    height = SPECS[name].pad_multiple
    img0, img1 = torch.rand(2, 2, 3, height, 2 * height)
    times: float | torch.Tensor = torch.tensor([0.3, 0.7]) if SPECS[name].any_time else 0.5
    with torch.no_grad():
        batch = network(img0, img1, times).merged
        for i in range(2):
            one = slice(i, i + 1)
            t = times[one] if isinstance(times, torch.Tensor) else times
            torch.testing.assert_close(batch[one], network(img0[one], img1[one], t).merged, atol=1e-4, rtol=0)


def restarting_network() -> IFNet:
    """4.0 with weights whose second block moves by more than its limit only where the frames differ."""
    network = IFNet(SPECS["4.0"], refine=False)
    for parameter in network.parameters():
        parameter.data.zero_()
    for name in ("block0", "block1"):
        _, bias = head_of(network, name)
        bias.data[:4] = 10.0 if name == "block1" else 0.5  # times 2 * scale 4: 80 px
    return network.eval()


def test_restart_doubles_the_scales() -> None:
    network = restarting_network()
    image = torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        stages = network(image, image).stages
    # Blocks 0 and 1 at scales 16 and 8, enlarged by twice that: biases come out times 32 and 16.
    assert float(stages[0].flow.mean()) == pytest.approx(0.5 * 32)
    assert float(stages[1].flow.mean()) == pytest.approx(0.5 * 32 + 10 * 16)


def test_restart_is_decided_for_each_sample_alone() -> None:
    """A batch with one fast pair must not change the slow pair beside it."""
    network = built("4.0")
    slow0 = torch.full((1, 3, 64, 128), 0.5)
    fast0, fast1 = torch.rand(2, 1, 3, 64, 128)
    for parameter in network.parameters():
        parameter.data *= 0.9
    with torch.no_grad():
        # Scale the second block's head so that its output passes the limit for the textured pair alone.
        def second_change(a: torch.Tensor, b: torch.Tensor) -> float:
            network.spec = SPECS["4.6"]  # no restart
            stages = network(a, b).stages
            network.spec = SPECS["4.0"]
            change = (stages[1].flow - stages[0].flow).abs()
            return float(min(change[:, :2].max(), change[:, 2:].max()))

        slow, fast = second_change(slow0, slow0), second_change(fast0, fast1)
        assert slow < fast
        factor = 32 / ((slow + fast) / 2)
        for tensor in head_of(network, "block1"):
            tensor.mul_(factor)
        alone = network(slow0, slow0).merged, network(fast0, fast1).merged
        together = network(torch.cat((slow0, fast0)), torch.cat((slow0, fast1)))
        # The coarse flow of the slow pair comes from scale 8, that of the fast pair from scale 16.
        network.spec = SPECS["4.6"]
        unrestarted = network(torch.cat((slow0, fast0)), torch.cat((slow0, fast1))).stages[0].flow
        assert torch.allclose(together.stages[0].flow[0], unrestarted[0], atol=1e-4)
        assert not torch.allclose(together.stages[0].flow[1], unrestarted[1], atol=1e-1)
        torch.testing.assert_close(together.merged[:1], alone[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(together.merged[1:], alone[1], atol=1e-4, rtol=0)


def test_both_halves_of_the_teacher() -> None:
    """Each half of the teacher's flow reads its own frame."""
    network = built("IFNet_m", teacher=True)
    truth = (IMG0 + IMG1) / 2
    with torch.no_grad():
        estimate: Prediction = network(IMG0, IMG1, 0.5, ground_truth=truth)
        assert estimate.teaching is not None
        teacher = estimate.teaching
        warped0 = backward_warp(IMG0, teacher.flow[:, :2])
        warped1 = backward_warp(IMG1, teacher.flow[:, 2:])
    low, high = torch.minimum(warped0, warped1), torch.maximum(warped0, warped1)
    assert (teacher.merged >= low - 1e-5).all()
    assert (teacher.merged <= high + 1e-5).all()
    assert not torch.allclose(teacher.flow[:, :2], teacher.flow[:, 2:])


def test_the_teacher_is_not_taught_by_the_distillation() -> None:
    network = built("IFNet", teacher=True)
    truth = torch.rand(1, 3, 32, 32)
    estimate = network(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), ground_truth=truth)
    assert estimate.teaching is not None
    # The teacher stands on the student's last flow, and so would teach it through the back door.
    loss = estimate.teaching.distillation_loss + 0 * estimate.teaching.flow.sum()
    loss.backward()
    taught, student = (head_of(network, block)[0].grad for block in ("block_tea", "block0"))
    assert taught is not None
    assert student is not None
    assert float(taught.abs().max()) == 0
    assert float(student.abs().max()) > 0


def test_a_teacher_that_agrees_to_the_bit_gives_finite_gradients() -> None:
    network = built("IFNet", teacher=True)
    for tensor in head_of(network, "block_tea"):
        tensor.data.zero_()
    image = torch.rand(1, 3, 32, 32)
    estimate = network(image, torch.rand(1, 3, 32, 32), ground_truth=image)
    assert estimate.teaching is not None
    estimate.teaching.distillation_loss.backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(g.isfinite().all() for g in gradients)


def test_swapping_the_frames_of_a_symmetric_network() -> None:
    network = built("3.8")
    with torch.no_grad():
        forwards, backwards = network(IMG0, IMG1), network(IMG1, IMG0)
    torch.testing.assert_close(forwards.merged, backwards.merged, atol=1e-4, rtol=0)
    torch.testing.assert_close(forwards.flow[:, :2], backwards.flow[:, 2:], atol=1e-4, rtol=0)


def test_features_computed_before_give_the_same_frame() -> None:
    for name in ("4.0", "4.15"):
        network = built(name, refine=SPECS[name].refines)
        with torch.no_grad():
            before = network(IMG0, IMG1, 0.3, features0=network.features(IMG0), features1=network.features(IMG1))
            assert torch.equal(before.merged, network(IMG0, IMG1, 0.3).merged)


def test_wrong_sizes_are_refused() -> None:
    network = built("4.6")
    with pytest.raises(ShapeError, match="multiples of 8, got 44 x 64"):
        network(torch.rand(1, 3, 44, 64), torch.rand(1, 3, 44, 64))
    with pytest.raises(ShapeError, match="two frames of the same"):
        network(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 128))


def test_what_a_network_cannot_do_is_refused() -> None:
    image = torch.rand(1, 3, 64, 64)
    with pytest.raises(ValueError, match=r"only the middle frame, t = 0.5; got 0.3"):
        built("3.8")(image, image, 0.3)
    with pytest.raises(ValueError, match="both frame orders"):
        built("4.26")(image, image, ensemble=True)
    with pytest.raises(ValueError, match="teacher=True"):
        built("IFNet")(image, image, ground_truth=image)
    with pytest.raises(ValueError, match="has no teacher"):
        IFNet(SPECS["4.6"], teacher=True)


def test_release_names_lead_to_their_network() -> None:
    assert spec_named("4.1") is SPECS["4.0"]
    with pytest.raises(CheckpointError, match=r"9.9: no such network"):
        spec_named("9.9")
