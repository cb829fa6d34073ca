"""Hash of a network's weights, which distinguishes networks of the same architecture."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_digest(network: nn.Module) -> str:
    """Hash names and values of all weights, independent of their memory format: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
