"""A data directory as the care of it sees it: what is there, and what should be."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import inspect, literal, select
from sqlalchemy.engine import make_url

from services.indexer.catalog.database import Database, is_shared, version_of
from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.fingerprints import fingerprints
from services.indexer.catalog.images import Images
from services.indexer.catalog.locks import WorkerPresence
from services.indexer.catalog.schema import images, locations
from services.indexer.catalog.stored_names import upload_of
from services.indexer.catalog.trash import kept_for_trash
from services.indexer.storage import directory_lock
from services.indexer.storage.image_files import ImageFiles
from shared.core.errors import Misconfigured, NotFound
from shared.snapshots.store import SnapshotStore
from shared.snapshots.tombstones import Tombstones

_UPLOADS = "/images/uploads/"


@dataclass(frozen=True)
class DataFolder:
    """The parts of a data directory. Nothing is written by looking at it."""

    path: Path
    database: Database
    images: Images
    files: ImageFiles
    snapshots: SnapshotStore
    tombstones: Tombstones
    is_alone: bool = False

    def fingerprints(self) -> list[str]:
        """Return the fingerprints of every model that the catalogue knows features of."""
        with self.database.read() as db:
            return sorted({*fingerprints(db), *kept_for_trash(db).shards})

    def trashed(self) -> set[str]:
        """Return the ids of the images in the trash."""
        with self.database.read() as db:
            return set(kept_for_trash(db).images)

    def rows(self, fingerprint: str) -> FeatureRows:
        """Return the places of a model's features according to the catalogue."""
        with self.images.view() as view:
            return view.features(fingerprint)

    def shard(self, fingerprint: str, number: int) -> Path:
        return self.path / "features" / fingerprint / f"{number:08d}.npy"

    def shards(self, fingerprint: str) -> set[Path]:
        """The shards that the catalogue names, also for images in the trash."""
        return {self.shard(fingerprint, number) for number in self.needed_rows(fingerprint)}

    def needed_rows(self, fingerprint: str) -> dict[int, int]:
        """Return the shards that images, also in the trash, need; and how many rows of each."""
        where = self.rows(fingerprint)
        with self.database.read() as db:
            found = dict(kept_for_trash(db).shards.get(fingerprint, {}))
        for number in np.unique(where.shards).tolist():
            rows = int(where.rows[where.shards == number].max()) + 1
            found[number] = max(found.get(number, 0), rows)
        return found

    @property
    def is_in_use(self) -> bool:
        """True if an indexer is running on this folder."""
        if self.is_alone:
            return False
        try:
            with directory_lock.held(self.path), alone_on(self.database):
                return False
        except Misconfigured:
            return True

    @property
    def catalogue(self) -> Path | str:
        """Location of the catalogue, for use in a sentence."""
        return self.database.name if self.database.is_shared else self.path / "catalog.sqlite"

    def uploads(self) -> dict[str, tuple[str, str]]:
        """The id and the SHA-256 of each picture that is kept here, by the name of its file."""
        with self.database.read() as db:
            # A catalogue of an older version knows no second files.
            columns = {column["name"] for column in inspect(db).get_columns(locations.name)}
            second = locations.c.sha256 if "sha256" in columns else literal("")
            rows = db.execute(
                select(images.c.id, images.c.sha256, locations.c.path, second.label("second"))
                .join(locations, locations.c.ordinal == images.c.ordinal)
                .where(locations.c.path.contains(_UPLOADS), locations.c.path.like("/%"))
            )
            # A source's folder may be called so too.
            found = [(row.id, row.second or row.sha256, row.path) for row in rows]
            for image_id, files in kept_for_trash(db).images.items():
                found += [(image_id, sha256, path) for path, sha256 in files.items()]
            # Those in an object store are no files of this folder.
            here = [one for one in found if one[2].startswith("/") and _UPLOADS in one[2]]
            return {
                name: (image_id, sha256)
                for image_id, sha256, path in here
                if (name := upload_of(image_id, path)) is not None
            }

    def named_uploads(self) -> set[str]:
        """Return the names of the uploads that images have, also in the trash.

        Also of rows with the address that a store had: files are found by their names.
        """
        with self.database.read() as db:
            query = select(images.c.id, locations.c.path)
            query = query.join(locations, locations.c.ordinal == images.c.ordinal)
            rows = db.execute(query.where(locations.c.path.contains("uploads/")))
            found = [(row.id, row.path) for row in rows]
            for image_id, files in kept_for_trash(db).images.items():
                found += [(image_id, path) for path in files]
        return {name for one in found if (name := upload_of(*one)) is not None}

    def paths(self, image_id: str) -> list[str]:
        """Return the paths of an image's file, also of one in the trash."""
        with self.database.read() as db:
            trashed = kept_for_trash(db).images.get(image_id)
            if trashed is not None:
                return list(trashed)
            query = select(locations.c.path).distinct().order_by(locations.c.path)
            query = query.join(images, images.c.ordinal == locations.c.ordinal)
            return list(db.execute(query.where(images.c.id == image_id)).scalars())

    def networks(self) -> list[Path]:
        """The folders of matching networks."""
        found = (self.path / "networks").glob("*/")
        return sorted(folder for folder in found if folder.is_dir())


@contextmanager
def alone_on(database: Database) -> Iterator[None]:
    """Keeps the workers away that share a database. Raises Misconfigured where one is at work."""
    presence = WorkerPresence(database)
    try:
        if not presence.is_first:
            raise Misconfigured(f"An indexer is using {database.name}. Stop all of them first.")
        yield
    finally:
        presence.end()


@contextmanager
def opened(
    path: Path, catalog_url: str, migrate: bool = False, alone: bool = False
) -> Iterator[DataFolder]:
    """Opens a data directory; an older one is read as it is, unless to `migrate`.

    `alone`: no indexer may be at work, nor start. Raises NotFound, or Misconfigured for an unusable
    catalogue.
    """
    if not path.is_dir():
        raise NotFound(
            f"The folder {path} doesn't exist. Set ISE_DATA_DIR to the folder of the collection."
        )
    if is_shared(catalog_url):
        if version_of(catalog_url) is None:
            raise NotFound(
                "The database of ISE_DATABASE_URL has no catalogue. Name the database of "
                "the collection, or restore a backup to it (`ise restore`)."
            )
    elif not Path(database_file := make_url(catalog_url).database or "").exists():
        raise NotFound(
            f"The catalogue {database_file} is missing. Set ISE_DATA_DIR to the folder that has "
            "one, or restore a backup (`ise restore`)."
        )
    with ExitStack() as stack:
        if alone:
            stack.enter_context(directory_lock.held(path))
        database = stack.enter_context(closing(Database(catalog_url, migrate)))
        if alone:
            stack.enter_context(alone_on(database))
        yield DataFolder(
            path,
            database,
            Images(database),
            ImageFiles(path, thumbnail_pixels=1, max_pixels=1),
            SnapshotStore(path),
            Tombstones(path),
            alone,
        )
