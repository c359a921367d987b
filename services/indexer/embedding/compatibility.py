"""Compatibility of additions with the indexed collection.

Checked before anything is recorded, so that a refused addition leaves nothing behind.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from services.indexer.catalog.fingerprints import mismatch
from services.indexer.embedding.client import Embedding, ModelPair
from shared.core.errors import BadVector, FingerprintMismatch, ISEError
from shared.models import canary
from shared.models.external import is_external
from shared.snapshots.manifest import Manifest

log = logging.getLogger(__name__)


class Compatibility:
    """Compares models and vectors with those of the current snapshot, while it has images."""

    def __init__(
        self,
        embedding: Embedding,
        current: Callable[[], Manifest],
        live: Callable[[Manifest], int],
    ) -> None:
        """`live`: how many images of a snapshot aren't deleted."""
        self._embedding = embedding
        self._canaries = embedding.canaries
        self._current = current
        self._live = live

    def fitting_pair(self) -> ModelPair:
        """Return the models in use, which fit the snapshot. Raises as `check_model`."""
        while True:
            before = _models_of(self._current())
            pair = self._embedding.pair()
            try:
                self.check_model(pair)
                return pair
            except FingerprintMismatch:
                # The collection may have gone over to other models since the embedder was asked.
                if _models_of(self._current()) == before:
                    raise

    def check_visual(self, pair: ModelPair) -> None:
        """Raises FingerprintMismatch or ModelDrift when such images would not fit the snapshot."""
        self.check_drift(pair)
        current = self._current()
        if current.visual is None or not self._live(current):
            return
        if current.visual.fingerprint != pair.visual:
            raise FingerprintMismatch(
                f"The collection is indexed with {current.visual.fingerprint}, but the "
                f"embedder hosts {pair.visual}. Restore the former model, or rebuild the "
                "index (`ise build`), which re-embeds every image with the new one.",
                index=current.visual.fingerprint,
                embedder=pair.visual,
            )

    def check_drift(self, pair: ModelPair) -> None:
        """Raise ModelDrift if the embedder's features don't match the stored ones.

        The process that embeds the pictures is checked again.
        """
        kept = self._canaries.kept(pair.all)
        if any(not self._canaries.has_passed(pair.instance, fingerprint) for fingerprint in kept):
            self._ask(pair)

    def with_canaries(
        self, manifest: Manifest, asking: Callable[[], AbstractContextManager[None]]
    ) -> Manifest:
        """Return the manifest with its models' canaries, or without if no embedder answers.

        `asking`: what gives the context in which the embedder may be asked.
        """
        pair = _pair_of(manifest)
        if pair is None:
            return manifest
        try:
            if self._canaries.kept(pair.all).keys() != pair.all:
                with asking():
                    self._ask(pair)
        except ISEError as error:
            log.warning("the built-in picture can't be embedded yet: %s", error.detail)
        return self.with_kept_canaries(manifest)

    def with_kept_canaries(self, manifest: Manifest) -> Manifest:
        """Return the manifest with those canaries of its models that are stored."""
        pair = _pair_of(manifest)
        if pair is None:
            return manifest
        kept = self._canaries.kept(pair.all)
        canaries = {fingerprint: vector.tolist() for fingerprint, vector in kept.items()}
        return manifest.model_copy(update={"canaries": canaries})

    def _ask(self, pair: ModelPair) -> None:
        """Has a process of the embedder compared."""
        [embedded] = self._embedding.images([canary.picture()], pair)
        if embedded.error is not None:
            raise ISEError(f"The built-in picture can't be embedded: {embedded.error}")

    def check_vectors(self, fingerprint: str, dim: int) -> None:
        """Raises FingerprintMismatch or BadVector when such vectors would not fit the snapshot."""
        current = self._current()
        if current.visual is None or not self._live(current):
            return
        if current.visual.fingerprint != fingerprint:
            raise mismatch(current.visual.fingerprint, fingerprint)
        if current.visual.features_dim != dim:
            raise BadVector(
                f"The vectors have {dim} numbers; those of {fingerprint} have "
                f"{current.visual.features_dim}."
            )

    def check_model(self, pair: ModelPair) -> None:
        """Raise FingerprintMismatch if additions by these models don't fit the snapshot.

        Called before anything is recorded, so that a refused addition leaves nothing behind.
        """
        self.check_visual(pair)
        current = self._current()
        if current.joint is None or not self._live(current):
            return
        if current.matching_fingerprint != pair.matching:
            raise FingerprintMismatch(
                f"The joint space is made with {current.matching_fingerprint}, but the "
                f"embedder hosts {pair.matching} for matching. Restore the former model, "
                "or rebuild the joint space: `ise build`.",
                index=current.matching_fingerprint,
                embedder=pair.matching,
            )
        network = current.joint.fingerprint
        if not self._embedding.has_network(network, pair.matching):
            words = self._embedding.models().words.fingerprint
            anew = "ise train-matching" if pair.joint is None else "ise build"
            raise FingerprintMismatch(
                f"The index was made with the matching network {network}, which is "
                f"damaged or belongs to other word vectors than {words}, which the "
                "embedder hosts. Restore the former model (ISE_WORDS, ISE_MATCHING), or "
                f"rebuild the joint space: `{anew}`.",
                index=network,
                embedder=words,
            )


def _models_of(manifest: Manifest) -> tuple[str | None, str | None]:
    visual = None if manifest.visual is None else manifest.visual.fingerprint
    return visual, manifest.matching_fingerprint


def _pair_of(manifest: Manifest) -> ModelPair | None:
    """Return the models of a manifest; None where no embedder has them."""
    visual = manifest.visual
    if visual is None or is_external(visual.fingerprint):
        return None
    return ModelPair(visual.fingerprint, manifest.matching_fingerprint or visual.fingerprint)
