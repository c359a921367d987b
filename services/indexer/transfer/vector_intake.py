"""Takes vectors in that come with ids of their own: checked, stored, recorded."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.vectors import VectorTable
from services.indexer.storage.feature_store import FeatureStore
from shared.contracts.features import ExportedRecord
from shared.core.errors import BadVector, Conflict, InvalidInput, ISEError
from shared.maths.distances import MAX_VALUE, NO_DIRECTION, has_direction
from shared.models.external import is_external


@dataclass(frozen=True)
class Taken:
    """How many images were new, and how many were there with the same vector."""

    added: int
    exists: int


class Vectors:
    """Adds images by their vectors. An id keeps its vector: from outside, another is refused."""

    def __init__(self, table: VectorTable, features: FeatureStore) -> None:
        self.table = table
        # Held between looking an id up and recording it.
        self.lock = threading.RLock()
        self._features = features

    def problems(
        self, fingerprint: str, records: Sequence[ExportedRecord], vectors: NDArray[np.float32]
    ) -> Iterator[tuple[int, ISEError]]:
        """The rows that can't be taken, ascending, and why.

        Features of a picture are what the embedder made of it: they may be zero, and the last bits
        differ from batch to batch.
        """
        with np.errstate(invalid="ignore"):
            usable: NDArray[np.bool_] = np.all(np.abs(vectors) < MAX_VALUE, axis=1)
        bad, zero = ~usable, np.zeros(len(records), bool)
        if is_external(fingerprint):
            zero = ~has_direction(vectors)
            bad |= zero | self._other(fingerprint, records, vectors)
        over = self.table.over_bounds(records)
        bad[list(over)] = True
        for row in np.flatnonzero(bad).tolist():
            name = f"The vector of {records[row].id!r}"
            if not usable[row]:
                why = f"{name} has numbers that are not finite, or not below {MAX_VALUE:g}."
                yield row, BadVector(why)
            elif zero[row]:
                yield row, BadVector(f"{name} {NO_DIRECTION}.")
            elif row in over:
                yield row, InvalidInput(f"{records[row].id!r}: {over[row]}")
            else:
                yield (
                    row,
                    Conflict(
                        f"{name} differs from the stored one. Delete the image to replace it."
                    ),
                )

    def take(
        self, fingerprint: str, records: Sequence[ExportedRecord], vectors: NDArray[np.float32]
    ) -> Taken:
        """Stores and records what has no problems; ids differ. Raises FingerprintMismatch."""
        ids = [record.id for record in records]
        there = self.table.stored(fingerprint, ids)
        new = [row for row, image_id in enumerate(ids) if image_id not in there]
        stored = {}
        if new:
            # Features first, so that every record has features.
            shard = self._features.append(fingerprint, vectors[new])
            stored = {ids[row]: (shard, at) for at, row in enumerate(new)}
        self.table.record(fingerprint, records, stored)
        if len(self.table.stored(fingerprint, ids)) < len(ids):
            # A concurrent deletion removed one of them.
            return self.take(fingerprint, records, vectors)
        return Taken(len(new), len(ids) - len(new))

    def _other(
        self, fingerprint: str, records: Sequence[ExportedRecord], vectors: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Return a mask of the rows whose id is there with another vector."""
        other = np.zeros(len(records), bool)
        places = self.table.stored(fingerprint, [record.id for record in records])
        rows = np.array([r for r, record in enumerate(records) if record.id in places], np.int64)
        if len(rows):
            where = np.array([places[records[row].id] for row in rows], np.int64)
            order = np.lexsort((where[:, 1], where[:, 0]))
            rows, where = rows[order], where[order]
            stored = self._features.read(fingerprint, FeatureRows(rows, where[:, 0], where[:, 1]))
            other[rows] = (stored != vectors[rows]).any(axis=1)
        return other
