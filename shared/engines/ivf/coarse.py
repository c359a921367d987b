"""The coarse quantizer: centroids, and how a query is compared with them."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.ivf.codec import Codec
from shared.engines.ivf.partition import Partition
from shared.maths import distances


class PreparedQuery:
    """A query as it came, as it's compared with centroids, and with codes. Immutable.

    The compiled search computes the latter two itself, so they are made when asked for.
    """

    def __init__(
        self, vector: NDArray[np.float32], metric: Metric = Metric.L2, codec: Codec | None = None
    ) -> None:
        """vector: float32 (dim,). metric: that of the clusters."""
        self.vector = vector
        self._metric = metric
        self._codec = codec

    @cached_property
    def point(self) -> NDArray[np.float32]:
        """The query as it's compared with centroids; float32 (dim,)."""
        return distances.unit(self.vector) if self._metric is Metric.COSINE else self.vector

    @cached_property
    def reduced(self) -> NDArray[np.float32] | None:
        """The query as it's compared with codes: float32 (width,), or None where there are none."""
        return None if self._codec is None else self._codec.project(self.point)


class Coarse:
    """Ranks the clusters of a partition by L2. Immutable."""

    def __init__(self, partition: Partition) -> None:
        self.metric = partition.metric
        self.centroids = partition.centroids
        self.codec = partition.codec
        # Centroids are compared in the dimensions of the codes, if there are codes.
        self.points = self.centroids
        centred = self.centroids
        if self.codec is not None and self.codec.width < partition.dim:
            self.points = self.codec.project(self.centroids)
            centred = self.centroids - self.codec.mean
        self.squares = np.einsum("ij,ij->i", centred, centred)

    def ask(self, vector: NDArray[np.float32]) -> PreparedQuery:
        """Makes a query ready; float32 of shape (dim,)."""
        return PreparedQuery(vector, self.metric, self.codec)

    def rank(
        self, asked: PreparedQuery, count: int, reach: float | None = None
    ) -> NDArray[np.int64]:
        """The clusters nearest to the query by L2, the nearest first: `count` of them.

        reach: less those whose squared distance is more than the nearest one's by more than this.
        A query deep inside a cluster then takes few, one between many takes many (query-aware
        pruning, SPANN, NeurIPS 2021; with a difference instead of its ratio).
        """
        away = self._away(asked)
        top = np.arange(len(away))
        if reach is not None:
            top = np.flatnonzero(away - away.min() <= reach)
        if count < len(top):
            # Include all ties with the last one, so that ties are ordered by number as in a full
            # sort.
            top = top[away[top] <= np.partition(away[top], count - 1)[count - 1]]
        return top[np.argsort(away[top], kind="stable")[:count]]

    def gaps(self, asked: PreparedQuery) -> NDArray[np.float32]:
        """Return the excess of each cluster's squared distance over the nearest one's; float32
        (clusters,).
        """
        away = self._away(asked)
        gaps: NDArray[np.float32] = away - away.min()
        return gaps

    def _away(self, asked: PreparedQuery) -> NDArray[np.float32]:
        """Squared distances of all clusters, less what is the same for all; float32 (clusters,).

        Where codes have fewer dimensions than vectors, what the centroids have in the other ones
        counts in full, and what the query has there, which moves all alike, not at all.
        """
        point = asked.point
        if self.points is not self.centroids and asked.reduced is not None:
            point = asked.reduced
        away: NDArray[np.float32] = self.squares - 2 * (self.points @ point)
        return away
