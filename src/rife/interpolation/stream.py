"""Frames in memory: a stream of them in, a smoother stream out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from rife.errors import ShapeError
from rife.frames import FrameT, Range, from_network, parse_range, to_network
from rife.interpolation.interpolator import Interpolator
from rife.interpolation.load import as_interpolator
from rife.interpolation.prepared import PreparedFrame
from rife.options import Number
from rife.timing import parse_factor, timesteps


def interpolate(
    frames: Iterable[FrameT],
    *,
    factor: Number = 2,
    interpolator: Interpolator | str | Path | None = None,
    value_range: Sequence[Number] | None = None,
) -> Iterator[FrameT]:
    """Make a smoother stream of frames from a stream of frames, in memory.

    n frames come out as n * factor at factor times the rate; source frames pass through untouched, and the
    last one is repeated for its own interval, so that the length in seconds stays the same.

    Args:
        frames: arrays (H, W, 3) or tensors (3, H, W), RGB; uint8, uint16 or float in [0, 1]. A fourth channel is
            opacity, straight; grey is (H, W) or (H, W, 1), as a tensor (1, H, W). A stacked array or tensor of frames
            is fine.
        factor: output frames for each source frame, 2 to 64.
        interpolator: from `load`, or what `load` takes as a model; the default model if not given.
        value_range: values of black and white in all channels, such as (-1, 1), where they are others than 0 and 1, 255
            (uint8) or 65535 (uint16); new frames have the same.

    Returns:
        An iterator over frames of the kind that came in.

    Raises:
        OptionError: a factor out of range, or a range of values that cannot be.
        JobError: a factor that the network cannot make.
        ShapeError: not frames, frames of different sizes, or values that are no numbers or far outside of the range.
        CheckpointError: a model that is named cannot be loaded.
    """
    whole, limits = parse_factor(factor), parse_range(value_range)
    _check_stack(frames)
    worker = as_interpolator(interpolator)
    worker.check_factor(whole)
    return _interpolated(frames, whole, worker, limits)


def _check_stack(frames: object) -> None:
    """Refuse one frame where several are expected: its rows would be taken for grey frames."""
    if not isinstance(frames, (np.ndarray, Tensor)):
        if not isinstance(frames, Iterable) or isinstance(frames, (str, bytes)):
            raise ShapeError(f"frames: expected a sequence or another iterable of frames, got {type(frames).__name__}.")
        return
    if isinstance(frames, np.ndarray) and frames.ndim == 3 and frames.shape[2] in (1, 3, 4):
        raise ShapeError(f"frames: expected several frames, got one array of {frames.shape}. Put frames in a list.")


def _interpolated(
    frames: Iterable[FrameT], factor: int, worker: Interpolator, value_range: Range | None
) -> Iterator[FrameT]:
    times = timesteps(factor)
    last: tuple[FrameT, PreparedFrame] | None = None
    for number, frame in enumerate(frames):
        prepared = worker.prepare(to_network(frame, value_range=value_range, name=f"frame {number}"))
        if last is not None:
            yield last[0]
            for picture in worker.between(last[1], prepared, times):
                yield from_network(picture, last[0], value_range=value_range)
        last = (frame, prepared)
    if last is not None:
        yield from (last[0] for _ in range(factor))
