"""Frames with opacity: what networks see of them, and how made frames get theirs back.

Colours are straight, that is not multiplied by opacity, in files, in frames in memory and in what comes out. A
network is shown them multiplied: otherwise the colours that hide under transparent pixels would bleed into what is
seen. Beside the network goes a layer: (1, 4, H, W), the straight colours and transparency, which is 1 - opacity. It
is warped as the picture is; transparency, not opacity, because 0 stays 0 to the bit in any weighted sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_FAINT = 1 / 64
"""Opacity at which a made pixel takes about half of its colour from the network, and half from its layer."""


def hidden_apart(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Split a frame with opacity into what is seen of it and its layer.

    Args:
        picture: (1, 4, H, W), straight colours and opacity.

    Returns:
        Colours multiplied by opacity, (1, 3, H, W), and the layer, (1, 4, H, W).
    """
    colours, opacity = picture[:, :3], picture[:, 3:].clamp(0, 1)
    return colours * opacity, torch.cat((colours, 1 - opacity), 1)


def opaque_layer(picture: Tensor) -> Tensor:
    """The layer of a frame without opacity, (1, 3, H, W)."""
    return F.pad(picture, (0, 0, 0, 0, 0, 1))


def straight(seen: Tensor, layer: Tensor) -> Tensor:
    """Divide colours by their opacity, safely, and put it behind them.

    Args:
        seen: (1, 3, H, W), multiplied by opacity.
        layer: (1, 4, H, W): its colours are taken where nothing is seen.

    Returns:
        (1, 4, H, W), straight colours and opacity.
    """
    transparency = layer[:, 3:].clamp(0, 1)
    opacity = 1 - transparency
    # The fainter a pixel, the less there is to divide, so the more it takes of the layer; nothing where it is opaque.
    share = transparency * _FAINT
    return torch.cat(((seen + layer[:, :3] * share) / (opacity + share), opacity), 1)
