"""Whether the float32 torch engine makes what the published network makes, where neither has to pad."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from speed.clips import held_out
from speed.plan import BASELINE, REFERENCE, contestants
from speed.rounds import started

_CLIP, _TRIPLES = "bikes", 4
_ROWS, _COLUMNS = 256, 640
"""Multiples of what the published package pads to."""


def with_published(folder: Path) -> dict[str, float | str]:
    """Compare pictures of both.

    Returns:
        `largest_difference` over all pixels, of values in [0, 1]; or `error`.
    """
    triples, _ = held_out(_CLIP, _TRIPLES)
    np.save(folder / "triples.npy", triples[:, :, :_ROWS, :_COLUMNS])
    made = []
    pair = [row for row in contestants(bf16=False, openvino=False, native=False) if row.name in (BASELINE, REFERENCE)]
    with started(pair, folder) as processes:
        for process in processes:
            out = folder / "made.npy"
            answer = process.ask("make", triples=str(folder / "triples.npy"), out=str(out))
            if "error" in answer:
                return {"error": f"{process.contestant.name}: {answer['error']}"}
            made.append(np.load(out))
    return {"largest_difference": float(np.abs(made[0] - made[1]).max()), "frames": _TRIPLES}
