"""Kernels that Numba compiles, on NumPy arrays: convolutions, passes over a frame, conversion between YUV and RGB."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_log = logging.getLogger(__name__)


def is_installed(library: str) -> bool:
    """Whether a library can be imported; the folder that a partly removed library leaves does not count."""
    try:
        spec = find_spec(library)
    except (ImportError, ValueError):  # a module of that name without a specification
        return False
    return spec is not None and spec.origin is not None


@cache
def kernels(name: str) -> ModuleType | None:
    """Import a module of this package; None if Numba, which is optional, is not installed or cannot be loaded."""
    if not is_installed("numba"):
        return None
    try:
        return import_module(f"rife.kernels.{name}")
    except Exception as err:  # an incompatible library may raise anything
        _log.warning("PyTorch does the work of kernels: Numba is installed, and cannot be loaded (%s).", err)
        return None


def passes(what: str, self_test: Callable[[], bool]) -> bool:
    """Run a self-test of kernels, and log a warning if they are wrong on this machine.

    Args:
        what: the kernels' task, for the message.
        self_test: compares the kernels with PyTorch on a small input.
    """
    try:
        right, reason = self_test(), "another result than PyTorch's"
    except Exception as err:  # a compiler may raise anything on an unknown processor
        right, reason = False, f"{type(err).__name__}: {err}"
    if not right:
        _log.warning(
            "Kernels for %s failed their self-test (%s). PyTorch does their work. Please report this.",
            what,
            reason,
            extra={"is_fault": True},
        )
    return right
