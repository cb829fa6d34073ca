"""Files at public addresses, verified by hash. A download that was interrupted goes on where it stopped.

The hash decides, not the address: a page can change the file behind it. Nothing reads a file before its hash is
checked. Proxies come from the environment (`https_proxy`, `no_proxy`), as Python's own library reads them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Protocol, cast
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from rife.assets.cache import cache_folder
from rife.errors import FetchError

MAX_BYTES = 1 << 30
"""A larger file is refused while it arrives."""

TIMEOUT_SECONDS = 30.0
"""The longest wait for an answer, and for the next bytes."""

_TRIES = 4
"""Requests to one address as long as each of them brings the file further."""

_PAUSE_SECONDS = 1.0
_BLOCK_BYTES = 1 << 18
_PARTIAL, _BEYOND_END, _SERVER_ERROR = 206, 416, 500

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that have arrived, and with the length of the file if it is known."""


@dataclass(frozen=True)
class ReleaseFile:
    """One file that stands at public addresses.

    Attributes:
        urls: its addresses, tried in order.
        sha256: hash of the file, in lower-case hex.
        bytes: its length; None if that is not known.
    """

    urls: tuple[str, ...]
    sha256: str
    bytes: int | None = None

    def __post_init__(self) -> None:
        """Insist on an address and a full hash."""
        if not self.urls or len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"{self.urls}: needs an address and a sha256 of 64 hexadecimal digits")

    @property
    def label(self) -> str:
        """What to call it in messages and metadata."""
        return self.urls[0]


@contextmanager
def downloaded(source: ReleaseFile, *, on_bytes: OnBytes | None = None) -> Iterator[Path]:
    """Download a file, check its hash, and yield its path; the file is removed after the block.

    What has arrived is stored in the cache folder, so that the next try continues there, in another process too. The
    caller lets one process at a time do this for one file.

    Args:
        source: addresses and hash.
        on_bytes: follows the progress.

    Raises:
        FetchError: no address gave the file; names each of them with the reason, and the expected hash.
        OSError: the cache folder cannot be written.
    """
    folder = cache_folder() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{source.sha256}.partial"
    failures = []
    for url in source.urls:
        try:
            _download_from(url, source, partial, on_bytes or (lambda done, total: None))
            break
        except FetchError as err:
            failures.append(f"{url} {err}")
    else:
        raise FetchError(f"{'; '.join(failures)}. Expected a file with sha256 {source.sha256}.")
    yield partial
    partial.unlink()


class Published(Protocol):
    """A published file: what to call it, and its hash."""

    @property
    def label(self) -> str:
        """What to call it in messages."""

    @property
    def sha256(self) -> str:
        """Its hash, in lower-case hex."""


def check_file(source: Published, path: Path) -> None:
    """Check that a file fetched by hand is the published one.

    Args:
        source: the published file.
        path: the file at hand.

    Raises:
        FetchError: it cannot be read, or its hash is another one.
    """
    try:
        found = sha256_of(path)
    except OSError as err:
        raise FetchError(f"{path}: cannot be read ({err.strerror or err}).") from err
    if found != source.sha256:
        raise FetchError(
            f"{path}: expected sha256 {source.sha256}, got {found}. It is another file, or a damaged one. "
            f"The published file is {source.label}."
        )


def sha256_of(path: Path) -> str:
    """The hash of a file, in lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _download_from(url: str, source: ReleaseFile, partial: Path, on_bytes: OnBytes) -> None:
    """Complete the partial file from one address, and check its hash.

    Raises:
        FetchError: the reason; a partial file that can be continued stays, one of other content does not.
    """
    continued = _size_of(partial) > 0
    _complete(url, source, partial, on_bytes)
    found = sha256_of(partial)
    if found != source.sha256 and continued:  # its beginning may have come from elsewhere
        partial.unlink()
        _complete(url, source, partial, on_bytes)
        found = sha256_of(partial)
    if found != source.sha256:
        with partial.open("rb") as file:
            is_page = file.read(64).lstrip()[:1] == b"<"
        partial.unlink()
        raise FetchError(f"gave {'a web page' if is_page else 'another file'}, with sha256 {found}")


def _complete(url: str, source: ReleaseFile, partial: Path, on_bytes: OnBytes) -> None:
    """Request what is missing until the file is as long as the server says.

    Raises:
        FetchError: the server refuses, or a request brings nothing.
    """
    for number in range(_TRIES):
        before = _size_of(partial)
        reason = "closed the connection before the end"
        try:
            if _continue(url, source, partial, on_bytes):
                return
        except HTTPError as err:
            reason = f"answered {err.code} ({(err.msg or str(err.reason)).splitlines()[0]})"
            if err.code < _SERVER_ERROR:
                raise FetchError(reason) from err
        except (URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as err:
            reason = _reason_of(err)
        if _size_of(partial) <= before:
            raise FetchError(reason)
        time.sleep(_PAUSE_SECONDS * number)
    raise FetchError(f"{reason}, {_TRIES} times; {_size_of(partial)} bytes are stored, and the next try continues")


def _continue(url: str, source: ReleaseFile, partial: Path, on_bytes: OnBytes) -> bool:
    """Request what is missing and append it; whether the file is as long as the server says."""
    done = _size_of(partial)
    headers = {"User-Agent": "rife", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        answer = cast("HTTPResponse", build_opener().open(Request(url, headers=headers), timeout=TIMEOUT_SECONDS))
    except HTTPError as err:
        if err.code == _BEYOND_END and done:  # the partial file is longer than the published one
            partial.unlink()
            return _continue(url, source, partial, on_bytes)
        raise
    with answer:
        if answer.headers.get_content_type() == "text/html":
            raise FetchError("gave a web page, not the file")
        if answer.status != _PARTIAL:  # the server does not continue
            done = 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        _check_length(total, source)
        with partial.open("ab" if done else "wb") as file:
            while block := answer.read(_BLOCK_BYTES):
                file.write(block)
                done += len(block)
                if done > (source.bytes or MAX_BYTES):
                    raise FetchError(f"gave more than the expected {source.bytes or MAX_BYTES} bytes")
                on_bytes(done, total)
    return total is None or done == total


def _check_length(total: int | None, source: ReleaseFile) -> None:
    if total is None:
        return
    if source.bytes is not None and total != source.bytes:
        raise FetchError(f"gave a file of {total} bytes, expected {source.bytes}")
    if total > MAX_BYTES:
        raise FetchError(f"gave a file of {total} bytes, expected at most {MAX_BYTES}")


def _reason_of(err: Exception) -> str:
    reason = err.reason if isinstance(err, URLError) else err
    if isinstance(reason, TimeoutError):
        return f"gave nothing for {TIMEOUT_SECONDS:.0f} s"
    verb = "cannot be reached" if isinstance(err, URLError) else "broke off"
    return f"{verb} ({str(reason) or type(reason).__name__})"


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
