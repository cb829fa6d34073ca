"""A source frame that is ready for a network, with what is computed from it once."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from rife.encoder import FrameFeatures


@dataclass(frozen=True)
class PreparedFrame:
    """A source frame on the network's device, with what was computed from it alone.

    Attributes:
        whole: the frame as it was given, (1, 3, H, W), or (1, 4, H, W) with opacity.
        picture: (1, 3, H, W) in [0, 1].
        excess: what of the picture lay outside of [0, 1], or None: video has colours beyond black, white and
            pure red, and networks were not trained on them.
        layer: straight colours and transparency (`rife.opacity`); None for frames without opacity. `picture` and
            `excess` are multiplied by opacity then.
        computed: the padded picture and its features, by relative size and pad multiple; filled when first needed.
    """

    whole: Tensor
    picture: Tensor
    excess: Tensor | None
    layer: Tensor | None = None
    computed: dict[tuple[float, int], tuple[Tensor, FrameFeatures]] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[-2], self.picture.shape[-1]
