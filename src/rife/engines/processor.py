"""What this processor can do, as LLVM finds it."""

from __future__ import annotations

import platform
from functools import cache

from llvmlite import binding
from numba import config

IS_X86 = platform.machine().lower() in ("x86_64", "amd64")


@cache
def has(feature: str) -> bool:
    """Whether the processor has a feature, by LLVM's name for it: `avx512f`.

    Numba can be told to compile for another processor than this one (NUMBA_CPU_FEATURES); then that one counts.
    """
    named: str | None = config.CPU_FEATURES  # type: ignore[attr-defined]
    return f"+{feature}" in named.split(",") if named else bool(binding.get_host_cpu_features().get(feature))
