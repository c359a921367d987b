"""Canaries: each model's features of the built-in picture from when its first features were stored.

`features/<fingerprint>/canary.npy`, float32 (dim,); every snapshot has a copy.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.database import Database
from services.indexer.storage.feature_store import FeatureStore
from shared.models import canary

Vector = NDArray[np.float32]

_KEPT = 256


class Canaries:
    """Stores canaries, and compares each process of an embedder with them."""

    def __init__(self, features: FeatureStore, database: Database) -> None:
        self._features = features
        self._database = database
        self._passed: dict[tuple[str, str], None] = {}

    def kept(self, fingerprints: Iterable[str]) -> dict[str, Vector]:
        """Return the stored canaries."""
        found = {fingerprint: self._features.canary(fingerprint) for fingerprint in fingerprints}
        return {fingerprint: one for fingerprint, one in found.items() if one is not None}

    def has_passed(self, instance: str, fingerprint: str) -> bool:
        """Return whether a process passed the comparison before."""
        return (instance, fingerprint) in self._passed

    def compare(self, instance: str, fingerprint: str, vector: Vector) -> None:
        """Compare a process with the first one, whose features are the reference.

        Raises ModelDrift if its features don't match the stored ones.
        """
        kept = self._first(fingerprint, vector)
        distance = canary.drift(vector.tolist(), kept.tolist())
        if distance > canary.LARGEST_DRIFT:
            raise canary.drifted(fingerprint, distance)
        # Each restart of an embedder is another process.
        passed = {**self._passed, (instance, fingerprint): None}
        self._passed = dict.fromkeys(list(passed)[-_KEPT:])

    def _first(self, fingerprint: str, vector: Vector) -> Vector:
        if (kept := self._features.canary(fingerprint)) is not None:
            return kept
        # The lock makes one thread of all workers the first to store it.
        with self._database.write():
            if (kept := self._features.canary(fingerprint)) is not None:
                return kept
            self._features.keep_canary(fingerprint, vector)
            return vector
