"""The C library's allocator, which by itself keeps memory that threads have freed."""

import ctypes
import os

_M_ARENA_MAX = -8
_ARENAS = 2


def bound_arenas() -> None:
    """Have the threads of this process share two arenas of glibc's malloc, from now on.

    Each thread would have one of its own, up to eight a core, and each keeps what was freed in it:
    a service that decodes and multiplies in changing threads then grows for hours. Does nothing
    where MALLOC_ARENA_MAX says otherwise, or with another C library. See mallopt(3).
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
