"""Places of stored features: of one image, or of many."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureRows:
    """Places of the features of images: three int64 arrays of shape (n,)."""

    ordinals: NDArray[np.int64]
    shards: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "FeatureRows":
        return FeatureRows(self.ordinals[chosen], self.shards[chosen], self.rows[chosen])


@dataclass(frozen=True)
class FeaturePlace:
    """Place of the features of one image."""

    fingerprint: str
    shard: int
    row: int
