"""Closed choices and defaults that users meet in the API and on the command line alike."""

from __future__ import annotations

import re
from typing import Literal

from rife.errors import JobError

Refine = Literal["full", "off"]
"""Correct warped frames with the refinement networks, or leave them out (faster)."""

FlowScale = Literal["1", "0.5", "0.25", "2", "auto"]
"""Size of the pictures on which flow is estimated, relative to the frame; auto decides for each pair of frames."""

AtCut = Literal["hold", "blend"]
"""Between the two sides of a cut: hold the last frame before it, or mix both sides."""

Duplicates = Literal["keep", "retime"]
"""Leave repeated source frames as they are, or replace them by motion."""

OnDamage = Literal["stop", "hold"]
"""Where a source cannot be decoded: make nothing, or hold the frame before it and go on behind it."""

Sound = Literal["drop", "stretch"]
"""In slow motion, leave sound out or stretch it."""

ImageFormat = Literal["png", "jpg", "webp", "tiff"]
"""Kinds of picture file that a folder is filled with."""

EngineName = Literal["auto", "torch", "openvino", "native"]
"""What runs the network: PyTorch, the reference; or, faster on a processor, OpenVINO, or convolutions of our own
(native). There, auto takes OpenVINO where it multiplies bf16, else native."""

Precision = Literal["auto", "float32", "bf16"]
"""Arithmetic of the convolutions; auto is bf16 with OpenVINO on a processor that multiplies it, else float32. What bf16
gains and costs: docs/performance.md."""

Tile = Literal["auto", "off"] | int
"""Side in pixels of the tiles in which a frame is made; auto tiles what is too large for the memory, off never does."""

MIN_TILE_PX = 128
"""Smaller tiles consist of little but their overlap."""

DEFAULT_CRF = 16
"""Constant rate factor: near the threshold of what can be seen, so that a second generation costs little."""

_MEMORY_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_tile(text: str) -> Tile:
    """Read a tile size: `auto`, `off`, or a number of pixels.

    Raises:
        JobError: none of these.
    """
    named: dict[str, Tile] = {"auto": "auto", "off": "off"}
    if text in named:
        return named[text]
    if not text.isdecimal():
        raise JobError(f"tile: expected auto, off, or a number of pixels from {MIN_TILE_PX} on, got {text!r}.")
    return int(text)


def parse_memory(text: str) -> int:
    """Read an amount of memory, such as `4G`, `512M` or `1.5G`, in bytes; units are powers of 1024.

    Raises:
        JobError: not an amount of memory.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), flags=re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise JobError(f"memory: expected an amount such as 4G or 512M, got {text!r}.")
    return int(float(match[1]) * _MEMORY_UNITS[match[2].upper()])
