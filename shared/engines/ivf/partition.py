"""How a space is divided: what the segments of one index have in common."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.errors import Corrupt
from shared.engines.ivf.codec import Codec
from shared.engines.ivf.reader import Postings


@dataclass(frozen=True)
class Partition:
    """centroids: float32 (clusters, dim). metric: what they and the codes were made for.

    codec: None where vectors have no codes. dtype: of the stored vectors, float32 or float16.
    """

    centroids: NDArray[np.float32]
    metric: Metric
    codec: Codec | None = None
    dtype: str = "float32"

    @classmethod
    def of(cls, first: Postings, metric: Metric) -> Self:
        """Return the partition of an index whose first segment this is. Raises Corrupt."""
        if first.centroids is None:
            raise Corrupt(f"{first.path.name} should have the centroids, but has none.")
        return cls(first.centroids, metric, first.codec, first.vectors.dtype.name)

    @property
    def clusters(self) -> int:
        return len(self.centroids)

    @property
    def dim(self) -> int:
        return int(self.centroids.shape[1])
