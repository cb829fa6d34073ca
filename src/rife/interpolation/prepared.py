"""Source frames prepared for a network, with everything that is computed once for each frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from rife.kernels import kernels, passes
from rife.network.encoder import FrameFeatures


@dataclass(frozen=True)
class PreparedFrame:
    """A source frame on the network's device.

    Attributes:
        whole: the frame as it was given, (1, 3, H, W), or (1, 4, H, W) with alpha.
        picture: (1, 3, H, W) in [0, 1].
        out_of_range: the remainder of values outside [0, 1], (1, 3, H, W), or None: video has colours beyond black,
            white and pure red, and networks were not trained on them.
        alpha_layer: straight colours and transparency (`rife.interpolation.alpha`); None for frames without alpha.
            `picture` and `out_of_range` are premultiplied then.
        computed: the padded picture and its features, by relative size, pad multiple and engine; filled when first
            needed.
    """

    whole: Tensor
    picture: Tensor
    out_of_range: Tensor | None
    alpha_layer: Tensor | None = None
    computed: dict[tuple[float, int, str], tuple[Tensor, FrameFeatures]] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[-2], self.picture.shape[-1]


def split_range(picture: Tensor) -> tuple[Tensor, Tensor | None]:
    """Split a picture into its values in [0, 1] and the remainder (None if there is none).

    Args:
        picture: (1, 3, H, W) float32; returned as it is if nothing lies outside.
    """
    if picture.device.type != "cpu" or not picture.is_contiguous() or not _kernels_are_right():
        inside = picture.clamp(0, 1)
        return (picture, None) if torch.equal(inside, picture) else (inside, picture - inside)
    # One pass on one thread: PyTorch's would wait for threads that the encoder of a job holds up.
    return _split_by_kernels(picture)


@cache
def _kernels_are_right() -> bool:
    """Whether the kernels are installed, and split a few numbers as PyTorch does."""

    def self_test() -> bool:
        numbers = torch.linspace(-1, 2, 67)
        inside, remainder = _split_by_kernels(numbers)
        expected = numbers.clamp(0, 1)
        whole = _split_by_kernels(expected)
        return (
            whole[0] is expected
            and whole[1] is None
            and remainder is not None
            and torch.equal(inside, expected)
            and torch.equal(remainder, numbers - expected)
        )

    return kernels("pixels") is not None and passes("colours beyond black and white", self_test)


def _split_by_kernels(picture: Tensor) -> tuple[Tensor, Tensor | None]:
    from rife.kernels import jit

    pixels = kernels("pixels")
    assert pixels is not None
    numbers = picture.detach().view(-1).numpy()
    if not jit.run(pixels.is_out_of_range, numbers):
        return picture, None
    inside, remainder = torch.empty_like(picture), torch.empty_like(picture)
    jit.run(pixels.split_range, numbers, inside.view(-1).numpy(), remainder.view(-1).numpy())
    return inside, remainder
