"""The refinement networks: the public import path of what stands in `rife.network.refine`."""

from rife.network.refine import Contextnet, Conv2, Unet, conv, deconv

__all__ = ["Contextnet", "Conv2", "Unet", "conv", "deconv"]
