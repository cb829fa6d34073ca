"""Downloads from public URLs, verified by hash. An interrupted download resumes where it stopped.

A URL does not guarantee its content; only the hash identifies a file. No file is read before its hash is verified.
Proxies are taken from the environment (`https_proxy`, `no_proxy`) by Python's standard library.
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
"""Largest file; the download of a larger one is aborted."""

TIMEOUT_SECONDS = 30.0
"""Timeout of a response, and of the next bytes."""

_TRIES = 4
"""Largest number of requests to one URL, each of which must add bytes."""

_PAUSE_SECONDS = 1.0
_BLOCK_BYTES = 1 << 18
_PARTIAL, _BEYOND_END, _SERVER_ERROR = 206, 416, 500

OnBytes = Callable[[int, int | None], None]
"""Callback with the number of bytes received, and the size of the file or None."""


@dataclass(frozen=True)
class ReleaseFile:
    """A published file at one or more URLs.

    Attributes:
        urls: URLs of the file, in order of use.
        sha256: hash of the file, in lower-case hex.
        bytes: size of the file; None if unknown.
    """

    urls: tuple[str, ...]
    sha256: str
    bytes: int | None = None

    def __post_init__(self) -> None:
        """Check that there is a URL and a complete hash."""
        if not self.urls or len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"{self.urls}: needs a URL and a sha256 of 64 hexadecimal digits")

    @property
    def label(self) -> str:
        """Name of the file in messages and metadata."""
        return self.urls[0]


@contextmanager
def downloaded(source: ReleaseFile, *, on_bytes: OnBytes | None = None) -> Iterator[Path]:
    """Download a file, verify its hash, and yield its path; the file is removed after the block.

    The partial file is stored in the cache folder, where the next attempt resumes it, also in another process. The
    caller ensures that only one process at a time downloads a file.

    Args:
        source: URLs and hash of the file.
        on_bytes: callback for the progress.

    Raises:
        FetchError: the download failed at all URLs; the message has the reason for each, and the expected hash.
        OSError: the cache folder cannot be written.
    """
    folder = cache_folder() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{source.sha256}.partial"
    failures = []
    for url in source.urls:
        try:
            _download_from(url, source, partial, on_bytes or (lambda *_: None))
            break
        except FetchError as err:
            failures.append(f"{url} {err}")
    else:
        raise FetchError(f"{'; '.join(failures)}. Expected a file with sha256 {source.sha256}.")
    yield partial
    partial.unlink()


class Published(Protocol):
    """A published file with a name and a hash."""

    @property
    def label(self) -> str:
        """Name of the file in messages."""

    @property
    def sha256(self) -> str:
        """Hash of the file, in lower-case hex."""


def check_file(source: Published, path: Path) -> None:
    """Check that a manually downloaded file is the published one.

    Args:
        source: the published file.
        path: the downloaded file.

    Raises:
        FetchError: the file cannot be read, or has another hash.
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
    """Complete the partial file from one URL, and verify its hash.

    Raises:
        FetchError: the download failed; a partial file that can be resumed is preserved, one with a wrong hash is
            removed.
    """
    continued = _size_of(partial) > 0
    _complete(url, source, partial, on_bytes)
    found = sha256_of(partial)
    if found != source.sha256 and continued:  # its beginning may come from another URL
        partial.unlink()
        _complete(url, source, partial, on_bytes)
        found = sha256_of(partial)
    if found != source.sha256:
        with partial.open("rb") as file:
            is_page = file.read(64).lstrip()[:1] == b"<"
        partial.unlink()
        raise FetchError(f"gave {'a web page' if is_page else 'another file'}, with sha256 {found}")


def _complete(url: str, source: ReleaseFile, partial: Path, on_bytes: OnBytes) -> None:
    """Request the missing bytes until the file has the size that the server states.

    Raises:
        FetchError: the server rejects a request, or a request adds no bytes.
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
    """Request and append the missing bytes, and return whether the file has the size that the server states."""
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
        if answer.status != _PARTIAL:  # the server does not support resuming
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
