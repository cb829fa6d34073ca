"""Convolutions on the kernels of `rife.kernels.convolution`; weights are arranged for these once.

Tensors are channels-last, (1, H, W, C), and channels are padded with zeros to whole vectors.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rife.engines.cpu.thread_team import CHUNKS_PER_THREAD, Array, ThreadTeam, array
from rife.kernels import convolution
from rife.kernels.matmul import ROWS16, ROWS32, WIDE
from rife.kernels.simd import LANES

_CHUNK = 28 // math.lcm(ROWS16, ROWS32) * math.lcm(ROWS16, ROWS32)
"""Pixels, or tiles of them, that are multiplied together: weights are read once for all of them."""

_MANY_WEIGHTS = 1 << 20
"""Weights that exceed the cache: the chunks are larger, so that weights are read less often."""

_NO_SKIP = np.zeros((0, 0, 0), np.float32)


class Winograd:
    """A 3x3 convolution of stride 1 with zero padding, its bias and its activation."""

    def __init__(self, weight: Tensor, bias: Tensor, slopes: Tensor, *, upscale: int = 1) -> None:
        """Arrange the weights.

        Args:
            weight: (N, C, 3, 3).
            bias: (N).
            slopes: (N), of PReLU; ones without activation.
            upscale: of the result by depth-to-space; N counts the pixels row by row.
        """
        self._outputs, self._inputs = (whole_vectors(channels) for channels in weight.shape[:2])
        if (upscale > 1 and self._outputs != weight.shape[0]) or self._outputs // upscale % LANES:
            raise ValueError(
                f"expected {upscale} x {upscale} pixels in depth of whole vectors, got {weight.shape[0]} channels"
            )
        self._upscale, self._panel = upscale, _panel(self._outputs)
        panels = _at_points(_zero_padded(weight, self._outputs, self._inputs), self._panel)
        self._weights = array(panels.flatten())
        # Kernels of a transposed convolution are zero at some of the points.
        self._needed = array(panels.flatten(2).ne(0).any(2))
        self._bias, self._slopes = (array(_zero_padded(x, self._outputs)) for x in (bias, slopes))

    def __call__(
        self,
        team: ThreadTeam,
        first: Tensor,
        second: Tensor | None = None,
        *,
        skip: Tensor | None = None,
        skip_first: bool = False,
    ) -> Tensor:
        """Convolve.

        Args:
            team: threads that compute.
            first: (1, H, W, C).
            second: (1, H, W, D), further channels of the same input.
            skip: added to the result, of its shape.
            skip_first: before the activation rather than after.

        Returns:
            (1, H, W, N), or (1, H * upscale, W * upscale, N / upscale^2).
        """
        parts = _parts(first, second, self._inputs)
        if any(part.shape[2] % LANES for part in parts):
            raise ValueError(f"expected channels in whole vectors, got {[part.shape[2] for part in parts]}")
        height, width = first.shape[1:3]
        out = team.empty(1, height * self._upscale, width * self._upscale, self._outputs // self._upscale**2)
        many = self._weights.size > _MANY_WEIGHTS
        chunk = 2 * _CHUNK if many else _CHUNK
        team.run_with_scratch(
            convolution.winograd,
            -(-height // 4) * -(-width // 4),
            *parts,
            self._weights,
            self._needed,
            self._panel,
            self._bias,
            self._slopes,
            _NO_SKIP if skip is None else array(skip[0]),
            skip_first,
            self._upscale,
            chunk,
            array(out[0]),
            min_rows=_CHUNK // 2,
            chunks_per_thread=1 if many else CHUNKS_PER_THREAD,
            numbers=36 * ((chunk + 1) * (self._inputs + self._outputs) + 3 * LANES),
        )
        return out

    def products(self, height: int, width: int) -> int:
        """Count the multiply-adds for an input of a size."""
        return -(-height // 4) * -(-width // 4) * int(self._needed.sum()) * self._panel * self._inputs


class Direct:
    """Any other convolution with zero padding, its bias and its activation."""

    def __init__(self, weight: Tensor, bias: Tensor, slopes: Tensor, *, inputs: int, stride: int, padding: int) -> None:
        """Arrange the weights.

        Args:
            weight: (N, C, kernel, kernel).
            bias: (N).
            slopes: (N), of PReLU; ones without activation.
            inputs: channels of the input, C or more.
            stride: in both directions.
            padding: rows and columns of zeros around the input.
        """
        self._outputs, self._inputs, self._kernel = whole_vectors(weight.shape[0]), inputs, weight.shape[2]
        self._stride, self._padding, self._panel = stride, padding, _panel(self._outputs)
        kernels_first = _zero_padded(weight, self._outputs, self._inputs).permute(2, 3, 1, 0).flatten(0, 2)
        self._weights = array(_in_panels(kernels_first[None], self._panel).flatten())
        self._bias, self._slopes = (array(_zero_padded(x, self._outputs)) for x in (bias, slopes))

    def __call__(self, team: ThreadTeam, first: Tensor, second: Tensor | None = None) -> Tensor:
        """Convolve (1, H, W, C), concatenated with (1, H, W, D) if given, to (1, h, w, N)."""
        parts = _parts(first, second, self._inputs)
        height, width = map(self._output_length, first.shape[1:3])
        if min(height, width) < 1:
            raise ValueError(f"expected {self._kernel} rows and columns or more, got {tuple(first.shape[1:3])}")
        out = team.empty(1, height, width, self._outputs)
        chunk = 2 * _CHUNK
        line = ((chunk - 1) * self._stride + self._kernel) * self._inputs
        team.run_with_scratch(
            convolution.direct,
            height,
            *parts,
            self._weights,
            self._panel,
            self._bias,
            self._slopes,
            self._kernel,
            self._stride,
            self._padding,
            chunk,
            array(out[0]),
            numbers=self._kernel * line + chunk * self._outputs,
            min_rows=1,
        )
        return out

    def products(self, height: int, width: int) -> int:
        """Count the multiply-adds for an input of a size."""
        rows, columns = self._output_length(height), self._output_length(width)
        return rows * columns * self._kernel**2 * self._inputs * self._outputs

    def _output_length(self, length: int) -> int:
        return (length + 2 * self._padding - self._kernel) // self._stride + 1


def _parts(first: Tensor, second: Tensor | None, inputs: int) -> tuple[Array, Array]:
    """Both parts of an input for the kernels."""
    parts = array(first[0]), array(second[0]) if second is not None else np.empty((*first.shape[1:3], 0), np.float32)
    if parts[0].shape[2] + parts[1].shape[2] != inputs or parts[0].shape[:2] != parts[1].shape[:2]:
        raise ValueError(f"expected {inputs} channels, got inputs of {parts[0].shape} and {parts[1].shape}")
    return np.ascontiguousarray(parts[0]), np.ascontiguousarray(parts[1])


def whole_vectors(channels: int) -> int:
    """A number of channels, rounded up to whole vectors."""
    return -(-channels // LANES) * LANES


def _panel(outputs: int) -> int:
    return 2 * LANES if WIDE and outputs % (2 * LANES) == 0 else LANES


def _zero_padded(x: Tensor, *sizes: int) -> Tensor:
    """Pad the first dimensions with zeros at their end, to some sizes."""
    missing = [0, 0] * (x.dim() - len(sizes))
    for size, has in reversed(list(zip(sizes, x.shape, strict=False))):
        missing += [0, size - has]
    return F.pad(x.detach().float(), missing)


def _in_panels(weight: Tensor, panel: int) -> Tensor:
    """(P, K, N) as (P, N / panel, K, panel)."""
    points, depth, outputs = weight.shape
    return weight.reshape(points, depth, outputs // panel, panel).transpose(1, 2).contiguous()


def _at_points(weight: Tensor, panel: int) -> Tensor:
    """Transform kernels (N, C, 3, 3) for `convolution.winograd` (G g G^T): (36, N / panel, C, panel)."""
    near, far = float(convolution.NEAR), float(convolution.FAR)
    points = (0.0, near, -near, far, -far)
    rows = []
    for point in points:
        divisor = math.prod(point - other for other in points if other != point)
        rows.append([point**power / divisor for power in range(3)])
    line = torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)
    kernel = torch.einsum("pi,qj->pqij", line, line).flatten(2).flatten(0, 1)
    outputs, inputs = weight.shape[:2]
    out = torch.empty(36, outputs // panel, inputs, panel)
    # Panel by panel: every job starts with this, and all panels at once exceed the cache.
    for index in range(outputs // panel):
        kernels = weight[index * panel : (index + 1) * panel]
        columns = kernels.permute(2, 3, 1, 0).reshape(9, -1).double()
        out[:, index] = (kernel @ columns).view(36, inputs, panel)
    return out
