"""Recognition of the network of a state dict, by keys and shapes alone."""

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
"""Prefix of every key after distributed training."""

TRAINING_ONLY = ("block_tea.", "teacher.", "caltime.")
"""Key prefixes of modules that only training uses: teacher blocks and the timestep estimator."""

Signature = Mapping[str, tuple[int, ...]]
"""Shape of every tensor of a network, by key."""


@dataclass(frozen=True)
class Recognised:
    """The recognised network of a state dict.

    Attributes:
        spec: specification of the network.
        refine: whether contextnet and unet are among the tensors.
    """

    spec: NetworkSpec
    refine: bool

    @property
    def label(self) -> str:
        """Name of the network, with the missing part if the file has no refinement networks."""
        return self.spec.name + (" without refinement" if self.spec.refines and not self.refine else "")


def canonical(state: Mapping[str, Tensor], *, origin: str) -> dict[str, Tensor]:
    """Strip the wrapper prefix from the keys and drop the tensors that only training uses.

    Args:
        state: tensors by key.
        origin: file or name, for messages.

    Raises:
        CheckpointError: two keys become equal.
    """
    out: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = key.removeprefix(WRAPPER_PREFIX)
        if name in out:
            raise CheckpointError(
                f"{origin}: holds {name} twice, with and without the prefix {WRAPPER_PREFIX!r}. "
                "Save the state dict again from one model."
            )
        out[name] = tensor
    return {key: tensor for key, tensor in out.items() if not key.startswith(TRAINING_ONLY)}


def recognise(state: Mapping[str, Tensor], *, origin: str, network: str | None = None, likely: str = "") -> Recognised:
    """Find the network of a canonical state dict.

    Args:
        state: canonical tensors by key.
        origin: file or name, for messages.
        network: name of the required network; necessary if another network has the same tensors.
        likely: name of the network to try first, which saves building the others; it does not change the result.

    Raises:
        CheckpointError: no network, or not the required one, has exactly these keys and shapes; the message names the
            nearest network and the first difference from it.
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
        hint=Hint("{models} lists the known networks."),
    )


def _decline_older_family(found: Signature, origin: str) -> None:
    """Raise an error that names the file of RIFE 3.1 or 2.x: flow, context or fusion network, each in its own file."""
    # Context and fusion networks start with 32 channels; flow networks have one head for the flow, and no mask.
    first, head = found.get("conv0.conv1.0.weight"), found.get("block0.conv1.weight", ())
    part = "contextnet" if first == (32, 3, 3, 3) else "unet" if first == (32, 10, 3, 3) else None
    if part is None and len(head) == 4 and head[1] == 4 and not any(key.startswith("block0.conv2") for key in found):
        part = "flownet"
    if part is not None:
        raise CheckpointError(
            f"{origin}: the {part} of RIFE 3.1 or 2.x, an older family of three files, which is not supported. "
            f"Use model {DEFAULT_MODEL} instead: it is better, and one file."
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
