"""Decompositions of small matrices, each by one thread.

LAPACK's inner steps are so short that threads mostly wait for each other: on busy processors an
eigendecomposition by all threads took nine times as long as by one.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController


@functools.cache
def _libraries() -> ThreadpoolController:
    """Return the process's libraries, found once: to look for them takes longer than a product."""
    return ThreadpoolController()


class _Limit:
    """Limit of the process's products to a thread each, while anyone needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._restore: Callable[[], None] = lambda: None

    def begin(self) -> None:
        with self._lock:
            if not self._users:
                limit = _libraries().limit(limits=1, user_api="blas")
                self._restore = limit.restore_original_limits
            self._users += 1

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._restore()


_limit = _Limit()


@contextmanager
def one_thread() -> Iterator[None]:
    """numpy's products take one thread each, in the whole process; within it, too."""
    _limit.begin()
    try:
        yield
    finally:
        _limit.end()


def orthonormal(columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return an orthonormal basis of the columns' span: (n, count) -> (n, count), n >= count."""
    with one_thread():
        return np.linalg.qr(columns)[0]


def principal_axes(centred: NDArray[np.floating]) -> NDArray[np.float64]:
    """The directions in which rows (n, dim) of mean 0 vary, as columns (dim, dim), most first."""
    covariance = (centred.T @ centred).astype(np.float64)
    with one_thread():
        axes: NDArray[np.float64] = np.linalg.eigh(covariance)[1]
    return axes[:, ::-1]
