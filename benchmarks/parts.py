"""Where the time of a new frame goes, and what the new frames of an interval can share.

    python benchmarks/parts.py                   # 720x480, the default model, the default precision
    python benchmarks/parts.py 1280x720 float32

Prints the median milliseconds of every part of the network and every pass between them, as the default engine for this
processor runs them in a stream of real frames; then the multiply-adds of a frame by stage. What depends on a source
frame alone is all that several new frames of one interval have in common: from that follows the least that factor 4 can
cost for an interval, in factor 2's, if time followed arithmetic.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from statistics import median
from typing import Any, cast

import torch
from speed import clips
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import rife
from rife.cli.malloc import keep_freed_memory
from rife.engines.cpu.engine import CpuEngine
from rife.interpolation.interpolator import Interpolator
from rife.options import Precision

_FRAMES, _WARM_UP = 8, 3
_ROUNDS = 4
_SUBGRAPHS = ("features", "block", "residual")
_PASSES = ("pack", "block_input", "merge", "warp_contexts", "apply_residual")

_Times = dict[str, list[float]]


def main() -> None:
    size = sys.argv[1] if len(sys.argv) > 1 else "720x480"
    width, height = map(int, size.split("x"))
    precision = cast("Precision", sys.argv[2] if len(sys.argv) > 2 else "auto")
    keep_freed_memory()
    worker = rife.load("4.0", device="cpu", engine="auto", precision=precision)
    frames = [torch.from_numpy(f).permute(2, 0, 1)[None] / 255 for f in clips.frames_at(width, height, _FRAMES)]
    print(f"{size}, {worker.engine.label}: milliseconds of a new frame, medians\n")
    for name, values in _timed(worker, frames).items():
        print(f"  {name:<28} {median(values) * 1e3:7.2f}")
    features, frame = _multiply_adds(frames[0], frames[1])
    print(f"\nMultiply-adds: {features:.2f} G for a source frame, {frame:.2f} G for each new frame.")
    print(
        f"Least cost of factor 4 for an interval: {(features + 3 * frame) / (features + frame):.2f} times factor 2's."
    )


def _timed(worker: Interpolator, frames: list[Tensor]) -> _Times:
    """Seconds of every step, for each time that it ran after the warm-up."""
    times: _Times = defaultdict(list)
    engine = worker.engine
    if not isinstance(engine, CpuEngine):
        sys.exit(f"{engine.label} has no parts to look at: install the extra cpu.")
    for name in _SUBGRAPHS:
        _watch(
            engine._variant.subgraphs, name, times, lambda given, _, n=name: f"{n} {given[0] if n == 'block' else ''}"
        )
    for name in _PASSES:
        _watch(engine._variant.passes, name, times, lambda _, options, n=name: f"pass: {n} {options.get('scale', '')}")
    before = worker.prepare(frames[0])
    for index in range(_ROUNDS * _FRAMES):
        if index == _WARM_UP:
            times.clear()
        after = worker.prepare(frames[(index + 1) % _FRAMES])
        started = time.perf_counter()
        list(worker.between(before, after, [Fraction(1, 2)]))
        times["all of it"].append(time.perf_counter() - started)
        before = after
    return times


def _watch(owner: object, name: str, times: _Times, key: Callable[..., str]) -> None:
    original = getattr(owner, name)

    def watched(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 (whatever the method takes and returns)
        started = time.perf_counter()
        result = original(*arguments, **options)
        times[key(arguments, options)].append(time.perf_counter() - started)
        return result

    setattr(owner, name, watched)


def _multiply_adds(img0: Tensor, img1: Tensor) -> tuple[float, float]:
    """Thousand millions of multiply-adds: of what a source frame needs, and of a new frame."""
    network = rife.load("4.0", device="cpu", engine="torch").network

    def counted(work: Callable[[], Any]) -> tuple[float, Any]:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            result = work()
        return counter.get_total_flops() / 2e9, result

    of_source, features0 = counted(lambda: network.features(img0))
    pair = network.pair(img0, img1, features0=features0, features1=network.features(img1))
    of_motion, motion = counted(lambda: network.estimate(pair))
    return of_source, of_motion + counted(lambda: network.synthesize(pair, motion, pair.whole))[0]


if __name__ == "__main__":
    main()
