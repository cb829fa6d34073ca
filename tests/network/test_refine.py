"""The refinement networks: reference arrays, keys, shapes, errors, dtypes, gradients, export, compile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rife.errors import ShapeError
from rife.network.warp import backward_warp
from rife.refine import Contextnet, Conv2, Unet, conv, deconv
from support.golden import (
    FLOW4,
    IMG0,
    IMG1,
    MASK,
    golden,
    tolerance,
    with_closed_form_weights,
    worst,
)

UnetInputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, list[Tensor], list[Tensor]]


@pytest.fixture(scope="module")
def contextnet() -> nn.Module:
    return with_closed_form_weights(Contextnet())


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    return with_closed_form_weights(Unet())


def unet_inputs(height: int = 16, width: int = 32, batch: int = 1, dtype: torch.dtype = torch.float32) -> UnetInputs:
    def picture(channels: int, shrink: int = 1) -> Tensor:
        return torch.rand(batch, channels, height // shrink, width // shrink, dtype=dtype)

    c0, c1 = ([picture(16 * 2**i, 2 ** (i + 1)) for i in range(4)] for _ in range(2))
    return picture(3), picture(3), picture(3), picture(3), picture(1), picture(4), c0, c1


@pytest.mark.parametrize(("name", "build"), [("contextnet", Contextnet), ("unet", Unet)])
def test_keys_and_shapes_are_the_published_ones(name: str, build: Callable[[], nn.Module]) -> None:
    reference = golden(name)
    state = build().state_dict()
    assert sorted(state) == list(reference["keys"])
    assert [str(tuple(state[key].shape)) for key in sorted(state)] == list(reference["shapes"])


def test_contextnet_matches_the_reference(contextnet: nn.Module) -> None:
    reference = golden("contextnet")
    with torch.no_grad():
        maps = contextnet(IMG0, FLOW4[:, :2])
    assert [tuple(m.shape) for m in maps] == [(1, 16 * 2**i, 64 >> i, 128 >> i) for i in range(4)]
    for level, computed in enumerate(maps, start=1):
        assert worst(computed, reference[f"f{level}"], step=2) < tolerance()


def test_unet_matches_the_reference(contextnet: nn.Module, unet: nn.Module) -> None:
    with torch.no_grad():
        residual = unet(
            IMG0,
            IMG1,
            backward_warp(IMG0, FLOW4[:, :2]),
            backward_warp(IMG1, FLOW4[:, 2:]),
            MASK,
            FLOW4,
            contextnet(IMG0, FLOW4[:, :2]),
            contextnet(IMG1, FLOW4[:, 2:]),
        )
    assert worst(residual, golden("unet")["residual"]) < tolerance()
    assert 0 <= residual.min() <= residual.max() <= 1


def test_features_once_and_warping_per_flow_are_the_same_as_forward(contextnet: Contextnet) -> None:
    with torch.no_grad():
        features = contextnet.features(IMG0)
        for flow in (FLOW4[:, :2], FLOW4[:, 2:]):
            for a, b in zip(contextnet.warp(features, flow), contextnet(IMG0, flow), strict=True):
                assert torch.equal(a, b)


def test_batch_equals_loop(contextnet: nn.Module, unet: nn.Module) -> None:
    images, flows = torch.rand(2, 3, 32, 48), torch.randn(2, 2, 32, 48) * 4
    inputs = unet_inputs(batch=2)
    with torch.no_grad():
        maps = contextnet(images, flows)
        residual = unet(*inputs)
        for i in range(2):
            one = slice(i, i + 1)
            for level, computed in enumerate(contextnet(images[one], flows[one])):
                torch.testing.assert_close(maps[level][one], computed, atol=1e-5, rtol=1e-5)
            single = [[m[one] for m in x] if isinstance(x, list) else x[one] for x in inputs]
            torch.testing.assert_close(residual[one], unet(*single), atol=1e-5, rtol=1e-5)


def test_blocks_honour_their_arguments() -> None:
    x = torch.rand(1, 4, 16, 16)
    assert conv(4, 6, 5, 2, 2)(x).shape == (1, 6, 8, 8)
    assert conv(4, 6, 3, 1, 2, 2)[0].dilation == (2, 2)
    assert conv(4, 6)(x).shape == (1, 6, 16, 16)
    assert deconv(4, 6)(x).shape == (1, 6, 32, 32)
    assert deconv(4, 6, 2, 2, 0)(x).shape == (1, 6, 32, 32)
    assert deconv(4, 6, kernel_size=3, stride=1)(x).shape == (1, 6, 16, 16)
    assert deconv(4, 6, 8, 4, 2)[0].kernel_size == (8, 8)
    assert Conv2(4, 6)(x).shape == (1, 6, 8, 8)
    assert Conv2(4, 6, stride=1)(x).shape == (1, 6, 16, 16)
    for block in (conv(4, 6), deconv(4, 6)):
        assert [type(m) for m in block][1] is nn.PReLU
        assert block[1].num_parameters == 6
        assert block[0].bias is not None


def wrong_unet_inputs() -> list[tuple[str, UnetInputs]]:
    i0, i1, w0, w1, mask, flow, c0, c1 = unet_inputs()
    narrow = torch.rand(1, 3, 16, 16)
    return [
        ("img0", (torch.rand(1, 3, 16, 24), i1, w0, w1, mask, flow, c0, c1)),
        ("img0", (torch.rand(1, 4, 16, 32), i1, w0, w1, mask, flow, c0, c1)),
        ("img1", (i0, narrow, w0, w1, mask, flow, c0, c1)),
        ("warped_img0", (i0, i1, narrow, w1, mask, flow, c0, c1)),
        ("warped_img1", (i0, i1, w0, narrow, mask, flow, c0, c1)),
        ("mask", (i0, i1, w0, w1, flow, flow, c0, c1)),
        ("flow", (i0, i1, w0, w1, mask, flow[:, :2], c0, c1)),
        ("c0: expected 4", (i0, i1, w0, w1, mask, flow, c0[:3], c1)),
        (r"c1\[2\]", (i0, i1, w0, w1, mask, flow, c0, [c1[0], c1[1], c1[3], c1[3]])),
    ]


@pytest.mark.parametrize(("names", "inputs"), wrong_unet_inputs())
def test_unet_says_what_is_wrong(names: str, inputs: UnetInputs) -> None:
    with pytest.raises(ShapeError, match=rf"{names}.*got"):
        Unet()(*inputs)


@pytest.mark.parametrize(
    ("x", "flow", "names"),
    [
        ((1, 3, 24, 32), (1, 2, 24, 32), "x: height and width must be multiples of 16, got 24 x 32"),
        ((1, 3, 32, 40), (1, 2, 32, 40), "multiples of 16, got 32 x 40"),
        ((1, 4, 32, 32), (1, 2, 32, 32), r"x: expected \(B, 3, H, W\), got \(1, 4, 32, 32\)"),
        ((3, 32, 32), (1, 2, 32, 32), "x: expected"),
        ((1, 3, 32, 32), (1, 4, 32, 32), r"flow: expected \(1, 2, 32, 32\), got \(1, 4, 32, 32\)"),
        ((1, 3, 32, 32), (1, 2, 32, 48), "flow: expected"),
        ((2, 3, 32, 32), (1, 2, 32, 32), "flow: expected"),
    ],
)
def test_contextnet_says_what_is_wrong(x: tuple[int, ...], flow: tuple[int, ...], names: str) -> None:
    with pytest.raises(ShapeError, match=names):
        Contextnet()(torch.rand(x), torch.rand(flow))


def test_warping_a_list_of_the_wrong_length() -> None:
    net = Contextnet()
    with pytest.raises(ShapeError, match="expected 4 context maps, got 3"):
        net.warp(net.features(torch.rand(1, 3, 32, 32))[:3], torch.zeros(1, 2, 32, 32))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_stays_close_to_float32(dtype: torch.dtype, contextnet: nn.Module, unet: nn.Module) -> None:
    inputs = unet_inputs()
    flow = torch.randn(1, 2, 16, 32)
    with torch.no_grad():
        exact_maps, exact = contextnet(inputs[0], flow), unet(*inputs)
        with torch.autocast("cpu", dtype):
            maps, residual = contextnet(inputs[0], flow), unet(*inputs)
    torch.testing.assert_close(residual.float(), exact, atol=0.02, rtol=0)
    for a, b in zip(maps, exact_maps, strict=True):
        torch.testing.assert_close(a.float(), b, atol=0.05, rtol=0.05)


def test_double(contextnet: nn.Module, unet: nn.Module) -> None:
    inputs = unet_inputs(dtype=torch.float64)
    flow = torch.randn(1, 2, 16, 32, dtype=torch.float64)
    context, refine = with_closed_form_weights(Contextnet()).double(), with_closed_form_weights(Unet()).double()
    single = [[m.float() for m in x] if isinstance(x, list) else x.float() for x in inputs]
    with torch.no_grad():
        assert refine(*inputs).dtype == torch.float64
        torch.testing.assert_close(refine(*inputs).float(), unet(*single), atol=1e-4, rtol=0)
        for a, b in zip(context(inputs[0], flow), contextnet(single[0], flow.float()), strict=True):
            assert a.dtype == torch.float64
            torch.testing.assert_close(a.float(), b, atol=1e-4, rtol=1e-4)


def test_gradients_reach_frame_flow_and_weights() -> None:
    net = with_closed_form_weights(Contextnet()).double()
    x = torch.rand(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    # Away from whole pixels at every scale, where bilinear reading has a kink.
    flow = torch.full((1, 2, 16, 16), 4.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: sum(m.sum() for m in net(a, b)), (x, flow), fast_mode=True)
    refine = with_closed_form_weights(Unet()).double()
    inputs = unet_inputs(16, 16, dtype=torch.float64)
    tensors = [t.requires_grad_() for t in (*inputs[:6], *inputs[6], *inputs[7])]
    assert torch.autograd.gradcheck(
        lambda *t: refine(*t[:6], list(t[6:10]), list(t[10:])), tuple(tensors), fast_mode=True
    )
    refine(*inputs).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in refine.parameters())


@pytest.mark.slow
def test_export_with_any_size_that_is_a_multiple_of_16(contextnet: nn.Module, unet: nn.Module) -> None:
    # The tuples name the shapes of the arguments: rows and columns are 16 times a free number.
    rows, columns = torch.export.Dim("rows", min=1, max=64), torch.export.Dim("columns", min=1, max=64)
    size = {2: 16 * rows, 3: 16 * columns}
    x, flow = torch.rand(1, 3, 48, 64), torch.randn(1, 2, 48, 64)
    program = torch.export.export(contextnet, (x, flow), dynamic_shapes=(size, size))
    other = torch.rand(1, 3, 32, 80), torch.randn(1, 2, 32, 80)
    with torch.no_grad():
        for a, b in zip(program.module()(*other), contextnet(*other), strict=True):
            torch.testing.assert_close(a, b)
        inputs = unet_inputs()
        exported = torch.export.export(unet, inputs)
        torch.testing.assert_close(exported.module()(*inputs), unet(*inputs))


def test_compile_in_one_graph(contextnet: nn.Module, unet: nn.Module) -> None:
    torch.compiler.reset()
    inputs, flow = unet_inputs(), torch.randn(1, 2, 16, 32)
    with torch.no_grad():
        compiled = torch.compile(unet, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(*inputs), unet(*inputs), atol=1e-5, rtol=1e-5)
        compiled = torch.compile(contextnet, backend="aot_eager", fullgraph=True)
        for a, b in zip(compiled(inputs[0], flow), contextnet(inputs[0], flow), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_works_on_the_device_of_its_inputs() -> None:
    # The meta device accepts no tensor of another device: a grid made on the CPU would fail here.
    with torch.device("meta"):
        net, refine = Contextnet(), Unet()
        x, flow = torch.rand(1, 3, 32, 32), torch.rand(1, 4, 32, 32)
    maps = net(x, flow[:, :2])
    assert {m.device.type for m in maps} == {"meta"}
    assert refine(x, x, x, x, flow[:, :1], flow, maps, maps).device.type == "meta"
