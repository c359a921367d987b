"""Places of stored features: of one image, or of many."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete

from services.indexer.catalog.bulk_sql import add_rows, some_of
from services.indexer.catalog.schema import features


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


def put_features(
    db: Connection, stored: Mapping[int, Sequence[FeaturePlace]], new: Collection[int], change: int
) -> None:
    """Note where the features of images are, in the stead of where they were."""
    rows = {
        (place.fingerprint, ordinal): {
            "fingerprint": place.fingerprint,
            "ordinal": ordinal,
            "shard": place.shard,
            "row": place.row,
            "revision": change,
        }
        for ordinal, places in stored.items()
        for place in places
    }
    former: dict[str, list[int]] = {}
    for fingerprint, ordinal in rows:
        if ordinal not in new:
            former.setdefault(fingerprint, []).append(ordinal)
    for fingerprint, ordinals in former.items():
        is_its = features.c.fingerprint == fingerprint
        for batch in some_of(ordinals):
            db.execute(delete(features).where(is_its, features.c.ordinal.in_(batch)))
    add_rows(db, features, list(rows.values()))
