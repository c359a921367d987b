"""What each model made of the built-in picture when its first features were stored.

`features/<fingerprint>/canary.npy`, float32 (dim,); every snapshot has a copy.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from services.indexer.embedding import Embedding, ModelPair
from services.indexer.features import FeatureStore
from shared import canary
from shared.errors import ISEError
from shared.external import is_external
from shared.snapshots.manifest import Manifest

log = logging.getLogger(__name__)

Vector = NDArray[np.float32]


class Canaries:
    """Keeps them, and compares them with what the embedder makes of it now."""

    def __init__(self, features: FeatureStore, embedding: Embedding) -> None:
        self._features = features
        self._embedding = embedding
        self._passed: set[tuple[str, str]] = set()

    def check(self, pair: ModelPair) -> None:
        """Raises ModelDrift where features of now would not fit those that are stored.

        Each process of an embedder is asked once.
        """
        before = {fingerprint: self._features.canary(fingerprint) for fingerprint in pair.all}
        open_ = {f for f in pair.all if (pair.instance, f) not in self._passed}
        if not open_ or all(before[f] is None for f in open_):
            return
        now = self._now(pair)
        for fingerprint, vector in before.items():
            if vector is None:
                continue
            distance = canary.drift(now[fingerprint].tolist(), vector.tolist())
            if distance > canary.LARGEST_DRIFT:
                raise canary.drifted(fingerprint, distance)
            self._passed.add((pair.instance, fingerprint))

    def beside(self, manifest: Manifest) -> Manifest:
        """A manifest with those of its models; without, where no embedder tells them now."""
        visual = manifest.visual
        if visual is None or is_external(visual.fingerprint):
            return manifest
        pair = ModelPair(visual.fingerprint, manifest.matching_fingerprint or visual.fingerprint)
        try:
            self._keep(pair)
        except ISEError as error:
            log.warning("the built-in picture can't be embedded yet: %s", error.detail)
        kept = {fingerprint: self._features.canary(fingerprint) for fingerprint in pair.all}
        canaries = {f: vector.tolist() for f, vector in kept.items() if vector is not None}
        return manifest.model_copy(update={"canaries": canaries})

    def _keep(self, pair: ModelPair) -> None:
        new = {f for f in pair.all if self._features.canary(f) is None}
        if not new:
            return
        now = self._now(pair)
        for fingerprint in sorted(new):
            self._features.keep_canary(fingerprint, now[fingerprint])

    def _now(self, pair: ModelPair) -> dict[str, Vector]:
        [embedded] = self._embedding.images([canary.picture()], pair)
        if embedded.error is not None:
            raise ISEError(f"The built-in picture can't be embedded: {embedded.error}")
        return embedded.features
