"""Interface of the engine that holds a space's vectors.

`ivf/engine.py` opens an index of the snapshot's own files, `milvus/engine.py` one of a collection
in Milvus; `table.py` names them both. The code above them, from paging to the audit, knows no more
than this. Building is the indexer's: `services/indexer/segments/engine.py`.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.contracts.filters import Filter
from shared.contracts.query import Metric
from shared.core.errors import Misconfigured
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import Candidates, IndexSearch, InvertedIndex
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.reader import Postings
from shared.snapshots.manifest import SegmentFile, SpaceManifest


class Refused(Misconfigured):
    """An engine can't do what was asked now; it may once it was set up otherwise."""


class Index(Protocol):
    """One space, immutable; search parameters are arguments.

    segments: who is in it. With Milvus they hold no vectors. metric: what it was built for; either
    can be asked for.
    """

    segments: list[Postings]
    metric: Metric

    @property
    def dim(self) -> int: ...

    @property
    def clusters(self) -> int: ...

    @property
    def rows(self) -> int: ...

    def is_coded(self, metric: Metric) -> bool:
        """Return whether codes of ours choose the candidates for a metric."""

    def mask(
        self,
        left_out: NDArray[np.int64],
        allowed: NDArray[np.bool_] | None = None,
        condition: Filter | None = None,
    ) -> Mask:
        """The rows that are left without some images; of those allowed, where given, which are
        those that meet the condition."""

    def vector(self, ordinal: int) -> NDArray[np.float32] | None:
        """The stored vector of an image, float32 of shape (dim,), or None."""

    def stored(self, ordinals: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ordinals of those of some images that are there, ascending, and their stored vectors,
        float32 of shape (n, dim)."""

    def vectors(self, found: Candidates) -> NDArray[np.float32]:
        """The stored vectors of what a scan found, float32 of shape (n, dim)."""

    def ask(self, vector: NDArray[np.float32]) -> PreparedQuery:
        """Makes a query ready; float32 of shape (dim,)."""

    def rank(
        self, asked: PreparedQuery, count: int, reach: float | None = None
    ) -> NDArray[np.int64]:
        """The `count` lists to look at, as `scan` takes them; less those beyond a reach, where the
        engine measures recall by one."""

    def search(
        self,
        asked: PreparedQuery,
        nprobe: int,
        reach: float | None,
        k: int,
        metric: Metric,
        depth: int | None = None,
        mask: Mask | None = None,
        include: int | None = None,
    ) -> Candidates:
        """Return the candidates that `scan` finds in the lists that `rank` gives.

        include: an ordinal to look at wherever it is, unless the mask leaves it out."""

    def search_many(self, searches: Sequence[IndexSearch]) -> list[Candidates]:
        """Return the candidates of many queries, as `search` does; they may share work."""

    def scan(
        self,
        asked: PreparedQuery,
        lists: NDArray[np.int64],
        k: int,
        metric: Metric,
        depth: int | None = None,
        mask: Mask | None = None,
        include: NDArray[np.int64] | None = None,
    ) -> Candidates:
        """The k nearest within some lists, the nearest first, and all ties with the last."""

    def among(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64], metric: Metric
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ordinals and exact distances of those of the given images that are in the index."""

    def kept(
        self, asked: PreparedQuery, nprobe: int, k: int, mask: Mask, reach: float | None = None
    ) -> int:
        """How many of the k nearest rows of the top clusters a mask keeps, as far as is known
        without a look at vectors."""

    def place(self, segment: int) -> str:
        """The name of what holds a segment."""

    def code_distance(self, asked: PreparedQuery, segment: int, ordinal: int) -> float | None:
        """How far an image is by its code, in the index's own metric; None where it has none."""

    def by_cluster(self) -> InvertedIndex:
        """The index, to be read cluster by cluster. Raises Conflict where the engine shows none."""


class SearchEngine(Protocol):
    """Engine as searches need it."""

    def open(
        self, space: SpaceManifest, segments: Sequence[Postings], former: Index | None = None
    ) -> Index:
        """Open a space. former: the index before, whose prepared parts may be taken over.

        Raises FingerprintMismatch where the engine holds vectors of another model under this name.
        """

    def vector_files(self, space: SpaceManifest) -> list[SegmentFile]:
        """Return the files of a space that hold its vectors; none where the engine keeps them."""

    def close(self) -> None:
        """Close the connection to the engine, if it has one."""


_SMALL = 2**21
"""Numbers of all vectors together, 8 MiB: comparing them takes less than half a millisecond."""


def is_small(index: Index) -> bool:
    """Tell whether comparing every row takes no longer than choosing among them.

    Of another engine, each row travels; so it is asked for what was measured to be enough.
    """
    return isinstance(index, InvertedIndex) and index.rows * index.dim <= _SMALL
