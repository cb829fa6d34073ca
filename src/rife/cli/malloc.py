"""Memory that is used again instead of given back, for a process of our own.

Networks ask for the same tens of megabytes for every frame. The C library of Linux gives blocks of that size back to
the system at once, and the system clears each page when it is asked for again.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt` (malloc.h)."""


def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed for the next frame. For the command line: it changes the whole process.

    Returns:
        Whether it could: only glibc has the setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_TRIM_THRESHOLD, (1 << 31) - 1))
