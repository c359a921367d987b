"""Files of uploads: written under names of their own before the catalogue records them."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog.database import Database
from services.indexer.catalog.locations import Place
from services.indexer.catalog.removed_files import RemovedFiles
from services.indexer.catalog.stored_names import new_upload, upload_of
from services.indexer.storage.file_removal import FileRemoval
from services.indexer.storage.image_files import ImageFiles
from shared.core.errors import ISEError

log = logging.getLogger(__name__)


@dataclass
class UploadNames:
    """Names of the files of some pictures. present: paths of files that are there, by id; missing:
    of files that should be; new: names of files to write.
    """

    present: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)


class UploadFiles:
    """Writes the files of uploads, none of which is left behind if it isn't recorded."""

    def __init__(self, files: ImageFiles, database: Database, removal: FileRemoval) -> None:
        self._files = files
        self._listed = RemovedFiles(database)
        self._removal = removal

    @contextmanager
    def writing(self, ids: Sequence[str]) -> Iterator[UploadNames]:
        """Give the names of pictures' files; what the block writes and doesn't record is removed.

        Of a picture that has its file already, it is used.
        """
        names = UploadNames()
        stored = self._listed.stored(ids)
        for image_id in dict.fromkeys(ids):
            path = stored.get(image_id)
            name = None if path is None else upload_of(image_id, path)
            if path is not None and name is not None and self._files.has(name):
                names.present[image_id] = path
                continue
            if path is not None:
                names.missing[image_id] = path
            names.new[image_id] = new_upload(image_id)
        if names.new:
            # Before they are written: whoever is killed leaves none that isn't listed.
            self._listed.begin(list(names.new.values()))
        try:
            yield names
        except BaseException:
            try:
                self._listed.abandon(names.new)
            except (ISEError, OSError, SQLAlchemyError) as error:
                log.warning("files of an upload that failed are removed later: %s", error)
            # At once: on a full disk, whoever tries again needs their room.
            self._removal.begin()
            raise

    def keep(self, names: UploadNames, image_id: str, uri: str, data: bytes) -> Place:
        """Store a picture durably, if it isn't; `uri` is only remembered, as its name."""
        if image_id in names.present:
            return self._files.kept_place(image_id, names.present[image_id], uri, len(data))
        return self._files.keep(image_id, names.new[image_id], uri, data)
