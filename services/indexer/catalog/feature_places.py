"""Where features were stored: of one image, or of many."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureRows:
    """Where the features of images are: three int64 arrays of shape (n,)."""

    ordinals: NDArray[np.int64]
    shards: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "FeatureRows":
        return FeatureRows(self.ordinals[chosen], self.shards[chosen], self.rows[chosen])


@dataclass(frozen=True)
class FeaturePlace:
    """Where the features of one image were stored."""

    fingerprint: str
    shard: int
    row: int
