"""A network cut into graphs: flat tensors in, flat tensors out, no decision inside.

What depends on one frame is a piece of its own, and runs once for each source frame. A network that starts again on
large motion is cut where it decides: `Coarse` ends with what the decision needs, the host decides, and `Fine` goes on
or `Blocks` begins anew at doubled scales. Networks that never start again are one `Blocks`. `Finish` makes the picture.

The pieces call the network's own methods: there is no second copy of its arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rife.blocks import Low
from rife.encoder import FrameFeatures
from rife.ifnet import IFNet
from rife.motion import Motion, Pair
from rife.places import Window
from rife.specs import NetworkSpec


class MotionForm:
    """How a `Motion` is made of a flat list of tensors."""

    def __init__(self, motion: Motion) -> None:
        """Take the form of a motion whose newest block is not added up yet, as every part of an estimate leaves it."""
        if not motion.lows or motion.newest is not motion.lows[-1]:
            raise ValueError("expected a motion whose newest block stands last")
        self.added_up = motion.flow is not None
        self.factors = tuple(low.factor for low in motion.lows)

    @property
    def key(self) -> str:
        """The form as text."""
        return f"{'full' if self.added_up else ''}{self.factors}"

    def motion(self, tensors: Sequence[Tensor]) -> Motion:
        """Put tensors together."""
        flow, mask = tensors[:2] if self.added_up else (None, None)
        outputs = tensors[2:] if self.added_up else tensors
        lows = [Low(output, factor) for output, factor in zip(outputs, self.factors, strict=True)]
        return Motion(flow, mask, lows, lows[-1])


def flat_motion(motion: Motion) -> list[Tensor]:
    """The tensors of a motion."""
    added_up = [x for x in (motion.flow, motion.mask) if x is not None]
    return [*added_up, *(low.output for low in motion.lows)]


def flat_features(features: FrameFeatures) -> list[Tensor]:
    """The tensors of a frame's features."""
    return [*([] if features.encoded is None else [features.encoded]), *features.context]


def carried(spec: NetworkSpec, others: tuple[Tensor, Tensor], motion: Motion, window: Window) -> Tensor:
    """Warp two pictures by a motion and blend them by its mask."""
    flow, mask = motion.at(window, mask_accumulates=spec.mask_accumulates)
    first, second = (window.warp(x, flow[:, i : i + 2]) for x, i in zip(others, (0, 2), strict=True))
    return torch.lerp(second, first, torch.sigmoid(mask))


class Features(nn.Module):
    """What depends on one frame alone."""

    def __init__(self, network: IFNet, *, refine: bool) -> None:
        """Take the parts of `network` that look at one frame."""
        super().__init__()
        self.network, self.refine = network, refine

    def forward(self, img: Tensor) -> tuple[Tensor, ...]:
        """Compute the flat features of (1, 3, H, W)."""
        return tuple(flat_features(self.network.features(img, refine=self.refine)))


class _Blocks(nn.Module):
    """What the pieces that run blocks share."""

    def __init__(self, network: IFNet, scales: Sequence[float], *, average: bool) -> None:
        super().__init__()
        self.network, self.scales, self.average = network, list(scales), average

    def _pair(self, img0: Tensor, img1: Tensor, time: Tensor, encoded: Sequence[Tensor]) -> Pair:
        first, second = encoded if encoded else (None, None)
        timestep = time if self.network.spec.any_time else None
        return Pair(img0, img1, FrameFeatures(first, []), FrameFeatures(second, []), timestep)


class Coarse(_Blocks):
    """The two first blocks, and how far they moved."""

    def forward(self, img0: Tensor, img1: Tensor, time: Tensor, *encoded: Tensor) -> tuple[Tensor, ...]:
        """Return the flat motion, and (1,) how far it moves, in pixels."""
        pair = self._pair(img0, img1, time, encoded)
        motion, moved_px = self.network.coarse(pair, self.scales, average=self.average)
        self.form = MotionForm(motion)
        assert moved_px is not None
        return (*flat_motion(motion), moved_px)


class Fine(_Blocks):
    """The blocks that follow on `Coarse`."""

    def __init__(self, network: IFNet, scales: Sequence[float], form: MotionForm, *, average: bool) -> None:
        """Go on from a motion of a form."""
        super().__init__(network, scales, average=average)
        self.before = form

    def forward(self, img0: Tensor, img1: Tensor, time: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Take encoder features, if any, and the flat motion; return the flat motion."""
        encodes = 2 if self.network.spec.encoder is not None else 0
        pair = self._pair(img0, img1, time, rest[:encodes])
        motion = self.network.fine(pair, self.before.motion(rest[encodes:]), self.scales, average=self.average)
        self.form = MotionForm(motion)
        return tuple(flat_motion(motion))


class Blocks(_Blocks):
    """All blocks, where nothing is to be decided, or was decided already."""

    def __init__(self, network: IFNet, scales: Sequence[float], *, average: bool, restarted: bool) -> None:
        """Run at these scales; doubled already if `restarted`."""
        super().__init__(network, scales, average=average)
        self.restarted = restarted

    def forward(self, img0: Tensor, img1: Tensor, time: Tensor, *encoded: Tensor) -> tuple[Tensor, ...]:
        """Return the flat motion."""
        pair = self._pair(img0, img1, time, encoded)
        motion, _ = self.network.coarse(pair, self.scales, average=self.average, restarted=self.restarted)
        motion = self.network.fine(pair, motion, self.scales, average=self.average)
        self.form = MotionForm(motion)
        return tuple(flat_motion(motion))


class Finish(nn.Module):
    """From motion to picture."""

    def __init__(self, network: IFNet, form: MotionForm, window: Window, *, refine: bool, ensemble: bool) -> None:
        """Make one window."""
        super().__init__()
        self.network, self.form, self.window = network, form, window
        self.refine, self.ensemble = refine, ensemble

    def forward(self, img0: Tensor, img1: Tensor, *rest: Tensor) -> Tensor:
        """Take both frames' context maps, if the merge is refined, and the flat motion."""
        maps = 4 if self.refine else 0
        features = FrameFeatures(None, list(rest[:maps])), FrameFeatures(None, list(rest[maps : 2 * maps]))
        pair = Pair(img0, img1, *features, None)
        motion = self.form.motion(rest[2 * maps :])
        return self.network.finish(pair, motion, self.window, refine=self.refine, ensemble=self.ensemble)[0]


class Carried(nn.Module):
    """Two other pictures, taken the same way."""

    def __init__(self, spec: NetworkSpec, form: MotionForm, window: Window) -> None:
        """Make one window."""
        super().__init__()
        self.spec, self.form, self.window = spec, form, window

    def forward(self, other0: Tensor, other1: Tensor, *motion: Tensor) -> Tensor:
        """Blend them."""
        return carried(self.spec, (other0, other1), self.form.motion(motion), self.window)
