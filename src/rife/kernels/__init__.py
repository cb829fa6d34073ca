"""What Numba compiles: convolutions, the passes over a frame, colours; on arrays alone."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_log = logging.getLogger(__name__)


@cache
def kernels(name: str) -> ModuleType | None:
    """A module of this package; None where Numba, which is optional, is not installed or cannot be loaded."""
    if find_spec("numba") is None:
        return None
    try:
        return import_module(f"rife.kernels.{name}")
    except Exception as err:  # whatever a library that does not fit raises
        _log.warning("PyTorch does the work of kernels: Numba is installed, and cannot be loaded (%s).", err)
        return None
