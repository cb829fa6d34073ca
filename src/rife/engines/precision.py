"""Conversion of a network's convolutions to bf16: half the memory traffic, and matrix units where processors have them.

Blocks, encoder and refinement compute in bf16. The blocks' outputs are summed in float32, and positions and merged
frames are float32 too: bf16 has 8 bits of precision, so that a flow of 20 px would move in steps of 1/8 px.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from rife.network.ifnet import IFNet


def in_bf16(network: IFNet, *, coarse: bool = True) -> IFNet:
    """Copy a network, with its convolutions in bf16.

    Args:
        network: in float32; it is not changed.
        coarse: convert the two first blocks too. Networks that restart on large motion decide by their output, and a
            decision that differs from float32 gives another frame.
    """
    exact = {} if coarse else {id(network.get_submodule(f"block{index}")) for index in range(2)}
    # Modules that stay in float32 are shared, not copied.
    memo = {key: module for key, module in ((id(m), m) for m in network.modules()) if key in exact}
    quick = copy.deepcopy(network, memo)
    for part in quick.children():
        if id(part) not in exact:
            _to_bf16(part)
    return quick


@torch.no_grad()
def _to_bf16(part: nn.Module) -> None:
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(rounded(module.weight))
        elif isinstance(module, nn.ConvTranspose2d):
            # An output pixel uses every second weight of each row and column: these form a kernel.
            for top in range(module.stride[0]):
                for left in range(module.stride[1]):
                    phase = module.weight[..., top :: module.stride[0], left :: module.stride[1]]
                    phase.copy_(rounded(phase))
    part.to(torch.bfloat16)


def rounded(weight: Tensor) -> Tensor:
    """Round kernels to values of bf16 such that the sum over each kernel is preserved.

    Rounded one by one, the weights of a kernel accumulate an error, which flat areas of a frame show as a shift in
    brightness. Here each weight's error is added to the next weight, the smallest last, so that the remaining error is
    half a step of that one. The convolution's error against float32 is 7 to 11 dB lower.

    Args:
        weight: (A, B, kh, kw).
    """
    kernels = weight.cpu().double().flatten(2)
    order = kernels.abs().argsort(dim=2, descending=True)
    exact = kernels.gather(2, order)
    result, error = torch.empty_like(exact), torch.zeros_like(exact[..., 0])
    for index in range(exact.shape[2]):
        wanted = exact[..., index] + error
        result[..., index] = wanted.to(torch.bfloat16)
        error = wanted - result[..., index]
    return torch.empty_like(kernels).scatter_(2, order, result).reshape(weight.shape).to(weight.dtype)
