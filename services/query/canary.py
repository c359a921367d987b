"""Check that the embedder still answers as it did when the index was made."""

from collections.abc import Sequence
from dataclasses import replace

import anyio.to_thread

from services.query.embedders import Embedders
from services.query.search.snapshot_reader import SnapshotReader
from shared.clients import embedder
from shared.contracts.crop import Crop
from shared.contracts.stats import Drift
from shared.models import canary

_KEPT = 256


class CanaryWatch:
    """Asks each process of an embedder once for its features of the built-in picture."""

    def __init__(self, embedders: Embedders, snapshots: SnapshotReader) -> None:
        self._embedders = embedders
        self._snapshots = snapshots
        self._seen: dict[tuple[str, str], tuple[list[float], float]] = {}
        self._last: tuple[str, str] | None = None

    async def judged(
        self, rows: embedder.Rows, files: Sequence[bytes], crops: Sequence[Crop | None]
    ) -> embedder.Rows:
        """Features of pictures, by a process that answers as it did; `rows` if they are so.

        Raises ModelDrift where it doesn't.
        """
        fingerprint = rows.fingerprint
        collection, _ = await anyio.to_thread.run_sync(self._snapshots.current)
        expected = collection.manifest.canaries.get(fingerprint)
        if expected is None:
            return rows
        if self._known(rows, expected) is None:
            # In one request, because several processes may share one address.
            both = await self._embedders.send(
                embedder.embed_images([*files, canary.picture()], crops=[*crops, None]),
                lambda answer: answer.fingerprint == fingerprint,
            )
            if both.fingerprint != fingerprint:
                return rows
            rows = replace(both, vectors=both.vectors[:-1])
            distance = canary.drift(both.vectors[-1].tolist(), expected)
            seen = {**self._seen, (rows.instance, fingerprint): (expected, distance)}
            # Each restart of an embedder is another process.
            self._seen = dict(list(seen.items())[-_KEPT:])
        self._last = (rows.instance, fingerprint)
        found = self._known(rows, expected)
        if found is not None and found > canary.LARGEST_DRIFT:
            raise canary.drifted(fingerprint, found)
        return rows

    def drift(self) -> Drift | None:
        """Return the drift of the process that answered last; None before a search by picture."""
        if self._last is None or self._last not in self._seen:
            return None
        expected, distance = self._seen[self._last]
        fingerprint = self._last[1]
        collection, _ = self._snapshots.current()
        if collection.manifest.canaries.get(fingerprint) != expected:
            return None
        return Drift(model=fingerprint, distance=distance, served=distance <= canary.LARGEST_DRIFT)

    def _known(self, rows: embedder.Rows, expected: list[float]) -> float | None:
        before = self._seen.get((rows.instance, rows.fingerprint))
        return before[1] if before is not None and before[0] == expected else None
