"""A small cache of recent values."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class Recent(Generic[T]):
    """Caches the `size` values that were used last. Safe to use from many threads."""

    def __init__(self, size: int) -> None:
        self._made: LRUCache[Hashable, T] = LRUCache(size)
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, creating it if necessary; two threads may do so at once."""
        with self._lock:
            if key in self._made:
                return self._made[key]
        made = make()
        with self._lock:
            self._made[key] = made
        return made
