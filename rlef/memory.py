"""How this process takes memory from the system: on Linux, it keeps what it has taken.

An update makes and drops thousands of tensors of some megabytes. glibc maps each of those anew and gives it back at
once, so that the kernel hands out and clears every page again: up to a fifth of an update's time on processors. Kept,
and in large pages where the system has them, it is taken once.
"""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of mallopt(3)


def keep_memory() -> None:
    """Keep what is taken from now on; to be called before torch is imported. Does little where there is no glibc."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch asks for large pages
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, -1)
