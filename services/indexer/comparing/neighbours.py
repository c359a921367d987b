"""Candidates of a picture by the features of the published index, in whatever engine holds it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.engine import Index

MOST = 8
"""Neighbours that a picture is compared with."""
_PROBES, _SHARE = 8, 64
"""Lists that are looked at: so many, or one of so many."""


class Neighbours:
    """Nearest pictures by cosine, without the deleted ones."""

    def __init__(self, index: Index, deleted: NDArray[np.int64]) -> None:
        self._index = index
        self._mask = index.mask(deleted)

    def of(self, ordinal: int) -> Sequence[int]:
        """Return the nearest other pictures, nearest first; none if it isn't in the index."""
        vector = self._index.vector(ordinal)
        if vector is None:
            return []
        asked = self._index.ask(vector)
        clusters = self._index.clusters
        lists = self._index.rank(asked, min(max(_PROBES, clusters // _SHARE), clusters))
        found = self._index.scan(asked, lists, MOST + 1, Metric.COSINE, None, self._mask)
        return [one for one in found.ordinals.tolist() if one != ordinal][:MOST]
