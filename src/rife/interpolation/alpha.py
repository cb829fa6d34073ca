"""Frames with alpha: what networks take of them, and how new frames get an alpha channel.

Colours are straight (not multiplied by alpha) in files, in frames in memory and in the output. A network takes them
premultiplied: otherwise the colours of transparent pixels would bleed into visible ones. The alpha layer goes beside
the network: (1, 4, H, W), the straight colours and the transparency, which is 1 - alpha. It is warped with the flow of
the picture. It holds transparency and not alpha because 0 stays 0 to the bit in any weighted sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_FAINT_ALPHA = 1 / 64
"""Alpha at which a new pixel takes about half of its colour from the network, and half from the alpha layer."""


def premultiply(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Split a frame with alpha into premultiplied colours and its alpha layer.

    Args:
        picture: (1, 4, H, W), straight colours and alpha.

    Returns:
        Colours multiplied by alpha, (1, 3, H, W), and the alpha layer, (1, 4, H, W).
    """
    colours, alpha = picture[:, :3], picture[:, 3:].clamp(0, 1)
    return colours * alpha, torch.cat((colours, 1 - alpha), 1)


def opaque_layer(picture: Tensor) -> Tensor:
    """The alpha layer of a frame without alpha, (1, 3, H, W)."""
    return F.pad(picture, (0, 0, 0, 0, 0, 1))


def unpremultiply(premultiplied: Tensor, alpha_layer: Tensor) -> Tensor:
    """Divide colours by alpha, safely, and append the alpha channel.

    Args:
        premultiplied: (1, 3, H, W), colours multiplied by alpha.
        alpha_layer: (1, 4, H, W); its colours replace those of transparent pixels.

    Returns:
        (1, 4, H, W), straight colours and alpha.
    """
    transparency = alpha_layer[:, 3:].clamp(0, 1)
    alpha = 1 - transparency
    # The fainter a pixel, the larger the share of the alpha layer; an opaque pixel takes nothing from it.
    share = transparency * _FAINT_ALPHA
    return torch.cat(((premultiplied + alpha_layer[:, :3] * share) / (alpha + share), alpha), 1)
