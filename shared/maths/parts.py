"""Work on the rows of a table: a part at a time, which stays in a processor's cache, on all cores.

A product of large matrices by all threads of a library leaves arrays of many megabytes, which one
thread then goes through.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.core.processors import processors
from shared.maths.linear_algebra import one_thread

T = TypeVar("T")


def in_parts(work: Callable[[slice], T], rows: int, size: int) -> list[T]:
    """Return the results of some work on each `size` rows, in their order.

    Products of numpy take one thread each meanwhile.
    """
    parts = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    if len(parts) < 2 or processors() < 2:
        return [work(part) for part in parts]
    with one_thread(), ThreadPoolExecutor(min(processors(), len(parts))) as threads:
        return list(threads.map(work, parts))
