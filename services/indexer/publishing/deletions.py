"""Deletes images: first their tombstones, which decide, then their rows and what is kept of them
beside."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Bury
from services.indexer.catalog.locks import PublishLock
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.sync_note import SyncNote
from services.indexer.storage.file_removal import FileRemoval
from shared.core import failpoints
from shared.core.errors import CatalogueAway


class Deletions:
    """Deletions from a collection; nothing is published meanwhile."""

    def __init__(
        self,
        index: IndexFiles,
        current: CurrentSnapshot,
        images: Images,
        removal: FileRemoval,
        turn: PublishLock,
    ) -> None:
        self._tombstones = index.tombstones
        self._spaces = index.spaces
        self._current = current
        self._images = images
        self._removal = removal
        self._turn = turn
        self._note = SyncNote(index.tombstones.path.parent)
        self._has_left = False

    @contextmanager
    def burying(
        self, keeps_files: bool = False, by_sync: bool = False, undo: str | None = None
    ) -> Iterator[Bury]:
        """Gives what deletes images; `keeps_files`: but not what is kept of them beside, which else
        goes afterwards. `by_sync`: no user deletes them, as their files are gone; `undo`: the
        sync's job.

        Where the block raises, as on a full disk, none of them is deleted anywhere; but where the
        catalogue went away, which may have taken it, the deletion stands.
        """
        gone: list[int] = []
        with self._turn:
            self.finish_left()
            with self._noting_what_stands(), self._tombstones.adding() as add:

                def bury(deleted: Mapping[int, str]) -> None:
                    gone.extend(deleted)
                    if by_sync and deleted:
                        self._note.add(deleted, undo)
                    # The tombstone is decisive: a process killed after it completes the deletion at
                    # its next start.
                    add(list(deleted))
                    failpoints.reach("delete.buried")

                yield bury
            failpoints.reach("delete.done")
            if by_sync and gone:
                self._note.clear()
        if gone and not keeps_files:
            self._removal.begin()
        self._spaces.forget(self._current.manifest(), gone)
        self._current.changed()

    def settled(self) -> NDArray[np.int64]:
        """Return the deleted images, ascending; none whose deletion is under way and may fail.

        What a file leaves out would be lost, if the deletion were undone.
        """
        with self._turn:
            return self._tombstones.read()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Has no image deleted meanwhile, and what was deleted before gone from the catalogue."""
        with self._turn:
            self.finish_left()
            yield

    def tidy(self) -> None:
        """Remove partial files of a killed process."""
        self._tombstones.tidy()
        self._note.tidy()

    def finish_left(self) -> None:
        """Finishes the deletions whose end the catalogue, which went away, hasn't told."""
        if self._has_left:
            self.finish()
            self._has_left = False

    def finish(self) -> None:
        """Takes what is buried out of the catalogue too, where a process was killed between."""
        with self._turn:
            dead = set(self._tombstones.read().tolist())
            left = [ordinal for ordinal in self._images.all_ordinals() if ordinal in dead]
            if left:
                by_sync = self._note.read()
                synced = [one for one in left if one in by_sync.ordinals]
                self._images.remove([one for one in left if one not in by_sync.ordinals])
                self._images.remove(synced, by_sync=True, undo=by_sync.undo)
            self._note.clear()

    @contextmanager
    def _noting_what_stands(self) -> Iterator[None]:
        try:
            yield
        except CatalogueAway:
            self._has_left = True
            raise
        except BaseException:
            # None of them was deleted.
            self._note.clear()
            raise
