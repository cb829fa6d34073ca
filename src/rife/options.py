"""Closed choices and defaults that users meet in the API and on the command line alike."""

from __future__ import annotations

from typing import Literal

Refine = Literal["full", "off"]
"""Correct warped frames with the refinement networks, or leave them out (faster)."""

FlowScale = Literal["1", "0.5", "0.25", "2", "auto"]
"""Size of the pictures on which flow is estimated, relative to the frame; auto decides for each pair of frames."""

AtCut = Literal["hold", "blend"]
"""Between the two sides of a cut: hold the last frame before it, or mix both sides."""

Duplicates = Literal["keep", "retime"]
"""Leave repeated source frames as they are, or replace them by motion."""

Sound = Literal["drop", "stretch"]
"""In slow motion, leave sound out or stretch it."""

ImageFormat = Literal["png", "jpg", "webp", "tiff"]
"""Kinds of picture file that a folder is filled with."""

EngineName = Literal["auto", "torch", "openvino"]
"""What runs the network: PyTorch, or OpenVINO, which is faster on processors; auto takes OpenVINO on a processor where
it is installed."""

Precision = Literal["auto", "float32", "bf16"]
"""Arithmetic of the convolutions; auto takes bf16 where engine and processor have it, and loses nothing that shows."""

DEFAULT_CRF = 16
"""Constant rate factor: near the threshold of what can be seen, so that a second generation costs little."""
