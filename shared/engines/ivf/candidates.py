"""Arguments of a search of an index, and what it finds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.record import record
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.mask import Mask


@record
class Candidates:
    """Candidates of a scan, nearest first, ties in no order.

    ordinals, distances, clusters, ranks (of the cluster, from 1; 0 where it wasn't probed),
    segments (index): shape (n,). `scanned`: rows in the probed lists. `live`: rows there are. Both
    less those that the mask leaves out. `reranked`: rows whose stored vector was read.
    """

    ordinals: NDArray[np.int64]
    distances: NDArray[np.float64]
    clusters: NDArray[np.int64]
    ranks: NDArray[np.int64]
    segments: NDArray[np.int64]
    scanned: int
    live: int
    nprobe: int
    reranked: int

    def without(self, ordinals: Sequence[int]) -> Self:
        """The same, less some images."""
        if not ordinals:
            return self
        return self.at(~np.isin(self.ordinals, ordinals))

    def at(self, kept: NDArray[Any]) -> Self:
        """Some of them: which, as flags or as places."""
        each = ("ordinals", "distances", "clusters", "ranks", "segments")
        return replace(self, **{name: getattr(self, name)[kept] for name in each})


@record
class IndexSearch:
    """Arguments of `InvertedIndex.search`, for many at once."""

    asked: PreparedQuery
    nprobe: int
    reach: float | None
    k: int
    metric: Metric
    depth: int | None = None
    mask: Mask | None = None
    include: int | None = None
