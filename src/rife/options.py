"""Closed choices and defaults that users meet in the API and on the command line alike."""

from __future__ import annotations

from typing import Literal

Refine = Literal["full", "off"]
"""Correct warped frames with the refinement networks, or leave them out (faster)."""

DEFAULT_CRF = 16
"""Constant rate factor: near the threshold of what can be seen, so that a second generation costs little."""
