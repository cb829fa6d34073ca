"""The engine on our own convolutions, in float32. It compiles nothing per frame size."""

from __future__ import annotations

import torch

from rife.engines.cpu.engine import CpuEngine, Variant
from rife.engines.cpu.passes import Passes
from rife.engines.cpu.thread_team import ThreadTeam
from rife.engines.native.network import NativeSubgraphs
from rife.network.ifnet import IFNet


class NativeEngine(CpuEngine):
    """Runs a network by kernels of this package (`rife.kernels.convolution`)."""

    def __init__(self, network: IFNet, *, threads: int | None = None) -> None:
        """Take a network with its weights.

        Args:
            network: on the CPU.
            threads: how many it may use; as many as PyTorch does if None.
        """
        team = ThreadTeam(threads)
        variant = Variant(network, Passes(network.spec, dtype=torch.float32, team=team), NativeSubgraphs(network, team))
        super().__init__(variant, name="native", precision="float32")
