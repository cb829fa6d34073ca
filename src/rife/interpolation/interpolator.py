"""Two frames and a time in, the frame between them out.

Padding, the choice of refinement, what is computed once for each source frame, and how a network that only
makes middle frames reaches other times: all of that is here, and none of it concerns files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from rife.engines import forks
from rife.engines.placing import device_named, for_inference
from rife.engines.protocol import Engine
from rife.engines.select import create_engine, create_tile_engine
from rife.errors import JobError, OptionError, ShapeError
from rife.frames import FrameT, from_network, parse_range, to_network
from rife.interpolation.alpha import opaque_layer, premultiply, unpremultiply
from rife.interpolation.flow_scale import MEASURED_SIZE, MIN_SIDE_PX, auto_scales, scale_for_motion
from rife.interpolation.guard import GuardedEngines
from rife.interpolation.prepared import PreparedFrame, split_range
from rife.interpolation.static_regions import static_regions
from rife.interpolation.tile_progress import FrameSteps
from rife.interpolation.tiling import TILE_STEP_PX, Tiling
from rife.network.encoder import FrameFeatures
from rife.network.estimate import FlowEstimate
from rife.network.ifnet import IFNet
from rife.network.regions import Window, padded
from rife.network.specs import SPECS
from rife.network.warp import resize
from rife.options import EngineName, Number, Precision, Refine, Tile, parse_choice, parse_scale
from rife.timing import MAX_FACTOR, Clock, FactorClock, parse_factor, parse_time
from rife.weights.catalogue import DEFAULT_MODEL
from rife.weights.digest import weights_digest


class Interpolator:
    """Makes frames between two frames with one network. Call it, or `prepare` and `between` for streams."""

    def __init__(
        self,
        network: IFNet,
        *,
        refine: Refine = "full",
        scale: Number = "1",
        ensemble: bool = False,
        device: str | torch.device = "auto",
        engine: EngineName = "auto",
        precision: Precision = "auto",
        tile: Tile | Number = "auto",
        memory: Number | None = None,
    ) -> None:
        """Put a network to work.

        Args:
            network: with its weights. It is not changed: what runs is a copy. Both share the memory of weights that lie
                on the device as inference reads them (channels last); change weights only before.
            refine: `full` corrects the merged frames where the network can; `off` does not.
            scale: flow is estimated on pictures of this relative size: 0.5 or 0.25 reach larger motion and are
                faster, 2 sees finer motion; `auto` decides for each pair (docs/flow-scale.md).
            ensemble: average both frame orders: symmetric (but where 4.0 restarts on large motion, as published),
                twice the work.
            device: `auto`, `cpu`, `cuda`, ...; auto takes an NVIDIA GPU if PyTorch sees one.
            engine: what runs the network: `torch`, the reference; on a processor also `openvino`, or `native`,
                convolutions of our own; `auto` takes the fastest that is installed (docs/performance.md).
            precision: of the engine: `auto`, `float32`, `bf16`.
            tile: side in pixels of the tiles in which a frame is made: the same picture in less memory. `auto` takes
                tiles where a frame is too large for the memory, `off` never.
            memory: what the network may take, as a number or text such as `4G`; 1.6 GB unless given, and no more
                than is free.

        Raises:
            OptionError: a choice or a device that is not known.
            JobError: one that is impossible here, or an ensemble that the network does not have.
            MissingExtraError: what the engine needs is not installed.
        """
        if not isinstance(network, IFNet):
            raise OptionError(
                f"network: expected a rife.network.ifnet.IFNet with its weights, got {network!r:.60}. "
                "rife.load takes the name or the path of a model."
            )
        scale = parse_scale(scale)
        if ensemble and network.spec.ensemble == "never":
            able = ", ".join(row.name for row in SPECS.values() if row.ensemble == "optional")
            raise JobError(f"ensemble: network {network.spec.name} does not have it. These do: {able}.")
        self.ensemble = ensemble
        self._scales = auto_scales(network.spec) if scale == "auto" else (float(scale),)
        self.refine = parse_choice(refine, "refine", Refine) == "full" and network.refines
        self.device = device_named(device)
        encoder = network.spec.encoder
        features = encoder.out if encoder else 0
        self.tiling = Tiling(tile, memory, device=self.device, refine=self.refine, features=features)
        self.network = for_inference(network, self.device)
        forks.watch()
        whole = create_engine(self.network, engine=engine, precision=precision)
        # Others hold more of a frame whole: where the choice is free, PyTorch makes in tiles what is too large.
        tiled = create_tile_engine(self.network, whole) if engine == "auto" else whole
        self._engines = GuardedEngines(self.network, whole, tiled, self.tiling)

    @property
    def engine(self) -> Engine:
        """What runs the network on whole frames."""
        return self._engines.whole

    @property
    def any_time(self) -> bool:
        """Whether the network makes a frame at any time, not only in the middle."""
        return self.network.spec.any_time

    def __call__(
        self, img0: FrameT, img1: FrameT, t: Number = 0.5, *, value_range: Sequence[Number] | None = None
    ) -> FrameT:
        """Make the frame at time `t` between two frames.

        Args:
            img0: array (H, W, 3) or tensor (3, H, W), RGB; uint8, uint16 or float in [0, 1]. A fourth channel is
                opacity, straight. Grey is (H, W) or (H, W, 1), as a tensor (1, H, W).
            img1: a frame of the same size.
            t: 0 < t < 1; for networks that make middle frames only, k / 2**n.
            value_range: values of black and white in all channels, such as (-1, 1), where they are others than 0 and 1,
                255 (uint8) or 65535 (uint16).

        Returns:
            A frame of the kind of `img0`, in the same range.

        Raises:
            ShapeError: not frames, frames of different sizes, or values that are no numbers or far out of range.
            OptionError: a time that is not between 0 and 1, or a range of values that cannot be.
            JobError: a time that this network cannot reach.
        """
        time, limits = parse_time(t), parse_range(value_range)
        first = self.prepare(to_network(img0, value_range=limits, name="img0"))
        second = self.prepare(to_network(img1, value_range=limits, name="img1"))
        return from_network(next(self.between(first, second, [time])), img0, value_range=limits)

    def engine_for(self, size: tuple[int, int]) -> Engine:
        """What makes frames of a size (height, width)."""
        return self._engines.for_size(size)

    def identity(self, size: tuple[int, int]) -> str:
        """What made frames of a size (height, width) depend on: a hash of the weights, and the settings."""
        refine = "full" if self.refine else "off"
        settings = f"refine {refine}, scale {self._scales}, ensemble {self.ensemble}, {self.engine_for(size).label}"
        return f"{self.network.spec.name} {weights_digest(self.network)[:16]}, {settings}, {self.device.type}"

    def check_factor(self, factor: Number) -> None:
        """Refuse a factor that this network cannot make.

        Raises:
            JobError: names the factors that are possible.
        """
        factor = parse_factor(factor)
        if not self.any_time and factor & (factor - 1):
            possible = [2**n for n in range(1, MAX_FACTOR.bit_length())]
            raise JobError(
                f"factor {factor}: network {self.network.spec.name} makes middle frames only, so it reaches "
                f"{', '.join(map(str, possible))}. Take one of these, or model {DEFAULT_MODEL}, which takes any."
            )

    def check_clock(self, clock: Clock) -> None:
        """Refuse output times that this network cannot make.

        Raises:
            JobError: names what is possible.
        """
        if isinstance(clock, FactorClock):
            self.check_factor(clock.factor)
        elif not self.any_time:
            raise JobError(
                f"frame rate {clock.rate}: network {self.network.spec.name} makes middle frames only, and cannot reach "
                f"any time. Take a factor of 2, 4, 8, ..., or model {DEFAULT_MODEL}, which takes any time."
            )

    def check_times(self, times: Iterable[Fraction]) -> None:
        """Refuse times that this network cannot reach.

        Raises:
            JobError: names what is possible.
        """
        for time in times:
            self._check_time(time)

    @forks.guarded
    @torch.no_grad()
    def prepare(self, picture: Tensor, *, copy: bool = True) -> PreparedFrame:
        """Take a frame in; what is computed from it alone is computed once, however many frames it helps to make.

        Args:
            picture: (1, 3, H, W) float32 of any size, in [0, 1] or a little beyond; (1, 4, H, W) with opacity,
                colours not multiplied by it.
            copy: copy the picture, whose memory the caller may fill with the next frame.
        """
        form = torch.contiguous_format
        whole, alpha_layer = picture.to(self.device, torch.float32, copy=copy, memory_format=form), None
        picture = whole
        if whole.shape[1] == 4:
            picture, alpha_layer = premultiply(whole)
        return PreparedFrame(whole, *split_range(picture), alpha_layer)

    @torch.no_grad()
    def between(self, frame0: PreparedFrame, frame1: PreparedFrame, times: Sequence[Fraction]) -> Iterator[Tensor]:
        """Make the frames at several times between two prepared frames.

        Networks that take any time make each frame from the two source frames; the others halve the
        interval until they reach it.

        Args:
            frame0: the earlier frame.
            frame1: the later frame, of the same size.
            times: each between 0 and 1, exclusive.

        Yields:
            (1, 3, H, W) float32 for each time, in their order; (1, 4, H, W) where a frame has opacity.

        Raises:
            ShapeError: the frames differ in size.
            JobError: a time out of reach.
        """
        if frame0.size != frame1.size:
            raise ShapeError(
                f"frames: expected two of the same size, got {frame0.size[1]}x{frame0.size[0]} and "
                f"{frame1.size[1]}x{frame1.size[0]}."
            )
        for time in times:
            self._check_time(time)
        whole0, whole1 = frame0.whole, frame1.whole
        static = static_regions(whole0, whole1) if times and whole0.shape == whole1.shape else None
        if static is not None and bool(static.all()):
            yield from (whole0.clone() for _ in times)
            return
        scale = self.flow_scale(frame0, frame1) if times else 1.0
        if self.any_time:
            made: Iterator[Tensor] = (self._make(frame0, frame1, float(time), scale) for time in times)
        else:
            made = self._by_halving(frame0, frame1, times, scale)
        yield from (picture if static is None else torch.where(static, whole0, picture) for picture in made)

    @forks.guarded
    @torch.no_grad()
    def flow_scale(self, frame0: PreparedFrame, frame1: PreparedFrame) -> float:
        """Choose the flow scale for a pair of frames, from its size and its measured motion."""
        spec = self.network.spec
        if len(self._scales) == 1 or min(frame0.size) < MIN_SIDE_PX:
            return self._scales[0]
        inside = Window(0, 0, *(int(side * MEASURED_SIZE) for side in frame0.size))

        def estimated(engine: Engine) -> FlowEstimate:
            (half0, features0), (half1, features1) = (
                self._computed(frame, 1.0, engine, size=MEASURED_SIZE) for frame in (frame0, frame1)
            )
            return engine.estimate(self.network.pair(half0, half1, 0.5, features0=features0, features1=features1))

        motion = self._engines.run(frame0.size, estimated)
        flow = motion.at(inside)[0]
        return scale_for_motion(flow, spec, self._scales)

    @forks.guarded
    def _make(self, frame0: PreparedFrame, frame1: PreparedFrame, time: float, scale: float) -> Tensor:
        sources = frame0.whole, frame1.whole
        return self._engines.make(frame0.size, sources, lambda engine: self._made(frame0, frame1, time, scale, engine))

    def _made(self, frame0: PreparedFrame, frame1: PreparedFrame, time: float, scale: float, engine: Engine) -> Tensor:
        (padded0, features0), (padded1, features1) = (
            self._computed(frame, scale, engine) for frame in (frame0, frame1)
        )
        pair = self.network.pair(
            padded0, padded1, time, features0=features0, features1=features1, refine=self.refine, flow_scale=scale
        )
        tile = self.tiling.side(frame0.size)
        frame, parts = Window(0, 0, *frame0.size), []
        windows = frame.tiles(tile, multiple=TILE_STEP_PX)
        steps = FrameSteps(self.network, self.tiling, pair.whole, tile=tile, windows=len(windows))
        with steps.estimate():
            motion = engine.estimate(pair, flow_scale=scale, ensemble=self.ensemble, tile=tile)
        for window in windows:
            merged = engine.synthesize(pair, motion, window, refine=self.refine, ensemble=self.ensemble)
            if frame0.alpha_layer is not None or frame1.alpha_layer is not None:
                layer0, layer1 = (
                    opaque_layer(f.whole) if f.alpha_layer is None else f.alpha_layer for f in (frame0, frame1)
                )
                merged = unpremultiply(merged, engine.blend((layer0, layer1), motion, window))
            parts.append((window, merged))
            steps.tile()
        return frame.assembled(parts)

    def _computed(
        self, frame: PreparedFrame, scale: float, engine: Engine, *, size: float = 1.0
    ) -> tuple[Tensor, FrameFeatures]:
        """Picture at a relative size, padded for a flow scale, and its features: computed once for a frame."""
        key = size, self.network.spec.pad_multiple_at(scale), engine.label
        if key not in frame.computed:
            picture, whole = padded(resize(frame.picture, size), key[1]), size == 1
            out_of_range = padded(frame.out_of_range, key[1]) if whole and frame.out_of_range is not None else None
            features = engine.features(picture, refine=self.refine and whole, out_of_range=out_of_range)
            frame.computed[key] = picture, features
        return frame.computed[key]

    def _by_halving(
        self, frame0: PreparedFrame, frame1: PreparedFrame, times: Sequence[Fraction], scale: float
    ) -> Iterator[Tensor]:
        known = {Fraction(0): frame0, Fraction(1): frame1}
        for time in times:
            before, after = Fraction(0), Fraction(1)
            while time not in known:
                middle = (before + after) / 2
                if middle not in known:
                    made = self._make(known[before], known[after], 0.5, scale)
                    known[middle] = self.prepare(made, copy=False)
                before, after = (before, middle) if time < middle else (middle, after)
            yield known[time].whole

    def _check_time(self, time: Fraction) -> None:
        if not 0 < time < 1:
            raise JobError(f"time: expected a number between 0 and 1, exclusive, got {float(time)}.")
        if not self.any_time and (time.denominator & (time.denominator - 1) or time.denominator > MAX_FACTOR):
            raise JobError(
                f"time {time}: network {self.network.spec.name} makes middle frames only, so it reaches k/2, k/4, "
                f"... k/{MAX_FACTOR}. Take one of these times, or the model {DEFAULT_MODEL}, which takes any."
            )


def _alpha_layer(frame: PreparedFrame) -> Tensor:
    return opaque_layer(frame.whole) if frame.alpha_layer is None else frame.alpha_layer
