"""Reuse of freed memory, for the process of the command line.

Networks allocate the same tens of megabytes for every frame. The C library of Linux returns blocks of that size to the
system at once, and the system clears each page when it is allocated again.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt` (malloc.h)."""


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory for the next frame. It changes the whole process: for the command line only.

    Returns:
        Whether it could: only glibc has the setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_TRIM_THRESHOLD, (1 << 31) - 1))
