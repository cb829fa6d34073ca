"""Quality of a model on a clip: every second frame is held out, interpolated, and compared with the original."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from rife.errors import JobError
from rife.frames import quantise
from rife.interpolation.interpolator import Interpolator
from rife.media.colour.convert import LAYOUTS, adapted, to_rgb, working_format
from rife.media.open_source import open_source
from rife.media.source import OneSize
from rife.options import Number, parse_path, parse_whole


@dataclass(frozen=True)
class HeldOutScore:
    """Mean quality of one method on the held-out frames.

    Attributes:
        method: name of the method.
        psnr_db: mean over frames of the PSNR on 8-bit RGB.
        frames: number of held-out frames.
    """

    method: str
    psnr_db: float
    frames: int


def psnr_db(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio of two frames in [0, 1], both rounded to 8 bits; infinite if they are equal."""
    difference = quantise(a * 255, 255).double() - quantise(b * 255, 255).double()
    error = float(difference.square().mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def score_held_out(
    source: str | Path, interpolators: Mapping[str, Interpolator], *, frames: Number = 60
) -> list[HeldOutScore]:
    """Score linear blending and each interpolator on the held-out frames of a clip.

    Args:
        source: a video file, an animation, or a folder or pattern of image files.
        interpolators: interpolators by the name of their score.
        frames: number of frames of the clip to use; every second one is held out.

    Raises:
        JobError: the clip has fewer than three frames.
        OptionError: the number of frames is no whole number from 3 on.
        MediaError: the clip cannot be read.
    """
    scores: dict[str, list[float]] = {"linear blend": [], **{name: [] for name in interpolators}}
    path, count = parse_path(source, "source"), parse_whole(frames, "frames", least=3)
    for before, hidden, after in _triples(path, count):
        scores["linear blend"].append(psnr_db((before + after) / 2, hidden))
        for name, worker in interpolators.items():
            (made,) = worker.between(worker.prepare(before), worker.prepare(after), [Fraction(1, 2)])
            scores[name].append(psnr_db(made.cpu(), hidden))
    if not scores["linear blend"]:
        raise JobError(f"{source}: expected at least 3 frames to hold one out, got fewer.")
    return [HeldOutScore(name, sum(values) / len(values), len(values)) for name, values in scores.items()]


def _triples(source: Path, frames: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    window: list[Tensor] = []
    with open_source(source) as reader, torch.no_grad():
        pictures = (frame.picture for frame in OneSize(reader).frames())
        for picture in islice(pictures, frames):
            target = working_format(picture.format.name, list(LAYOUTS), size=(0, 0))
            window.append(to_rgb(adapted(picture, target)))
            if len(window) == 3:
                yield window[0], window[1], window[2]
                del window[:2]
