"""Writes a postings file row block by row block, so that memory stays small."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.engines.ivf import layout
from shared.engines.ivf.partition import Partition
from shared.files.mapped import MappedWriter, let_go
from shared.maths.distances import prepared
from shared.maths.parts import in_parts

# Rows that are stored at a time.
_PART = 512


class PostingsWriter:
    """Groups vectors by cluster while they stream in.

    Parameters
    ----------
    path: the file to write; it must not be read before `close`.
    partition: whose lists they are.
    assignments: cluster of each row to come, int64 of shape (rows,), 0 <= value < clusters.
    ordinals: image number of each row to come, int64 of shape (rows,), each at most once.
    is_first: whether it is the segment that keeps the partition itself.
    is_coded: whether to write codes beside the vectors, where the partition has a codec.
    """

    def __init__(
        self,
        path: Path,
        partition: Partition,
        assignments: NDArray[np.int64],
        ordinals: NDArray[np.int64],
        is_first: bool = True,
        is_coded: bool = True,
    ) -> None:
        rows = len(assignments)
        clusters, codec = partition.clusters, partition.codec
        self._metric = partition.metric
        self._codec = codec if is_coded else None
        learned: dict[str, NDArray[np.float32]] = {}
        if is_first:
            learned[layout.CENTROIDS] = partition.centroids
            if codec is not None:
                learned[layout.MEAN] = codec.mean
                learned[layout.PROJECTION] = codec.projection
                learned[layout.CODEBOOKS] = codec.codebooks
        writer = MappedWriter(path)
        for name, values in learned.items():
            writer.declare(name, "<f4", values.shape)
        writer.declare(layout.LIST_OFFSETS, "<i8", (clusters + 1,))
        writer.declare(layout.ORDINALS, "<i8", (rows,))
        writer.declare(layout.BY_ORDINAL, "<i8", (rows,))
        writer.declare(layout.NORMS, "<f4", (rows,))
        if self._codec is not None:
            writer.declare(layout.CODES, "u1", (rows, self._codec.code_size))
        stored = np.dtype(partition.dtype).newbyteorder("<")
        writer.declare(layout.VECTORS, stored, (rows, partition.dim))
        self._arrays = writer.allocate()
        for name, values in learned.items():
            self._arrays[name][...] = values

        sizes = np.bincount(assignments, minlength=clusters)
        self._arrays[layout.LIST_OFFSETS][0] = 0
        self._arrays[layout.LIST_OFFSETS][1:] = np.cumsum(sizes)
        # Within a list rows are ordered by ordinal, so that images added together are read
        # together.
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
        stored = self._arrays[layout.VECTORS]

        def put(part: slice) -> None:
            own = vectors[part]
            where = self._position[start + part.start : start + part.stop]
            rounded = own.astype(stored.dtype, copy=False)
            stored[where] = rounded
            squares = np.einsum("ij,ij->i", rounded, rounded, dtype=np.float64)
            self._arrays[layout.NORMS][where] = np.sqrt(squares)
            if self._codec is not None:
                self._arrays[layout.CODES][where] = self._codec.encode(prepared(own, self._metric))

        in_parts(put, len(vectors), _PART)
        let_go(stored)

    def close(self) -> None:
        """Hands everything to the operating system; the caller makes it durable."""
        for array in self._arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
        self._arrays.clear()
