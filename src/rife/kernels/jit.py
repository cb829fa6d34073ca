"""Compilation of kernels by Numba, with a cache on disk. A fault of the cache costs time, nothing else.

Each file ends with the hash of its content, because a damaged kernel is machine code with any effect.
"""

from __future__ import annotations

import hashlib
import io
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import IndexDataCacheFile, NullCache

from rife.assets.cache import cache_folder
from rife.network import channels

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Result = TypeVar("_Result")

# Fused multiply-add is allowed, and the sign of zero ignored; NaN must be respected.
_ARITHMETIC = {"contract", "nsz"}

_dispatchers: list[Any] = []
_log = logging.getLogger(__name__)


def compiled(function: _Function) -> _Function:
    """Compile a kernel at its first call, and cache it on disk if the cache folder is writable."""
    dispatcher: Any = numba.njit(function, nogil=True, fastmath=_ARITHMETIC, error_model="numpy")
    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = str(_folder())  # type: ignore[attr-defined]
    try:
        dispatcher.enable_caching()
        dispatcher._cache._cache_file.__class__ = _HashedCacheFile
    except RuntimeError:  # there is no folder that can be written
        pass
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]
    _dispatchers.append(dispatcher)
    return cast("_Function", dispatcher)


class _HashedCacheFile(IndexDataCacheFile):
    """Numba's cache files of a kernel, each followed by the hash of its content, which Numba does not read.

    A file that does not match its hash counts as absent: the kernel is compiled and the file written again.
    """

    @contextmanager
    def _open_for_write(self, path: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        with super()._open_for_write(path) as file:
            yield content
            file.write(content.getvalue() + hashlib.sha256(content.getvalue()).digest())

    def _load_index(self) -> dict[Any, str]:
        whole = _is_whole(Path(self._index_path))
        return super()._load_index() if whole else {}  # type: ignore[no-untyped-call]

    def _load_data(self, name: str) -> object:
        if not _is_whole(Path(self._cache_path, name)):
            raise OSError  # how Numba reports a file that is absent
        return super()._load_data(name)  # type: ignore[no-untyped-call]


def _is_whole(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    size = hashlib.sha256().digest_size
    whole = content[-size:] == hashlib.sha256(content[:-size]).digest()
    if not whole:
        _log.warning("A compiled kernel is compiled again: its file is damaged (%s).", path)
        path.unlink(missing_ok=True)
    return whole


def run(kernel: Callable[..., _Result], *arguments: object) -> _Result:
    """Call a kernel or a function that calls kernels; on a fault of the cache, without the cache."""
    try:
        return kernel(*arguments)
    except (OSError, EOFError, UnpicklingError) as err:
        # Kernels open no files: the error is that of the cache, damaged or on a full disk.
        disable_cache(err)
        return kernel(*arguments)


def are_cached() -> bool:
    """Whether the network kernels are cached for these sources; they take longest to compile."""
    return any(_folder().rglob("merge.*.nbi"))


def disable_cache(reason: BaseException) -> None:
    """Compile in this process without the cache, and empty the folder for the next process."""
    _log.warning("compiled kernels are not cached: %s", str(reason) or type(reason).__name__)
    for dispatcher in _dispatchers:
        dispatcher._cache = NullCache()
    shutil.rmtree(_folder(), ignore_errors=True)


@cache
def _folder() -> Path:
    """The cache folder of these sources: Numba checks the file of a function, not those of the functions it calls."""
    digest = hashlib.sha256()
    for path in (*sorted(Path(__file__).parent.glob("*.py")), Path(channels.__file__)):
        digest.update(path.read_bytes())
    return cache_folder() / "kernels" / digest.hexdigest()[:16]
