"""Features of the processor that kernels are compiled for."""

from __future__ import annotations

from functools import cache

from llvmlite import binding
from numba import config


@cache
def has(feature: str) -> bool:
    """Whether the processor has a feature, by LLVM's name, such as `avx512f`.

    The processor is this one, unless NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name another.
    """
    named: str | None = config.CPU_FEATURES  # type: ignore[attr-defined]
    return (
        f"+{feature}" in named.split(",") if named is not None else bool(binding.get_host_cpu_features().get(feature))
    )
