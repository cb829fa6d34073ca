"""What Numba compiles: convolutions, the passes over a frame, colours; on arrays alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_log = logging.getLogger(__name__)


def is_installed(library: str) -> bool:
    """Whether a library is there to be imported; a folder that a half-removed one has left is none."""
    try:
        spec = find_spec(library)
    except (ImportError, ValueError):  # a module without a specification stands under that name
        return False
    return spec is not None and spec.origin is not None


@cache
def kernels(name: str) -> ModuleType | None:
    """A module of this package; None where Numba, which is optional, is not installed or cannot be loaded."""
    if not is_installed("numba"):
        return None
    try:
        return import_module(f"rife.kernels.{name}")
    except Exception as err:  # whatever a library that does not fit raises
        _log.warning("PyTorch does the work of kernels: Numba is installed, and cannot be loaded (%s).", err)
        return None


def passes(what: str, self_test: Callable[[], bool]) -> bool:
    """Run a self-test of kernels; say so where they are wrong on this machine.

    Args:
        what: the kernels do, for the message.
        self_test: whether they return, for a small input, what PyTorch returns.
    """
    try:
        right, reason = self_test(), "another result than PyTorch's"
    except Exception as err:  # whatever a compiler raises on a machine that it does not know
        right, reason = False, f"{type(err).__name__}: {err}"
    if not right:
        _log.warning(
            "Kernels for %s failed their self-test (%s). PyTorch does their work. Please report this.",
            what,
            reason,
            extra={"is_fault": True},
        )
    return right
