"""Hash of a network's weights: what tells two networks of the same form apart."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_digest(network: nn.Module) -> str:
    """Hash names and values of all weights, whatever their order in memory: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
