"""Removal of the stored files of images that were deleted for good, after their deletion."""

import logging
import threading
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog.database import Database
from services.indexer.catalog.locks import RemovalLock
from services.indexer.catalog.removed_files import RemovedFiles
from services.indexer.storage.image_files import ImageFiles
from shared.core.errors import ISEError, Unavailable

log = logging.getLogger(__name__)

_AT_ONCE = 64


class FileRemoval:
    """Removes files that the catalogue lists, with no lock held that publications or deletions
    wait for: an object store may take minutes.

    An image may be uploaded anew meanwhile. Its files stay if it is recorded before they are
    looked at; else `wait` has the upload look again whether they are there.
    """

    def __init__(self, files: ImageFiles, database: Database) -> None:
        self._files = files
        self._listed = RemovedFiles(database)
        self._lock = RemovalLock(database)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._again = False
        self._stopping = False

    def begin(self) -> None:
        """Remove what is due: at once on this machine, in the background in a store."""
        if self._files.is_local:
            self.drain()
            return
        with self._starting:
            self._again = True
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="file-removal", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the work in the background after its next images; the rest stays listed."""
        with self._starting:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def drain(self) -> None:
        """Remove what is due. What can't be removed stays listed, and is tried again later."""
        try:
            after = ""
            while not self._stopping and (ids := self._listed.due(after, _AT_ONCE)):
                after = ids[-1]
                with self._lock:
                    fault = self._remove(ids)
                if isinstance(fault, Unavailable):
                    raise fault
                if fault is not None:
                    # Of some of these alone; the others' don't wait for them.
                    log.warning("some files of deleted images are removed later: %s", fault)
        except (ISEError, OSError, SQLAlchemyError) as error:
            log.warning("files of deleted images are removed later: %s", error)

    def wait(self, image_ids: Sequence[str]) -> None:
        """Wait until no files of these images are being removed."""
        if self._listed.any_of(image_ids):
            with self._lock:
                pass

    def _run(self) -> None:
        while True:
            with self._starting:
                if self._stopping or not self._again:
                    self._thread = None
                    return
                self._again = False
            self.drain()

    def _remove(self, ids: Sequence[str]) -> Exception | None:
        """Return the first reason for which files stay."""
        needed = self._listed.needed(ids)
        removed, fault = self._files.remove([one for one in ids if one not in needed])
        self._listed.forget([*needed, *removed])
        return fault
