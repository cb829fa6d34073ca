"""Features of one frame, which depend neither on the flow nor on the timestep.

They are computed once for a source frame, and used for every estimate that the frame takes part in. Networks from 4.7
on have an encoder; networks with refinement have context maps (`rife.network.refine`).
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from rife.network.specs import EncoderSpec


class FrameFeatures(NamedTuple):
    """Features of one frame.

    encoded: (B, C, H, W) output of the encoder, or None.
    context: four unwarped context maps, or an empty list when there is no refinement.
    pixels: (B, 4, H, W) the frame in channels-last order with a fourth channel of zeros, for engines that read it in
        this layout.
    out_of_range: (B, 3, H, W) the frame's colours minus the same clamped to [0, 1], or None where all lie inside; in
        the layout of `pixels`, if those are present.
    """

    encoded: Tensor | None
    context: list[Tensor]
    pixels: Tensor | None = None
    out_of_range: Tensor | None = None


class Head(nn.Module):
    """Per-frame encoder of 4.13 and later: clamps a frame, and returns features at its full size."""

    def __init__(self, spec: EncoderSpec) -> None:
        """Work at half size with `spec.hidden` channels and return `spec.out`."""
        super().__init__()
        self.cnn0, self.cnn1, self.cnn2, self.cnn3 = _encoder_layers(spec)
        self.relu = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, spec.out, H, W)."""
        x = x.clamp(0.0, 1.0)
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            x = self.relu(layer(x))
        out: Tensor = self.cnn3(x)
        return out


def _encoder_layers(spec: EncoderSpec) -> list[nn.Module]:
    inner = [] if spec.kind == "pair" else [nn.Conv2d(spec.hidden, spec.hidden, 3, 1, 1) for _ in range(2)]
    return [nn.Conv2d(3, spec.hidden, 3, 2, 1), *inner, nn.ConvTranspose2d(spec.hidden, spec.out, 4, 2, 1)]


def build_encoder(spec: EncoderSpec) -> nn.Module:
    """Build the encoder of a network: it maps (B, 3, H, W) in [0, 1] to (B, spec.out, H, W)."""
    if spec.kind == "head":
        return Head(spec)
    layers = _encoder_layers(spec)
    if spec.kind == "chain":
        layers = [part for layer in layers for part in (layer, nn.LeakyReLU(0.2))][:-1]
    return nn.Sequential(*layers)
