"""The engine on OpenVINO: convolutions as compiled graphs on the CPU, in float32 or bf16."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from rife.engines.cpu.engine import CpuEngine, Subgraphs, Variant
from rife.engines.cpu.passes import Passes
from rife.engines.cpu.thread_team import ThreadTeam
from rife.engines.native.network import NativeSubgraphs
from rife.engines.openvino.graphs import GraphStore
from rife.engines.openvino.subgraphs import BlockSubgraph, FeaturesSubgraph, ResidualSubgraph
from rife.engines.precision import in_bf16
from rife.network.ifnet import IFNet
from rife.options import Precision


class OpenVinoEngine(CpuEngine):
    """Runs a network as compiled graphs. Graphs are compiled once for each frame size, and cached on disk."""

    def __init__(self, network: IFNet, *, precision: Precision, threads: int | None = None) -> None:
        """Take a network with its weights.

        Args:
            network: on the CPU.
            precision: `float32` or `bf16`.
            threads: how many it may use; all cores in graphs, and as many as PyTorch does between them, if None.

        Raises:
            MissingExtraError: OpenVINO is not installed.
        """
        self.graphs = GraphStore(network, threads=threads)
        self._team = team = ThreadTeam(threads)
        exact = Passes(network.spec, dtype=torch.float32, team=team)
        if precision == "float32":
            variant = Variant(network, exact, _CompiledSubgraphs(network, precision, self.graphs))
        else:
            # Contiguous: OpenVINO takes bf16 weights in the order in which they lie in memory.
            quick = in_bf16(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            passes = Passes(network.spec, dtype=torch.bfloat16, team=team)
            float32 = Variant(network, exact, NativeSubgraphs(network, team))
            variant = Variant(quick, passes, _CompiledSubgraphs(quick, precision, self.graphs), float32)
        super().__init__(variant, name="openvino", precision=precision)

    @property
    def any_size(self) -> CpuEngine:
        """The same passes with our own convolutions: graphs are compared with PyTorch when they are built."""
        exact, passes = self._variant.exact, self._variant.passes
        native = NativeSubgraphs(exact.network, self._team)
        float32 = Variant(exact.network, exact.passes, native)
        variant = Variant(exact.network, passes, _RoundedSubgraphs(native, passes.dtype), float32)
        return CpuEngine(variant, name="passes", precision=self.precision)


class _RoundedSubgraphs:
    """Subgraphs in float32, between passes of another precision."""

    def __init__(self, subgraphs: Subgraphs, dtype: torch.dtype) -> None:
        self._subgraphs, self._dtype = subgraphs, dtype

    def block(self, index: int, scale: float, x: Tensor) -> Tensor:
        return self._subgraphs.block(index, scale, x.float())

    def features(self, pixels: Tensor, *, refine: bool) -> Sequence[Tensor]:
        return [x.to(self._dtype) for x in self._subgraphs.features(pixels, refine=refine)]

    def residual(self, unet_input: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        return self._subgraphs.residual(unet_input.float(), [x.float() for x in contexts])


class _CompiledSubgraphs:
    """The subgraphs of a network, compiled."""

    def __init__(self, network: IFNet, precision: Precision, graphs: GraphStore) -> None:
        self._network, self._precision, self._graphs = network, precision, graphs

    def block(self, index: int, scale: float, x: Tensor) -> Tensor:
        return self._run(f"block {index} {scale}", lambda: BlockSubgraph(self._network, index, scale), x)[0]

    def features(self, pixels: Tensor, *, refine: bool) -> list[Tensor]:
        return self._run(f"features {refine}", lambda: FeaturesSubgraph(self._network, refine=refine), pixels)

    def residual(self, unet_input: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        return self._run("residual", lambda: ResidualSubgraph(self._network), unet_input, *contexts)[0]

    def _run(self, key: str, subgraph: Callable[[], nn.Module], *inputs: Tensor) -> list[Tensor]:
        return self._graphs.graph(f"{self._precision} {key}", subgraph, inputs)(*inputs)
