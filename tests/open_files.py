"""What it is like when a process has as many files open as it may."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_FEW = 512


@contextmanager
def no_more() -> Iterator[None]:
    """In the block no file can be opened."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[0], _FEW), limits[1]))
    try:
        with suppress(OSError):
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
