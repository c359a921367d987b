"""The current collection: looked up at each request, opened anew only when it changed."""

import logging
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.query.search.collection import Collection, SegmentCache
from shared.errors import Corrupt, NotFound, Unavailable
from shared.snapshots.manifest import Manifest, SnapshotStore
from shared.snapshots.tombstones import Tombstones

log = logging.getLogger(__name__)

_EMPTY = Manifest(number=0, created_at="", reason="none yet", revision=0, images=0)


class Shelf:
    """Holds one collection. Requests that hold the one before go on with it undisturbed."""

    def __init__(self, data_dir: Path) -> None:
        self._store = SnapshotStore(data_dir)
        self._cache = SegmentCache(self._store)
        self._tombstones = Tombstones(data_dir)
        self._collection = Collection(_EMPTY, self._cache)
        self._refused: int | None = None
        self._lock = threading.Lock()

    def current(self) -> tuple[Collection, NDArray[np.int64]]:
        """The collection as of now, and the deleted ordinals (ascending).

        Raises Corrupt when the newest snapshot can't be read and there's no earlier one.
        """
        # Deletions first: one that comes between the two reads is then of an older snapshot.
        dead = self._tombstones.read()
        number = self._number()
        if number in (None, self._refused, self._collection.manifest.number):
            return self._collection, dead
        with self._lock:
            if number not in (self._refused, self._collection.manifest.number):
                self._open_newest()
        return self._collection, self._tombstones.read()

    def settled(self) -> Collection | None:
        """The collection where `current` has nothing to open, and so takes no time."""
        collection = self._collection
        known = (None, self._refused, collection.manifest.number)
        return collection if self._store.current_number() in known else None

    def _open_newest(self) -> None:
        try:
            manifest = self._read_newest()
        except (Corrupt, NotFound, Unavailable, OSError) as error:
            number = self._store.current_number()
            if self._collection.manifest.number == 0 and not self._open_older(number):
                raise
            if isinstance(error, Corrupt | NotFound):
                # Once is enough: to hash its files anew at each request would stop the service.
                self._refused = number
            log.error(
                "Snapshot %s can't be served, %d goes on: %s",
                number,
                self._collection.manifest.number,
                error,
            )
            return
        log.info("serving snapshot %d (%s)", manifest.number, manifest.reason)

    def _number(self) -> int | None:
        """The number of the current snapshot. Raises Corrupt where nothing tells it."""
        try:
            return self._store.current_number()
        except Corrupt as error:
            if (served := self._collection.manifest.number) == 0:
                raise
            log.error("%d goes on: %s", served, error)
            return served

    @property
    def warning(self) -> str | None:
        """That an older snapshot is served than the one in use, which is damaged."""
        if self._refused is None or self._refused <= self._collection.manifest.number:
            return None
        return (
            f"Snapshot {self._refused} is damaged, so {self._collection.manifest.number} is "
            "served; what came since isn't found. `ise check` says what is damaged, `ise repair` "
            "mends it."
        )

    def _open_older(self, damaged: int | None) -> bool:
        """Whether there is one before that is intact; deletions hold for it, too."""
        for number in reversed(self._store.numbers()):
            if damaged is None or number < damaged:
                with suppress(Corrupt, NotFound):
                    manifest = self._store.read(number)
                    self._collection = Collection(manifest, self._cache, self._collection)
                    return True
        return False

    def _read_newest(self) -> Manifest:
        while True:
            number = self._store.current_number()
            manifest = self._store.current()
            if manifest is None:
                raise NotFound("There is no snapshot.")
            try:
                self._collection = Collection(manifest, self._cache, self._collection)
            except (Corrupt, NotFound):
                # Its files may have gone because a newer one came meanwhile.
                if self._store.current_number() == number:
                    raise
                continue
            self._cache.keep_only(manifest.files())
            return manifest
