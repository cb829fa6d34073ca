"""The network's layers on our own convolution kernels: blocks, features of a frame, refinement.

Built from the network's modules; the arithmetic is the same, in another order. Tensors are channels-last, (1, H, W, C),
float32, in the order of `rife.engines.cpu.channel_layout` or padded to whole vectors of channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rife.engines.cpu.channel_layout import (
    block_layout,
    padded_output_channels,
    permute_inputs,
    space_to_depth,
    unet_layout,
)
from rife.engines.cpu.thread_team import ThreadTeam
from rife.engines.native.convolutions import Direct, Winograd, whole_vectors
from rife.network.blocks import IFBlock, ResConv
from rife.network.channels import FLOW
from rife.network.encoder import Head
from rife.network.ifnet import IFNet
from rife.network.layers import Conv2
from rife.network.refine import Unet
from rife.network.regions import padded
from rife.network.warp import resize


class NativeSubgraphs:
    """The subgraphs of a network, for frames of any size."""

    def __init__(self, network: IFNet, team: ThreadTeam) -> None:
        """Prepare to run a network on a team of threads; each subgraph is built when it is first needed."""
        self._network, self._team = network, team
        self._blocks: dict[int, _Block] = {}

    def block(self, index: int, scale: float, x: Tensor) -> Tensor:
        """Run one block; the first takes its channels in the published order, all return padded channels."""
        if index not in self._blocks:
            self._blocks[index] = _Block(self._network, index)
        return self._blocks[index](self._team, x, scale)

    def features(self, pixels: Tensor, *, refine: bool) -> list[Tensor]:
        """Compute encoder features, if the network has an encoder, and context maps of a frame (1, H, W, 4)."""
        maps = []
        if self._network.spec.encoder is not None:
            maps.append(self._encoder(self._team, pixels))
        if refine:
            x = pixels
            for stage in self._contexts:
                x = stage(self._team, x)
                maps.append(x)
        return maps

    def residual(self, unet_input: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        """Run the refinement as `rife.engines.openvino.subgraphs.ResidualSubgraph` does; more channels may follow."""
        return self._refinement(self._team, unet_input, contexts)

    @cached_property
    def _encoder(self) -> _Encoder:
        return _Encoder(self._network)

    @cached_property
    def _contexts(self) -> list[_Stage]:
        net = self._network.contextnet
        return [_Stage(net.conv1, channels=4), *(_Stage(stage) for stage in (net.conv2, net.conv3, net.conv4))]

    @cached_property
    def _refinement(self) -> _Refinement:
        return _Refinement(self._network.unet)


class _Block:
    """`rife.network.blocks.IFBlock`."""

    def __init__(self, network: IFNet, index: int) -> None:
        block = network.get_submodule(f"block{index}")
        assert isinstance(block, IFBlock)
        self._block, self._spec, self._channels = block, network.spec, padded_output_channels(network.spec)
        opening, second = (_modules(layer) for layer in _modules(block.conv0))
        first: nn.Module = opening[0]
        if index > 0:
            layout = block_layout(network.spec)
            first = permute_inputs(first, layout)
        assert isinstance(first, nn.Conv2d)
        self._first, self._second = direct(first, opening[1], channels=first.in_channels), direct(*second)
        self._body = _body(block)
        self._heads: dict[float, list[Winograd]] = {}

    def __call__(self, team: ThreadTeam, x: Tensor, scale: float) -> Tensor:
        x = padded(x.permute(0, 3, 1, 2), 2 if self._spec.half_downsampling else 4).permute(0, 2, 3, 1)
        x = self._second(team, self._first(team, x))
        x = self._through(team, x)
        factor = self._block.factor(scale)
        if factor not in self._heads:
            self._heads[factor] = _head(self._block, factor, self._channels)
        for layer in self._heads[factor]:
            x = layer(team, x)
        return x if factor >= 1 else resize(x.permute(0, 3, 1, 2), factor).permute(0, 2, 3, 1)

    def _through(self, team: ThreadTeam, x: Tensor) -> Tensor:
        """Run the eight convolutions in the middle."""
        if self._spec.body == "resconv":
            for layer in self._body:
                x = layer(team, x, skip=x, skip_first=True)
            return x
        skip_every = {"chain": 0, "pairs": 2, "residual_chain": len(self._body)}[self._spec.body]
        before = x
        for index, layer in enumerate(self._body, 1):
            ends = skip_every > 0 and index % skip_every == 0
            x = layer(team, x, skip=before if ends else None)
            before = x if ends else before
        return x


class _Stage:
    """`rife.network.refine.Conv2`."""

    def __init__(self, stage: Conv2, *, channels: int | None = None) -> None:
        self._first, self._second = direct(*stage.conv1, channels=channels), winograd(*stage.conv2)

    def __call__(self, team: ThreadTeam, first: Tensor, second: Tensor | None = None) -> Tensor:
        return self._second(team, self._first(team, first, second))


class _Refinement:
    """`rife.network.refine.Unet`."""

    def __init__(self, unet: Unet) -> None:
        layout = unet_layout()
        first = Conv2(layout.channels, 2, 1)
        first.conv1 = nn.Sequential(permute_inputs(unet.down0.conv1[0], layout), unet.down0.conv1[1])
        first.conv2 = unet.down0.conv2
        self._down = [
            _Stage(first, channels=layout.channels),
            *(_Stage(x) for x in (unet.down1, unet.down2, unet.down3)),
        ]
        self._up = [transposed(*stage) for stage in (unet.up0, unet.up1, unet.up2, unet.up3)]
        last = space_to_depth(unet.conv) if unet.conv.stride == (1, 1) else unet.conv
        self._last = direct(last)

    def __call__(self, team: ThreadTeam, unet_input: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        x, context_in, skips = unet_input, None, []
        for down, context in zip(self._down, contexts, strict=True):
            x, context_in = down(team, x, context_in), context
            skips.append(x)
        skips[-1] = contexts[-1]
        for up, other in zip(self._up, reversed(skips), strict=True):
            x = up(team, x, other)
        return torch.sigmoid_(self._last(team, x))


class _Encoder:
    """The per-frame encoder of a network, of any kind (`rife.network.encoder`)."""

    def __init__(self, network: IFNet) -> None:
        encoder = network.encode
        self._clamps = isinstance(encoder, Head)
        leaky = nn.LeakyReLU(0.2)
        if isinstance(encoder, Head):
            convolutions: list[nn.Module] = [encoder.cnn0, encoder.cnn1, encoder.cnn2, encoder.cnn3]
        else:
            convolutions = [layer for layer in _modules(encoder) if not isinstance(layer, nn.LeakyReLU)]
        first, *inner, last = convolutions
        activation = None if len(convolutions) == 2 else leaky
        self._layers: list[Direct | Winograd] = [
            direct(first, activation, channels=4),
            *(winograd(x, activation) for x in inner),
        ]
        assert isinstance(last, nn.ConvTranspose2d)
        self._channels = last.out_channels
        # A row of two pixels of eight channels fills a vector.
        self._last = transposed(last, channels=-(-self._channels // 8) * 8)

    def __call__(self, team: ThreadTeam, pixels: Tensor) -> Tensor:
        x = pixels.clamp(0, 1) if self._clamps else pixels
        for layer in self._layers:
            x = layer(team, x)
        x = self._last(team, x)
        return x[..., : self._channels].contiguous()


def direct(convolution: nn.Module, activation: nn.Module | None = None, *, channels: int | None = None) -> Direct:
    """Arrange a convolution for an input of `channels` channels; of whole vectors of them if None."""
    assert isinstance(convolution, nn.Conv2d)
    _check(convolution, groups=1, dilation=(1, 1), padding_mode="zeros")
    _check(convolution, kernel_size=(convolution.kernel_size[0],) * 2, stride=(convolution.stride[0],) * 2)
    weight, outputs = convolution.weight, convolution.out_channels
    return Direct(
        weight,
        _bias(convolution),
        _slopes(activation, outputs),
        inputs=channels or whole_vectors(weight.shape[1]),
        stride=convolution.stride[0],
        padding=int(convolution.padding[0]),
    )


def winograd(convolution: nn.Module, activation: nn.Module | None = None, *, factors: Tensor | None = None) -> Winograd:
    """Arrange a 3x3 convolution of stride 1, its result multiplied by a factor for each channel."""
    assert isinstance(convolution, nn.Conv2d)
    _check(convolution, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1), padding_mode="zeros")
    weight, bias, groups = convolution.weight.detach(), _bias(convolution), convolution.groups
    if groups > 1:
        # Each group reads its own channels only: zero weights for the others.
        own = weight.shape[1]
        parts = enumerate(weight.chunk(groups))
        weight = torch.cat([F.pad(part, (0, 0, 0, 0, own * g, own * (groups - 1 - g))) for g, part in parts])
    if factors is not None:
        weight, bias = weight * factors.reshape(-1, 1, 1, 1), bias * factors.flatten()
    return Winograd(weight, bias, _slopes(activation, weight.shape[0]))


def transposed(convolution: nn.Module, activation: nn.Module | None = None, *, channels: int | None = None) -> Winograd:
    """Arrange a 4x4 transposed convolution of stride 2, its output channels padded to `channels` if given."""
    assert isinstance(convolution, nn.ConvTranspose2d)
    return _subpixel_convolution(
        _subpixel_kernels(convolution), _slopes(activation, convolution.out_channels), channels
    )


class _SubpixelKernels(NamedTuple):
    """An upsampling as 3x3 convolutions, one for each output pixel of an input pixel.

    kernels: (side, side, N, C, 3, 3). bias: (side, side, N).
    """

    kernels: Tensor
    bias: Tensor


def _subpixel_kernels(convolution: nn.Module) -> _SubpixelKernels:
    """Convert a 4x4 transposed convolution of stride 2 and padding 1 to convolutions of its input."""
    assert isinstance(convolution, nn.ConvTranspose2d)
    _check(convolution, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1), dilation=(1, 1), output_padding=(0, 0))
    _check(convolution, groups=1)
    # An even pixel reads the pixel before with tap 3, its own with tap 1; an odd one its own with 2, the next with 0.
    taken = torch.zeros(2, 3, 4)
    for row, offset, tap in ((0, 0, 3), (0, 1, 1), (1, 1, 2), (1, 2, 0)):
        taken[row, offset, tap] = 1
    weight = convolution.weight.detach().float()
    return _SubpixelKernels(
        torch.einsum("ayk,bxl,cnkl->abncyx", taken, taken, weight), _bias(convolution).expand(2, 2, -1)
    )


def _pixel_shuffled(subpixels: _SubpixelKernels) -> _SubpixelKernels:
    """Append a pixel shuffle by 2: 4 x 4 output pixels for an input pixel."""
    kernels, bias = subpixels
    kernels = kernels.reshape(2, 2, -1, 2, 2, *kernels.shape[3:]).permute(0, 3, 1, 4, 2, 5, 6, 7)
    bias = bias.reshape(2, 2, -1, 2, 2).permute(0, 3, 1, 4, 2)
    return _SubpixelKernels(kernels.flatten(0, 1).flatten(1, 2), bias.flatten(0, 1).flatten(1, 2))


def _subpixel_convolution(subpixels: _SubpixelKernels, slopes: Tensor, channels: int | None = None) -> Winograd:
    """Arrange an upsampling, its output channels padded with zeros to `channels`."""
    kernels, bias = subpixels
    side, _, outputs = bias.shape
    missing = (channels or outputs) - outputs
    every = F.pad(slopes, (0, missing)).repeat(side * side)
    kernels = F.pad(kernels, (0, 0, 0, 0, 0, 0, 0, missing))
    return Winograd(kernels.flatten(0, 2), F.pad(bias, (0, missing)).flatten(), every, upscale=side)


def _body(block: IFBlock) -> list[Winograd]:
    """The eight convolutions in the middle of a block."""
    if block.spec.body == "pairs":
        pairs = (block.get_submodule(f"convblock{index}") for index in range(4))
        return [winograd(*_modules(layer)) for pair in pairs for layer in _modules(pair)]
    layers = _modules(block.convblock)
    return [
        winograd(layer.conv, layer.relu, factors=layer.beta.detach())
        if isinstance(layer, ResConv)
        else winograd(*_modules(layer))
        for layer in layers
    ]


def _head(block: IFBlock, factor: float, channels: int) -> list[Winograd]:
    """Arrange the head of a block; it returns flow in pixels of the frame, and `channels` channels."""
    head, before = block.spec.head, []
    if head in ("deconv", "pixelshuffle"):
        last = block.lastconv if head == "deconv" else _modules(block.lastconv)[0]
        subpixels = _subpixel_kernels(last)
    else:
        flow, mask = (_modules(part) for part in (block.conv1, block.conv2))
        if head == "double_deconvs":
            slopes = torch.cat([_slopes(part[1], _subpixel_kernels(part[0]).bias.shape[2]) for part in (flow, mask)])
            both = _joined(_subpixel_kernels(flow[0]), _subpixel_kernels(mask[0]), apart=False)
            before = [_subpixel_convolution(both, slopes, whole_vectors(len(slopes)))]
        subpixels = _joined(_subpixel_kernels(flow[-1]), _subpixel_kernels(mask[-1]), apart=head == "double_deconvs")
    kernels, bias = _pixel_shuffled(subpixels) if head == "pixelshuffle" else subpixels
    kernels, bias = kernels[:, :, :channels], bias[..., :channels]
    factors = torch.ones(bias.shape[2])
    factors[FLOW] = factor
    scaled = _SubpixelKernels(kernels * factors.reshape(-1, 1, 1, 1), bias * factors)
    return [*before, _subpixel_convolution(scaled, torch.ones(len(factors)), channels)]


def _joined(first: _SubpixelKernels, second: _SubpixelKernels, *, apart: bool) -> _SubpixelKernels:
    """Concatenate the outputs of two: of the same input, or, with `apart`, of their concatenated inputs."""
    a, b = first.kernels, second.kernels
    if apart:
        a, b = (
            F.pad(a, (0, 0, 0, 0, 0, second.kernels.shape[3])),
            F.pad(b, (0, 0, 0, 0, first.kernels.shape[3], 0)),
        )
    return _SubpixelKernels(torch.cat((a, b), 2), torch.cat((first.bias, second.bias), 2))


def _modules(part: nn.Module) -> list[nn.Module]:
    """The modules of a sequence; a single module is a sequence of one."""
    return list(part) if isinstance(part, nn.Sequential) else [part]


def _check(convolution: nn.Module, **expected: object) -> None:
    """Reject a convolution with attributes that the kernels do not support."""
    for name, value in expected.items():
        if getattr(convolution, name) != value:
            raise ValueError(f"expected a convolution with {name} {value}, got {getattr(convolution, name)}")


def _bias(convolution: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    if convolution.bias is None:
        return torch.zeros(convolution.out_channels)
    return convolution.bias.detach().float()


def _slopes(activation: nn.Module | None, channels: int) -> Tensor:
    """Slope of an activation for negative values, for each channel."""
    if activation is None:
        return torch.ones(channels)
    if isinstance(activation, nn.LeakyReLU):
        return torch.full((channels,), activation.negative_slope)
    assert isinstance(activation, nn.PReLU)
    return activation.weight.detach().float().expand(channels)
