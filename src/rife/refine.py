"""The refinement networks: the public import path of `rife.network.refine` and of the layers they are built of."""

from rife.network.layers import Conv2, conv, deconv
from rife.network.refine import Contextnet, Unet

__all__ = ["Contextnet", "Conv2", "Unet", "conv", "deconv"]
