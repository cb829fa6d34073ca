"""Frames in memory: a stream of them in, a smoother stream out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rife.frames import FrameT, from_network, to_network
from rife.interpolator import Interpolator, load
from rife.prepared import PreparedFrame
from rife.timing import check_factor, timesteps


def interpolate(
    frames: Iterable[FrameT], *, factor: int = 2, interpolator: Interpolator | None = None
) -> Iterator[FrameT]:
    """Make a smoother stream of frames from a stream of frames, in memory.

    n frames come out as n * factor at factor times the rate; source frames pass through untouched, and the
    last one is repeated for its own interval, so that the length in seconds stays the same.

    Args:
        frames: arrays (H, W, 3) or tensors (3, H, W), RGB; uint8, uint16 or float in [0, 1]. A fourth channel is
            opacity, straight. A stacked array or tensor of frames is fine.
        factor: output frames for each source frame, 2 to 64.
        interpolator: from `load`; the default model if not given.

    Returns:
        An iterator over frames of the kind that came in.

    Raises:
        JobError: a factor out of range, or one that the network cannot make.
        ShapeError: not frames, or frames of different sizes.
    """
    check_factor(factor)
    worker = interpolator or load()
    worker.check_factor(factor)
    return _interpolated(frames, factor, worker)


def _interpolated(frames: Iterable[FrameT], factor: int, worker: Interpolator) -> Iterator[FrameT]:
    times = timesteps(factor)
    last: tuple[FrameT, PreparedFrame] | None = None
    for frame in frames:
        prepared = worker.prepare(to_network(frame))
        if last is not None:
            yield last[0]
            for picture in worker.between(last[1], prepared, times):
                yield from_network(picture, last[0])
        last = (frame, prepared)
    if last is not None:
        yield from (last[0] for _ in range(factor))
