"""Which network a state dict belongs to, from its keys and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from rife.errors import CheckpointError, Hint
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS, NetworkSpec, spec_named
from rife.weights.catalogue import DEFAULT_MODEL

WRAPPER_PREFIX = "module."
"""Prefix that distributed training puts before every key."""

TRAINING_ONLY = ("block_tea.", "teacher.", "caltime.")
"""Prefixes of keys that inference does not use: teacher blocks and the timestep estimator."""

Signature = Mapping[str, tuple[int, ...]]
"""Shape of every tensor of a network, by key."""


@dataclass(frozen=True)
class Recognised:
    """What a state dict is.

    Attributes:
        spec: the network.
        refine: contextnet and unet are among the tensors.
    """

    spec: NetworkSpec
    refine: bool

    @property
    def label(self) -> str:
        """The network's name, with what the file leaves out of it."""
        return self.spec.name + (" without refinement" if self.spec.refines and not self.refine else "")


def canonical(state: Mapping[str, Tensor], *, origin: str) -> dict[str, Tensor]:
    """Strip the wrapper prefix from the keys and drop what only training uses.

    Args:
        state: tensors by key.
        origin: file or name, for messages.

    Raises:
        CheckpointError: two keys become the same.
    """
    out: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = key.removeprefix(WRAPPER_PREFIX)
        if name in out:
            raise CheckpointError(
                f"{origin}: holds {name} twice, with and without the prefix {WRAPPER_PREFIX!r}; which one is "
                "meant cannot be told. Save the state dict again from one model."
            )
        out[name] = tensor
    return {key: tensor for key, tensor in out.items() if not key.startswith(TRAINING_ONLY)}


def recognise(state: Mapping[str, Tensor], *, origin: str, network: str | None = None, likely: str = "") -> Recognised:
    """Tell which network a canonical state dict belongs to.

    Args:
        state: canonical tensors by key.
        origin: file or name, for messages.
        network: insist on this one; needed for networks whose tensors are those of another too.
        likely: the network to look at first, by name. It saves building the others; nothing is believed for it.

    Raises:
        CheckpointError: no network, or not the one insisted on, has exactly these keys and shapes; names the
            nearest one and the first difference from it.
    """
    found = {key: tuple(tensor.shape) for key, tensor in state.items()}
    wanted = None if network is None else spec_named(network)
    candidates = [c for c in _CANDIDATES if (c.spec is wanted if wanted else not c.spec.named_only)]
    for candidate in sorted(candidates, key=lambda c: c.spec.name != likely):
        if _signature(candidate) == found:
            return candidate
    signatures = {candidate: _signature(candidate) for candidate in candidates}
    nearest = min(signatures, key=lambda candidate: len(_differences(found, signatures[candidate])))
    differences = _differences(found, signatures[nearest])
    fitting = sum(found.get(key) == shape for key, shape in signatures[nearest].items())
    if fitting * 2 <= len(found):
        _decline_older_family(found, origin)
    remark = "" if fitting * 2 > len(found) else f" Only {fitting} of its tensors fit: it is hardly a RIFE checkpoint."
    raise CheckpointError(
        f"{origin}: no RIFE network fits its {len(found)} tensors. Nearest is {nearest.label}: {differences[0]}"
        f"{f' (and {len(differences) - 1} more differences)' if len(differences) > 1 else ''}.{remark}",
        hint=Hint("{models} lists those that are known."),
    )


def _decline_older_family(found: Signature, origin: str) -> None:
    """Refuse the files of RIFE 3.1 and 2.x by name: flow, context and fusion networks, each in a file of its own."""
    # Context and fusion networks start from 32 channels; flow networks have one head for the flow, and no mask.
    first, head = found.get("conv0.conv1.0.weight"), found.get("block0.conv1.weight", ())
    part = "contextnet" if first == (32, 3, 3, 3) else "unet" if first == (32, 10, 3, 3) else None
    if part is None and len(head) == 4 and head[1] == 4 and not any(key.startswith("block0.conv2") for key in found):
        part = "flownet"
    if part is not None:
        raise CheckpointError(
            f"{origin}: the {part} of RIFE 3.1 or 2.x, an older family of three files, which is not run here. "
            f"Take model {DEFAULT_MODEL} instead: it is better, and one file."
        )


_CANDIDATES = [
    Recognised(spec, refine) for spec in SPECS.values() for refine in ((True, False) if spec.refines else (False,))
]


@cache
def _signature(candidate: Recognised) -> Signature:
    with torch.device("meta"):
        network = IFNet(candidate.spec, refine=candidate.refine)
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def _differences(found: Signature, expected: Signature) -> list[str]:
    out = []
    for key, shape in expected.items():
        if key not in found:
            out.append(f"{key} is missing, expected {shape}")
        elif found[key] != shape:
            out.append(f"{key} is {found[key]}, expected {shape}")
    return out + [f"{key} {shape} is not part of it" for key, shape in found.items() if key not in expected]
