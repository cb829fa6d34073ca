"""Compiled kernels on disk. Nothing that goes wrong there costs more than time.

Each file ends with the hash of its content: a damaged kernel is machine code that does anything.
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

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Result = TypeVar("_Result")

# Sums may be rounded once instead of twice; that numbers may be NaN has to be respected.
_ARITHMETIC = {"contract", "nsz"}

_dispatchers: list[Any] = []
_log = logging.getLogger(__name__)


def compiled(function: _Function) -> _Function:
    """Compile a kernel when it is first called, and keep it in the cache folder, where that can be written."""
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
    """Numba's files of a kernel, each with the hash of its content behind it, where Numba does not look.

    A file that does not match its hash is absent: the kernel is compiled and the file written again.
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
            raise OSError  # Numba's word for a file that is absent
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
    """Call a kernel, or what calls kernels; compiled anew if what was kept of it is damaged."""
    try:
        return kernel(*arguments)
    except (OSError, EOFError, UnpicklingError) as err:
        # Kernels touch no files. This is what was kept of them on disk: damaged, or no room for it.
        do_without(err)
        return kernel(*arguments)


def are_kept() -> bool:
    """Whether those of networks are, of these sources; they take longest."""
    return any(_folder().rglob("merge.*.nbi"))


def do_without(reason: BaseException) -> None:
    """Compile in this process, and let the next one begin with an empty folder."""
    _log.warning("compiled kernels are not kept: %s", str(reason) or type(reason).__name__)
    for dispatcher in _dispatchers:
        dispatcher._cache = NullCache()
    shutil.rmtree(_folder(), ignore_errors=True)


@cache
def _folder() -> Path:
    """A folder for these sources: Numba itself looks at the file of a function, not at what the function calls."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return cache_folder() / "kernels" / digest.hexdigest()[:16]
