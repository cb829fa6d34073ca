"""The flow network of RIFE: one implementation, driven by a `NetworkSpec`.

A coarse-to-fine stack of blocks estimates the flow from the new frame to both source frames, and a mask
that weighs the two warped frames (RIFE, section 3.2). Where the network has them, context features and a
residual network correct the merge (section 3.5), and a privileged teacher block, which sees the true
frame, distils its flow into the student (section 3.3).

Conventions: frames are (B, 3, H, W) in [0, 1]; flow is that of `rife.warp`, channels 0-1 reading img0 and
2-3 reading img1; the mask is the weight of warped_img0. Height and width are multiples of
`NetworkSpec.pad_multiple`, times 1 / flow_scale where that is below 1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rife.encoder import FrameFeatures, build_encoder
from rife.errors import ShapeError
from rife.records import joined, rows
from rife.refine import Contextnet, Unet, conv
from rife.specs import NetworkSpec
from rife.warp import backward_warp, resize, resize_flow


class Stage(NamedTuple):
    """State of the estimate after one block.

    flow: (B, 4, H, W) in pixels. mask: (B, 1, H, W) before its sigmoid. warped_img0, warped_img1: the frames
    read through the flow. carried: features for the next block, where the network hands some on.
    """

    flow: Tensor
    mask: Tensor
    warped_img0: Tensor
    warped_img1: Tensor
    carried: Tensor | None

    def merged(self) -> Tensor:
        """Blend the two warped frames by the mask: (B, 3, H, W)."""
        weight = torch.sigmoid(self.mask)
        return self.warped_img0 * weight + self.warped_img1 * (1 - weight)

    def swapped(self) -> Stage:
        """The same state with the frames in the other order."""
        return Stage(_swap_flow(self.flow), -self.mask, self.warped_img1, self.warped_img0, self.carried)


class Teaching(NamedTuple):
    """What the privileged teacher adds in training (section 3.3).

    flow: (B, 4, H, W) of the teacher. merged: (B, 3, H, W) of the teacher, unrefined.
    distillation_loss: scalar; the distance of every block's flow from the teacher's, where the teacher's
    merge is better by 0.01.
    """

    flow: Tensor
    merged: Tensor
    distillation_loss: Tensor


class Estimate(NamedTuple):
    """A new frame and how it came about.

    merged: (B, 3, H, W), refined if that was asked for. flow: (B, 4, H, W). mask: (B, 1, H, W) after its
    sigmoid. stages: one for each block, coarse to fine. teaching: with a ground truth only.
    """

    merged: Tensor
    flow: Tensor
    mask: Tensor
    stages: list[Stage]
    teaching: Teaching | None


class ResConv(nn.Module):
    """Convolution scaled by a learned factor for each channel, added to its input, LeakyReLU(0.2)."""

    def __init__(self, width: int, groups: int) -> None:
        """Keep `width` channels."""
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1, groups=groups)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))
        self.relu = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        out: Tensor = self.relu(self.conv(x) * self.beta + x)
        return out


class IFBlock(nn.Module):
    """One stage of the flow network: shrink, convolve, and return a change of flow and mask at full size."""

    def __init__(self, spec: NetworkSpec, in_planes: int, width: int) -> None:
        """Build the block that `spec` describes, for `in_planes` channels (flow included)."""
        super().__init__()
        self.spec = spec
        first_stride = 1 if spec.half_downsampling else 2
        self.conv0 = nn.Sequential(
            _activated_conv(spec, in_planes, width // 2, first_stride), _activated_conv(spec, width // 2, width, 2)
        )
        if spec.body == "pairs":
            for pair in range(4):
                self.add_module(f"convblock{pair}", nn.Sequential(conv(width, width), conv(width, width)))
        elif spec.body == "resconv":
            self.convblock = nn.Sequential(*(ResConv(width, spec.groups) for _ in range(8)))
        else:
            self.convblock = nn.Sequential(*(_activated_conv(spec, width, width, 1) for _ in range(8)))
        if spec.head in ("deconvs", "double_deconvs"):
            self.conv1, self.conv2 = (_split_head(spec, width, outputs) for outputs in (4, 1))
        elif spec.head == "deconv":
            self.lastconv: nn.Module = nn.ConvTranspose2d(width, spec.outputs, 4, 2, 1)
        else:
            self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * spec.outputs, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor, flow: Tensor | None, scale: float) -> Tensor:
        """Estimate at 1/`scale` of the size.

        Args:
            x: (B, C, H, W) frames, features, timestep, mask.
            flow: (B, 4, H, W) in pixels, or None for a first block that has none.
            scale: how much smaller than the frame the block works.

        Returns:
            (B, spec.outputs, H, W): change of flow in pixels (4), mask before its sigmoid (1), the rest.
        """
        x = resize(x, 1 / scale)
        if flow is not None:
            x = torch.cat((x, resize_flow(flow, 1 / scale)), 1)
        x = self._head(self._body(self.conv0(x)))
        # One transposed convolution undoes one of the block's two halvings, where there are two.
        ends_at_half = self.spec.head in ("deconv", "deconvs") and not self.spec.half_downsampling
        enlarge = scale * 2 if ends_at_half else scale
        x = resize(x, enlarge)
        return torch.cat((x[:, :4] * enlarge, x[:, 4:]), 1)

    def _body(self, x: Tensor) -> Tensor:
        if self.spec.body == "pairs":
            for pair in range(4):
                x = self.get_submodule(f"convblock{pair}")(x) + x
            return x
        out: Tensor = self.convblock(x)
        return out + x if self.spec.body == "residual_chain" else out

    def _head(self, x: Tensor) -> Tensor:
        if self.spec.head in ("deconvs", "double_deconvs"):
            return torch.cat((self.conv1(x), self.conv2(x)), 1)
        out: Tensor = self.lastconv(x)
        return out


class _Pair(NamedTuple):
    """The two source frames with what belongs to them: constant during an estimate."""

    img0: Tensor
    img1: Tensor
    features0: FrameFeatures
    features1: FrameFeatures
    timestep: Tensor | None

    def swapped(self) -> _Pair:
        time = None if self.timestep is None else 1 - self.timestep
        return _Pair(self.img1, self.img0, self.features1, self.features0, time)


class IFNet(nn.Module):
    """Any RIFE network: estimates the frame between two frames."""

    def __init__(self, spec: NetworkSpec, *, refine: bool = True, teacher: bool = False) -> None:
        """Build the network with fresh weights.

        Args:
            spec: which network.
            refine: build contextnet and unet, if the network has them.
            teacher: build the teacher block too, for training.

        Raises:
            ValueError: a teacher is asked for and `spec` defines none.
        """
        super().__init__()
        self.spec = spec
        for index, width in enumerate(spec.widths):
            self.add_module(f"block{index}", IFBlock(spec, spec.input_channels(index), width))
        if spec.encoder is not None:
            self.encode = build_encoder(spec.encoder)
        self.refines = refine and spec.refines
        if self.refines:
            finest_shrink = 1 if spec.half_downsampling else 2
            self.contextnet = Contextnet(finest_shrink=finest_shrink)
            self.unet = Unet(finest_shrink=finest_shrink)
        if teacher:
            if spec.teacher_width is None:
                raise ValueError(f"network {spec.name} has no teacher: train IFNet or IFNet_m, which do")
            # The teacher takes what the last block takes, and the true frame.
            self.block_tea = IFBlock(spec, spec.input_channels(len(spec.widths) - 1) + 3, spec.teacher_width)

    def features(self, img: Tensor, *, refine: bool = True) -> FrameFeatures:
        """Compute what depends on one frame alone; compute it once for all pairs and times of a frame.

        Args:
            img: (B, 3, H, W) in [0, 1].
            refine: include the context maps, if the network has them.
        """
        encoded = self.encode(img) if self.spec.encoder is not None else None
        return FrameFeatures(encoded, self.contextnet.features(img) if refine and self.refines else [])

    def forward(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Tensor = 0.5,
        *,
        features0: FrameFeatures | None = None,
        features1: FrameFeatures | None = None,
        refine: bool = True,
        flow_scale: float = 1.0,
        ensemble: bool = False,
        ground_truth: Tensor | None = None,
    ) -> Estimate:
        """Estimate the frame at `timestep` between two frames.

        Args:
            img0: (B, 3, H, W) in [0, 1].
            img1: (B, 3, H, W) in [0, 1].
            timestep: in (0, 1), a number or one for each sample (B,); 0.5 for networks with a fixed time.
            features0: `features(img0)`, if at hand; with context maps if `refine`.
            features1: `features(img1)`, likewise.
            refine: correct the merge, where the network has refinement.
            flow_scale: below 1 estimates flow on smaller pictures (faster, larger motion), above 1 on larger.
            ensemble: average both frame orders, so that swapping the frames and t -> 1 - t gives the same picture.
                Where a network restarts on large motion, that is so up to the published restart, which is not averaged.
            ground_truth: (B, 3, H, W) true frame: asks for the teacher, in training.

        Raises:
            ShapeError: frames differ, or their size does not suit the network.
            ValueError: a timestep, ensemble or teacher that this network does not have.
        """
        self._check(img0, img1, flow_scale)
        refine = refine and self.refines
        pair = _Pair(
            img0,
            img1,
            features0 or self.features(img0, refine=refine),
            features1 or self.features(img1, refine=refine),
            self._time_plane(img0, timestep),
        )
        average = self._averages(ensemble)
        stages = self._estimate(pair, [s / flow_scale for s in self.spec.scales], average)
        last = stages[-1]
        merged = last.merged()
        teaching = None if ground_truth is None else self._teach(pair, stages, ground_truth)
        if refine:
            residual = self._residual(pair, last)
            if average:
                residual = (residual + self._residual(pair.swapped(), last.swapped())) / 2
            merged = torch.clamp(merged + residual * 2 - 1, 0, 1)
        return Estimate(merged, last.flow, torch.sigmoid(last.mask), stages, teaching)

    def _estimate(self, pair: _Pair, scales: list[float], average: bool, *, restarted: bool = False) -> list[Stage]:
        stages: list[Stage] = []
        limit_px = None if restarted or self.training else self.spec.restart_flow_px
        for index, scale in enumerate(scales):
            stage = stages[-1] if stages else None
            block = self.get_submodule(f"block{index}")
            change = block(*self._block_input(pair, stage), scale)
            if index == 1 and limit_px is not None and bool((far := _moves_far(change, limit_px)).any()):
                return self._estimate_apart(pair, scales, average, far)
            # As published, the first block of a restart is not averaged.
            if average and not (restarted and index == 0):
                mirrored = block(*self._block_input(pair.swapped(), stage and stage.swapped()), scale)
                change = (change + torch.cat((_swap_flow(mirrored), -mirrored[:, 4:5], mirrored[:, 5:]), 1)) / 2
            stages.append(self._advanced(pair, stage, change))
        return stages

    def _estimate_apart(self, pair: _Pair, scales: list[float], average: bool, far: Tensor) -> list[Stage]:
        """Start again at doubled scales, but only for the samples that moved far: a batch equals a loop."""
        doubled = [2 * s for s in scales]
        if bool(far.all()):
            return self._estimate(pair, doubled, average, restarted=True)
        moved = self._estimate(rows(pair, far), doubled, average, restarted=True)
        stayed = self._estimate(rows(pair, ~far), scales, average)
        return joined(moved, stayed, far)

    def _block_input(self, pair: _Pair, stage: Stage | None) -> tuple[Tensor, Tensor | None]:
        """What a block takes: everything but the flow, concatenated, and the flow."""
        time = [] if pair.timestep is None else [pair.timestep]
        encoded = [e for e in (pair.features0.encoded, pair.features1.encoded) if e is not None]
        if stage is None and not self.spec.first_block_sees_flow:
            return torch.cat((pair.img0, pair.img1, *encoded, *time), 1), None
        stage = stage or _still(pair)
        warped = (stage.warped_img0, stage.warped_img1)
        if self.spec.later_blocks_see_sources:
            return torch.cat((pair.img0, pair.img1, *time, *warped, stage.mask), 1), stage.flow
        flows = (stage.flow[:, :2], stage.flow[:, 2:])
        encoded = [backward_warp(e, flow) for e, flow in zip(encoded, flows, strict=False)]
        carried = [] if stage.carried is None else [stage.carried]
        return torch.cat((*warped, *encoded, *time, stage.mask, *carried), 1), stage.flow

    def _advanced(self, pair: _Pair, stage: Stage | None, change: Tensor) -> Stage:
        """Add a block's output to the estimate and warp both frames anew."""
        flow, mask = change[:, :4], change[:, 4:5]
        if stage is not None:
            flow = stage.flow + flow
            mask = stage.mask + mask if self.spec.mask_accumulates else mask
        warped = backward_warp(pair.img0, flow[:, :2]), backward_warp(pair.img1, flow[:, 2:])
        return Stage(flow, mask, *warped, change[:, 5:] if self.spec.carried else None)

    def _residual(self, pair: _Pair, last: Stage) -> Tensor:
        """The refinement's correction, in [0, 1] around 0.5 (section 3.5)."""
        c0 = self.contextnet.warp(pair.features0.context, last.flow[:, :2])
        c1 = self.contextnet.warp(pair.features1.context, last.flow[:, 2:])
        out: Tensor = self.unet(pair.img0, pair.img1, last.warped_img0, last.warped_img1, last.mask, last.flow, c0, c1)
        return out

    def _teach(self, pair: _Pair, stages: list[Stage], ground_truth: Tensor) -> Teaching:
        """Run the teacher on the last stage and measure every stage against it (section 3.3)."""
        if not hasattr(self, "block_tea"):
            raise ValueError("a ground truth needs the teacher: build the network with teacher=True")
        x, flow = self._block_input(pair, stages[-1])
        teacher = self._advanced(pair, stages[-1], self.block_tea(torch.cat((x, ground_truth), 1), flow, 1))
        merged = teacher.merged()
        teacher_error = (merged - ground_truth).abs().mean(1, True)
        loss = merged.new_zeros(())
        for stage in stages:
            error = (stage.merged() - ground_truth).abs().mean(1, True)
            worse = (error > teacher_error + 0.01).to(merged.dtype).detach()
            # A root has no slope at zero: where both flows agree, nothing is to be learnt, and nothing is.
            distance = (teacher.flow.detach() - stage.flow).square().mean(1, True).clamp_min(1e-12).sqrt()
            loss = loss + (distance * worse).mean()
        return Teaching(teacher.flow, merged, loss)

    def _averages(self, ensemble: bool) -> bool:
        if ensemble and self.spec.ensemble == "never":
            raise ValueError(f"network {self.spec.name} does not support averaging both frame orders")
        return ensemble or self.spec.ensemble == "always"

    def _time_plane(self, img: Tensor, timestep: float | Tensor) -> Tensor | None:
        """The timestep as a plane (B, 1, H, W); None for networks whose time is fixed."""
        if not self.spec.any_time:
            if isinstance(timestep, Tensor) or timestep != 0.5:
                raise ValueError(f"network {self.spec.name} makes only the middle frame, t = 0.5; got {timestep}")
            return None
        batch, _, height, width = img.shape
        if isinstance(timestep, Tensor):
            return timestep.to(img).reshape(-1, 1, 1, 1).expand(batch, 1, height, width)
        return img.new_full((batch, 1, height, width), timestep)

    def _check(self, img0: Tensor, img1: Tensor, flow_scale: float) -> None:
        if img0.dim() != 4 or img0.shape[1] != 3 or img0.shape != img1.shape:
            raise ShapeError(
                f"network {self.spec.name}: expected two frames of the same (B, 3, H, W), "
                f"got {tuple(img0.shape)} and {tuple(img1.shape)}."
            )
        multiple = self.spec.pad_multiple_at(flow_scale)
        height, width = img0.shape[2:]
        if height % multiple or width % multiple:
            raise ShapeError(
                f"network {self.spec.name}: height and width must be multiples of {multiple}, "
                f"got {height} x {width}. rife.Interpolator pads frames of any size."
            )


def _activated_conv(spec: NetworkSpec, in_planes: int, out_planes: int, stride: int) -> nn.Sequential:
    if spec.activation == "prelu":
        return conv(in_planes, out_planes, 3, stride, 1)
    return nn.Sequential(nn.Conv2d(in_planes, out_planes, 3, stride, 1), nn.LeakyReLU(0.2))


def _split_head(spec: NetworkSpec, width: int, outputs: int) -> nn.Module:
    if spec.head == "deconvs":
        layer = nn.ConvTranspose2d(width, outputs, 4, 2, 1)
        # In the published weights, the flow's layer is a sequence of one and the mask's stands alone.
        return nn.Sequential(layer) if outputs == 4 else layer
    half = width // 2
    return nn.Sequential(
        nn.ConvTranspose2d(width, half, 4, 2, 1), nn.PReLU(half), nn.ConvTranspose2d(half, outputs, 4, 2, 1)
    )


def _swap_flow(flow: Tensor) -> Tensor:
    """Exchange the flow to img0 and the flow to img1."""
    return torch.cat((flow[:, 2:4], flow[:, :2]), 1)


def _moves_far(change: Tensor, limit_px: float) -> Tensor:
    """Mark the samples (B,) whose two flows both change by more than `limit_px` somewhere."""
    largest = change[:, :4].abs().amax(dim=(2, 3)).reshape(-1, 2, 2).amax(dim=2)
    far: Tensor = (largest > limit_px).all(dim=1)
    return far


def _still(pair: _Pair) -> Stage:
    """The state before the first block of a network that starts from zero flow and mask."""
    flow = torch.zeros_like(pair.img0[:, :1]).expand(-1, 4, -1, -1)
    return Stage(flow, flow[:, :1], pair.img0, pair.img1, None)
