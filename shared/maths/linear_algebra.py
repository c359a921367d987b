"""Decompositions of small matrices, each by one thread.

LAPACK's inner steps are so short that threads mostly wait for each other: on busy processors an
eigendecomposition by all threads took nine times as long as by one.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController


@functools.cache
def _libraries() -> ThreadpoolController:
    """Return the process's libraries, found once: to look for them takes longer than a product."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """numpy's products take one thread each, in the whole process."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


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
