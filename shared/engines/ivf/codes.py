"""Posting lists of short codes, in memory: which rows of some lists are worth an exact look.

faiss compares 32 codes at a time in the CPU's registers ("fast scan"). It gets the lists to look at
from outside and never sees the vectors, so it stays small: about 72 bytes a row.
"""

import itertools

import faiss
import numpy as np
from numpy.typing import NDArray

from shared.engines.ivf.codec import BITS, Codec

_BLOCK = 32
# Positions of a block's 16 low and 16 high codes in faiss (faiss/impl/pq4_fast_scan.cpp).
_PLACES = np.array([0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15])
_PACKED_AT_ONCE = 1 << 16


class CodedLists:
    """The codes of one segment. Immutable; safe to search from many threads."""

    def __init__(
        self, codec: Codec, codes: NDArray[np.uint8], list_offsets: NDArray[np.int64]
    ) -> None:
        lists = len(list_offsets) - 1
        # faiss never uses the quantizer, because the lists are given.
        self._quantizer = faiss.IndexFlatL2(codec.width)
        self._index = faiss.IndexIVFPQFastScan(
            self._quantizer, codec.width, lists, codec.width // 2, BITS, faiss.METRIC_L2, _BLOCK
        )
        self._index.by_residual = False
        faiss.copy_array_to_vector(codec.codebooks.ravel(), self._index.pq.centroids)
        self._index.is_trained = True
        inverted = faiss.downcast_InvertedLists(self._index.invlists)
        for first, last in _runs(list_offsets):
            packed, starts = _packed(codes, list_offsets[first : last + 1])
            for number, start in zip(range(first, last), starts, strict=True):
                row, end = int(list_offsets[number]), int(list_offsets[number + 1])
                if row < end:
                    rows = np.arange(row, end)
                    inverted.add_entries(
                        number, end - row, faiss.swig_ptr(rows), faiss.swig_ptr(packed[start:])
                    )
        self._index.ntotal = len(codes)

    def nearest(
        self,
        query: NDArray[np.float32],
        lists: NDArray[np.int64],
        depth: int,
        allowed: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.int64]:
        """The rows of some lists whose codes are nearest, nearest first; at most `depth`.

        query: float32 (width,), projected. lists: int64 (n,). allowed: a bit a row, packed with the
        lowest first, uint8; rows whose bit is 0 are left out.
        """
        # One thread per query, because many run at once. It applies to this thread only.
        faiss.omp_set_num_threads(1)
        lists = np.ascontiguousarray(lists, np.int64)
        unused = np.zeros(len(lists), np.float32)
        distances = np.empty(depth, np.float32)
        rows = np.empty(depth, np.int64)
        selector = None
        if allowed is not None:
            selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(allowed))
        parameters = faiss.IVFSearchParameters(nprobe=len(lists), sel=selector)
        # faiss's own wrapper accepts no parameters, and without them nprobe would be shared state.
        self._index.search_preassigned_c(
            1, faiss.swig_ptr(query), depth, faiss.swig_ptr(lists), faiss.swig_ptr(unused),
            faiss.swig_ptr(distances), faiss.swig_ptr(rows), False, parameters,
        )  # fmt: skip
        return rows[rows >= 0]


def _runs(list_offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of lists, each of so many rows that packing it takes little memory."""
    edges = np.arange(_PACKED_AT_ONCE, list_offsets[-1], _PACKED_AT_ONCE)
    cuts = np.unique(np.searchsorted(list_offsets, edges)).tolist()
    ends = [0, *cuts, len(list_offsets) - 1]
    return [(a, b) for a, b in itertools.pairwise(ends) if a < b]


def _packed(
    codes: NDArray[np.uint8], list_offsets: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The codes of some lists as faiss's fast scan wants them; and the byte each list begins at."""
    sizes = np.diff(list_offsets)
    blocks = -(-sizes // _BLOCK)
    firsts = np.cumsum(blocks) - blocks
    rows = np.arange(list_offsets[0], list_offsets[-1])
    shifts = firsts * _BLOCK - (list_offsets[:-1])
    table = np.zeros((int(blocks.sum()) * _BLOCK, codes.shape[1]), np.uint8)
    table[rows + np.repeat(shifts, sizes)] = codes[list_offsets[0] : list_offsets[-1]]
    columns = table.reshape(-1, _BLOCK, codes.shape[1]).transpose(0, 2, 1)
    halves = [
        part[..., _PLACES] | part[..., _PLACES + 16] << 4 for part in (columns & 15, columns >> 4)
    ]
    packed = np.concatenate(halves, axis=-1).reshape(-1)
    return packed, firsts * _BLOCK * codes.shape[1]
