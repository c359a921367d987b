"""The current collection: looked up at each request, opened anew only when it changed."""

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.query.search.collection import Collection, SegmentCache
from shared.core.errors import Corrupt, Misconfigured, NotFound, Unavailable
from shared.engines.engine import Refused
from shared.engines.table import Engines
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import CURRENT, SnapshotStore
from shared.snapshots.tombstones import Tombstones

log = logging.getLogger(__name__)

_MOMENT_S = 5
_EMPTY = Manifest(number=0, created_at="", reason="none yet", revision=0, images=0)


class SnapshotReader:
    """Holds one collection. Requests that hold the one before go on with it undisturbed."""

    def __init__(self, data_dir: Path, engines: Engines | None = None) -> None:
        self._store = SnapshotStore(data_dir)
        self._cache = SegmentCache(self._store, engines)
        self._tombstones = Tombstones(data_dir)
        self._collection = Collection(_EMPTY, self._cache)
        self._deleted = np.empty(0, np.int64)
        # Number of the refused snapshot, and when it became current: a repair changes the time.
        self._refused: tuple[int, int] | None = None
        self._unread: str | None = None
        self._lock = threading.Lock()

    def current(self) -> tuple[Collection, NDArray[np.int64]]:
        """The collection as of now, and the deleted ordinals (ascending).

        Raises Corrupt when the newest snapshot can't be read and there's no earlier one, and when
        deletions can't be read and none were before.
        """
        # Read deletions first, so that a deletion between the two reads belongs to the older
        # snapshot.
        deleted = self._deletions()
        number = self._number()
        if self._has_nothing_for(number):
            return self._collection, deleted
        with self._lock:
            if not self._has_nothing_for(number):
                self._open_newest()
        return self._collection, self._deletions()

    def _deletions(self) -> NDArray[np.int64]:
        """Return the deletions; where their file was damaged since, those before, as the indexer
        takes no more then.
        """
        try:
            self._deleted = self._tombstones.read()
            self._unread = None
        except Corrupt as error:
            if self._collection.manifest.number == 0:
                raise
            if self._unread is None:
                log.error("The previous deletions remain in effect: %s", error)
            self._unread = error.detail
        return self._deleted

    @property
    def opened(self) -> Collection:
        """The collection that was opened last; a newer one may be there."""
        return self._collection

    def settled(self) -> tuple[Collection, NDArray[np.int64]] | None:
        """Return what `current` would, if it has nothing to open, in no time; else None."""
        deleted = self._deletions()
        collection = self._collection
        is_same = self._has_nothing_for(self._store.current_number())
        return (collection, deleted) if is_same else None

    def _is_refused(self, number: int | None) -> bool:
        return self._refused is not None and self._refused == (number, self._store.used_at())

    def _has_nothing_for(self, number: int | None) -> bool:
        """Return whether there is nothing to open for the current number."""
        return number in (None, self._collection.manifest.number) or self._is_refused(number)

    def _open_newest(self) -> None:
        used_at = self._store.used_at()
        try:
            manifest = self._read_newest()
        except (Corrupt, NotFound, Unavailable, Misconfigured, OSError) as error:
            number = self._store.current_number()
            # Don't fall back to an older snapshot because a newer program wrote the current one.
            is_newer = isinstance(error, Misconfigured)
            if self._collection.manifest.number == 0 and (is_newer or not self._open_older(number)):
                raise
            if isinstance(error, Corrupt | NotFound | Misconfigured) and not isinstance(
                error, Refused
            ):
                # Remember the refusal: hashing its files again at each request would stop the
                # service.
                self._refused = None if number is None else (number, used_at)
            log.error(
                "Snapshot %s can't be served, snapshot %d stays in use: %s",
                number,
                self._collection.manifest.number,
                error,
            )
            return
        log.info("serving snapshot %d (%s)", manifest.number, manifest.reason)

    def _number(self) -> int | None:
        """The number of the current snapshot. Raises Corrupt where nothing tells it."""
        served = self._collection.manifest.number
        try:
            number = self._store.current_number()
        except Corrupt as error:
            if served == 0:
                raise
            log.error("snapshot %d stays in use: %s", served, error)
            return served
        if number is None and served == 0 and self._has_lost_its_pointer():
            path = self._store.folder / CURRENT
            raise Corrupt(f"{path} is missing, though there are snapshots. `ise repair` mends it.")
        return number

    def _has_lost_its_pointer(self) -> bool:
        known = [m.number for m in self._store.readable() if m.visual]
        if len(known) == 1:
            # The manifest of the very first snapshot exists a moment before it becomes current.
            written_at = self._store.path(known[0]).stat().st_mtime
            return time.time() - written_at > _MOMENT_S
        return bool(known)

    @property
    def warning(self) -> str | None:
        """Warning that an older snapshot is served than the one in use, or older deletions hold."""
        if self._unread is not None:
            return self._unread
        if self._refused is None or self._refused[0] <= self._collection.manifest.number:
            return None
        return (
            f"Snapshot {self._refused[0]} is damaged, or of a newer program, so "
            f"{self._collection.manifest.number} is served; newer pictures aren't "
            "found. `ise check` shows the damage, `ise repair` repairs it."
        )

    def _open_older(self, damaged: int | None) -> bool:
        """Open the newest older snapshot that is intact and return whether there was one; deletions
        hold for it, too.
        """
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
                # A newer snapshot may have been published and these files removed meanwhile.
                if self._store.current_number() == number:
                    raise
                continue
            self._cache.keep_only(manifest.files())
            return manifest
