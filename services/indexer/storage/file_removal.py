"""Removal of stored files that no image has any more, after the images' deletion."""

import logging
import threading
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog.database import Database
from services.indexer.catalog.removed_files import RemovedFiles
from services.indexer.storage.image_files import ImageFiles
from shared.core.errors import ISEError, Unavailable

log = logging.getLogger(__name__)

_AT_ONCE = 128


class FileRemoval:
    """Removes files that the catalogue lists, with no lock held: an object store may take minutes.

    Several workers may do so at once, and one that stood still may come late: no name on the list
    is used again.
    """

    def __init__(self, files: ImageFiles, database: Database) -> None:
        self._files = files
        self._listed = RemovedFiles(database)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._again = False
        self._stopping = False

    def start(self, is_alone: bool) -> None:
        """Go on with what is due. is_alone: no other worker is writing files."""
        if is_alone:
            try:
                self._listed.abandon_all()
            except (ISEError, OSError, SQLAlchemyError) as error:
                # The disk may be full, where a collection can be searched still.
                log.warning("files of uploads that were interrupted are removed later: %s", error)
        self.begin()

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

    def tidy(self) -> None:
        """Remove what was being written by workers that were killed, and what became due."""
        self._listed.expire()
        self.begin()

    def stop(self) -> None:
        """End the work in the background after its next files; the rest stays listed."""
        with self._starting:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def drain(self) -> None:
        """Remove what is due. What can't be removed stays listed, and is tried again later."""
        try:
            after = ""
            while not self._stopping and (names := self._listed.due(after, _AT_ONCE)):
                after = names[-1]
                fault = self._remove(names)
                if isinstance(fault, Unavailable):
                    raise fault
                if fault is not None:
                    # Of some of these alone; the others don't wait for them.
                    log.warning("some files of deleted images are removed later: %s", fault)
        except (ISEError, OSError, SQLAlchemyError) as error:
            log.warning("files of deleted images are removed later: %s", error)

    def _run(self) -> None:
        while True:
            with self._starting:
                if self._stopping or not self._again:
                    self._thread = None
                    return
                self._again = False
            self.drain()

    def _remove(self, names: Sequence[str]) -> Exception | None:
        """Return the first reason for which files stay."""
        removed, fault = self._files.remove(names)
        self._listed.forget(removed)
        return fault
