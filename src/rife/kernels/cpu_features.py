"""What the processor can do that kernels are compiled for."""

from __future__ import annotations

from functools import cache

from llvmlite import binding
from numba import config


@cache
def has(feature: str) -> bool:
    """Whether it has a feature, by LLVM's name for it: `avx512f`.

    It is this processor, unless Numba is told of another (NUMBA_CPU_NAME, NUMBA_CPU_FEATURES).
    """
    named: str | None = config.CPU_FEATURES  # type: ignore[attr-defined]
    return (
        f"+{feature}" in named.split(",") if named is not None else bool(binding.get_host_cpu_features().get(feature))
    )
