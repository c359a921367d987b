"""Writes a postings file row block by row block, so that memory stays small."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.ivf import layout
from shared.ivf.mapped import MappedWriter


class PostingsWriter:
    """Groups vectors by cluster while they stream in.

    Parameters
    ----------
    path: the file to write; it must not be read before `close`.
    dim: length of a vector.
    assignments: cluster of each row to come, int64 of shape (rows,), 0 <= value < clusters.
    ordinals: image number of each row to come, int64 of shape (rows,), each at most once.
    clusters: number of posting lists.
    centroids: float32 of shape (clusters, dim), or None where an earlier segment has them.
    """

    def __init__(
        self,
        path: Path,
        dim: int,
        assignments: NDArray[np.int64],
        ordinals: NDArray[np.int64],
        clusters: int,
        centroids: NDArray[np.float32] | None,
    ) -> None:
        rows = len(assignments)
        writer = MappedWriter(path)
        if centroids is not None:
            writer.declare(layout.CENTROIDS, "<f4", (clusters, dim))
        writer.declare(layout.LIST_OFFSETS, "<i8", (clusters + 1,))
        writer.declare(layout.ORDINALS, "<i8", (rows,))
        writer.declare(layout.BY_ORDINAL, "<i8", (rows,))
        writer.declare(layout.NORMS, "<f4", (rows,))
        writer.declare(layout.VECTORS, "<f4", (rows, dim))
        self._arrays = writer.allocate()
        if centroids is not None:
            self._arrays[layout.CENTROIDS][...] = centroids

        sizes = np.bincount(assignments, minlength=clusters)
        self._arrays[layout.LIST_OFFSETS][0] = 0
        self._arrays[layout.LIST_OFFSETS][1:] = np.cumsum(sizes)
        # Within a list rows stand in the order of their ordinals: neighbours in time read together.
        order = np.lexsort((ordinals, assignments))
        self._position = np.empty(rows, np.int64)
        self._position[order] = np.arange(rows)
        placed = ordinals[order]
        if rows:
            self._arrays[layout.ORDINALS][...] = placed
            self._arrays[layout.BY_ORDINAL][...] = np.argsort(placed, kind="stable")

    def put(self, start: int, vectors: NDArray[np.float32]) -> None:
        """Stores rows start : start + len(vectors), counted as `assignments` counts them."""
        if not len(vectors):
            return
        where = self._position[start : start + len(vectors)]
        self._arrays[layout.VECTORS][where] = vectors
        self._arrays[layout.NORMS][where] = np.linalg.norm(vectors.astype(np.float64), axis=1)

    def close(self) -> None:
        """Hands everything to the operating system; the caller makes it durable."""
        for array in self._arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
        self._arrays.clear()
