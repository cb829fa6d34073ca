"""Names of the channels that a block returns and of the parts that it takes; plain numbers, for every implementation.

A block returns (B, C, h, w): the change of both flows, the mask before its sigmoid, and, for some networks, features
that the next block takes. `rife.network.specs.NetworkSpec.block_input` lists what a block takes, part by part, in the
order of the published weights.
"""

from __future__ import annotations

from typing import NamedTuple

FLOW = slice(0, 4)
"""Flow in pixels of the frame: (x, y) to img0, then (x, y) to img1."""

FLOW0, FLOW1 = slice(0, 2), slice(2, 4)
"""Flow to img0 and flow to img1."""

MASK = slice(4, 5)
"""Weight of warped_img0 against warped_img1, before its sigmoid."""

FLOW_AND_MASK = slice(0, 5)

CARRIED_START = 5
"""First channel of the features that a block hands to the next; `NetworkSpec.carried` tells how many there are."""


class InputPart(NamedTuple):
    """One part of an input: its name, and its number of channels. Pairs of frames or features count both."""

    name: str
    channels: int


class InputOffsets(NamedTuple):
    """First channel in memory of each part of an input; -1 for a part that is absent."""

    sources: int = -1
    warped: int = -1
    encoded: int = -1
    flow: int = -1
    mask: int = -1
    timestep: int = -1
    carried: int = -1
