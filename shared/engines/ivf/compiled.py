"""The compiled search (`native/`): one call from a query vector to exact distances.

Runs on x86-64 processors with AVX2 where the extension was built; elsewhere `InvertedIndex` does
the same steps by faiss and numpy. FAISS_SIMD_LEVEL, which limits faiss to older instructions,
limits this too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.errors import Corrupt
from shared.core.processors import processors
from shared.engines.ivf.candidates import Candidates
from shared.engines.ivf.coarse import Coarse
from shared.engines.ivf.extension import native as _native
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.reader import Postings

_METRICS = {Metric.COSINE: 0, Metric.L2: 1}


CompiledSearch = tuple[NDArray[np.float32], int, float | None, int, Metric, int | None, int | None]
"""Vector, nprobe, reach, k, metric, depth, image to include."""


def is_available() -> bool:
    """Tell whether the compiled search runs here."""
    return _native() is not None


def _candidates(found: tuple[bytes, int, int, int, int], live: int) -> Candidates:
    data, count, scanned, reranked, nprobe = found
    columns = np.frombuffer(data, np.int64).reshape(5, count)
    ordinals, clusters, ranks, segments, away = columns
    distances = away.view(np.float64)
    return Candidates(
        ordinals, distances, clusters, ranks, segments, scanned, live, nprobe, reranked
    )


class CompiledSegment:
    """One segment as the compiled search reads it. Immutable; keeps the arrays of `postings`."""

    def __init__(self, postings: Postings) -> None:
        native, vectors = _native(), postings.vectors
        if native is None:
            raise RuntimeError("the compiled search can't run here")
        codes = postings.codes
        self.is_coded = codes is not None
        offset = vectors.offset if isinstance(vectors, np.memmap) else 0
        arrays = (
            np.ascontiguousarray(postings.list_offsets, np.int64),
            np.ascontiguousarray(postings.ordinals, np.int64),
            postings.by_ordinal,
            postings.norms,
            vectors,
            codes,
        )
        shape = (
            postings.clusters,
            0 if codes is None else codes.shape[1],
            vectors.dtype.itemsize * postings.dim,
            vectors.dtype.itemsize == 2,
            postings.file if isinstance(vectors, np.memmap) else -1,
            offset,
        )
        try:
            self.handle: object = native.segment(*shape, *arrays)
        except ValueError as error:
            raise Corrupt(f"{postings.path.name}: its arrays don't agree: {error}.") from error
        # The file descriptor closes with the postings.
        self._postings = postings


class CompiledIndex:
    """Segments over one set of centroids. Immutable; safe to search from many threads."""

    def __init__(
        self, coarse: Coarse, segments: Sequence[Postings], former: "CompiledIndex | None" = None
    ) -> None:
        """former: an index over the same centroids, whose segments are taken over."""
        native, codec = _native(), coarse.codec
        if native is None or codec is None:
            raise RuntimeError("the compiled search can't run here")
        self._native = native
        for one in segments:
            codes = codec.code_size if one.codes is None else one.codes.shape[1]
            fitting = (len(coarse.points), codec.projection.shape[0], codec.code_size)
            if (one.clusters, one.dim, codes) != fitting:
                raise Corrupt(f"{one.path.name}: it doesn't fit the clusters of its index.")
        ready: dict[Postings, CompiledSegment] = {} if former is None else former._ready
        self._ready: dict[Postings, CompiledSegment] = {
            one: ready.get(one) or CompiledSegment(one) for one in segments
        }
        self._segments = tuple(self._ready[one].handle for one in segments)
        self._first = self._ready[segments[0]]
        arrays = (codec.projection, codec.offset, coarse.points, coarse.squares, codec.codebooks)
        self._coarse: object = native.coarse(
            codec.projection.shape[0],
            codec.width,
            len(coarse.points),
            coarse.points.shape[1],
            _METRICS[coarse.metric],
            *(np.ascontiguousarray(array, np.float32) for array in arrays),
        )

    @staticmethod
    def fits(coarse: Coarse, segments: Sequence[Postings]) -> bool:
        """Tell whether such an index can be searched by compiled code."""
        return (
            is_available()
            and coarse.codec is not None
            and segments[0].codes is not None
            and all(
                one.vectors.dtype in (np.float32, np.float16)
                and one.vectors.flags.aligned
                and one.vectors.flags.c_contiguous
                and one.by_ordinal.flags.aligned
                for one in segments
            )
        )

    def search(
        self,
        vector: NDArray[np.float32],
        lists: NDArray[np.int64] | None,
        nprobe: int,
        reach: float | None,
        k: int,
        metric: Metric,
        depth: int,
        mask: Mask | None,
        include: int | None,
        live: int,
    ) -> Candidates:
        """The k nearest within some lists, or within the nearest `nprobe` up to a reach.

        mask: None: all rows may be hits. live: how many may be. Nothing is searched where the lists
        are all there are.
        """
        return _candidates(
            self._native.search(
                self._coarse,
                self._segments,
                np.ascontiguousarray(vector, np.float32),
                None if lists is None else np.ascontiguousarray(lists, np.int64),
                nprobe,
                reach,
                k,
                _METRICS[metric],
                depth,
                None if mask is None else mask.arrays,
                include,
            ),
            live,
        )

    def search_many(
        self, searches: Sequence[CompiledSearch], mask: Mask | None, live: int
    ) -> list[Candidates]:
        """Return what `search` does for each, on all processors of this process."""
        each = tuple(
            (np.ascontiguousarray(vector, np.float32), nprobe, reach, k, _METRICS[metric], *rest)
            for vector, nprobe, reach, k, metric, *rest in searches
        )
        arrays = None if mask is None else mask.arrays
        found = self._native.search_many(self._coarse, self._segments, each, arrays, processors())
        return [_candidates(one, live) for one in found]

    def chosen_by_codes(
        self,
        queries: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
        depth: int,
        metric: Metric,
    ) -> list[NDArray[np.int64]]:
        """Rows of the first segment whose codes are nearest, nearest first; at most `depth`.

        queries: vectors, each with its lists; shared by all processors of this process.
        """
        each = tuple(
            (np.ascontiguousarray(vector, np.float32), np.ascontiguousarray(lists, np.int64))
            for vector, lists in queries
        )
        found = self._native.nearest_many(
            self._coarse, self._first.handle, each, depth, _METRICS[metric], processors()
        )
        # Keys in the upper half, rows in the lower one.
        ordered = (np.sort(np.frombuffer(keys, np.uint64)) for keys in found)
        return [(keys & 0xFFFFFFFF).astype(np.int64) for keys in ordered]
