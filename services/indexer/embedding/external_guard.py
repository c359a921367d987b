"""Keeps pictures out of collections of vectors from outside."""

from services.indexer.catalog.vectors import VectorTable
from services.indexer.embedding.client import Embedding
from shared.core.errors import FingerprintMismatch, Overloaded, Unavailable


class ExternalGuard:
    """Looks whether the collection holds vectors that no embedder here makes."""

    def __init__(self, table: VectorTable, embedding: Embedding) -> None:
        self._table = table
        self._embedding = embedding

    @property
    def fingerprint(self) -> str | None:
        """Return the fingerprint of imported vectors, or None if the collection has none."""
        return self._table.external()

    def refuse_pictures(self) -> None:
        """Raise FingerprintMismatch if pictures could not be compared with the collection."""
        fingerprint = self.fingerprint
        if fingerprint is None:
            return
        try:
            hosted = self._embedding.pair().visual
        except (Overloaded, Unavailable):
            hosted = "the embedder's model"
        raise FingerprintMismatch(
            f"The collection holds vectors of {fingerprint}, which can't be compared with those of "
            f"{hosted}. Keep pictures in a collection of their own (another ISE_DATA_DIR), or "
            "import their vectors too.",
            index=fingerprint,
            embedder=hosted,
        )
