"""Reads files ahead of their consumer, so that a store's latency doesn't slow the embedder."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    items: Iterable[T],
    read: Callable[[T], R],
    size: Callable[[T], int],
    at_once: int,
    most_bytes: int,
) -> Iterator[R]:
    """Yield the result of `read` for each item, in order.

    Up to `at_once` are read at a time, and twice as many wait to be taken; together they are some
    `most_bytes`, by their `size`.
    """
    waiting: deque[tuple[int, Future[R]]] = deque()
    held = 0
    with ThreadPoolExecutor(at_once, "read") as pool:
        try:
            for item in items:
                expected = size(item)
                while waiting and (len(waiting) >= 3 * at_once or held + expected > most_bytes):
                    done, future = waiting.popleft()
                    yield future.result()
                    held -= done
                waiting.append((expected, pool.submit(copy_context().run, read, item)))
                held += expected
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            for _, future in waiting:
                future.cancel()
