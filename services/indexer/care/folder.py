"""A data directory as the care of it sees it: what is there, and what should be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.engine import make_url

from services.indexer import lock
from services.indexer.catalog.database import Database
from services.indexer.catalog.fingerprints import fingerprints
from services.indexer.catalog.images import FeatureRows, Images
from services.indexer.catalog.schema import images, locations
from services.indexer.files import ImageFiles
from shared.errors import Misconfigured, NotFound
from shared.snapshots.manifest import SnapshotStore
from shared.snapshots.tombstones import Tombstones


@dataclass(frozen=True)
class DataFolder:
    """The parts of a data directory. Nothing is written by looking at it."""

    path: Path
    database: Database
    images: Images
    files: ImageFiles
    snapshots: SnapshotStore
    tombstones: Tombstones

    def fingerprints(self) -> list[str]:
        """Of every model that the catalogue knows features of."""
        with self.database.read() as db:
            return fingerprints(db)

    def rows(self, fingerprint: str) -> FeatureRows:
        """Where the catalogue says that the features of a model are."""
        with self.images.view() as view:
            return view.features(fingerprint)

    def shard(self, fingerprint: str, number: int) -> Path:
        return self.path / "features" / fingerprint / f"{number:08d}.npy"

    def shards(self, fingerprint: str) -> set[Path]:
        """The shards that the catalogue names."""
        numbers = np.unique(self.rows(fingerprint).shards)
        return {self.shard(fingerprint, int(number)) for number in numbers}

    @property
    def is_in_use(self) -> bool:
        """Whether an indexer is at work here."""
        try:
            with lock.held(self.path):
                return False
        except Misconfigured:
            return True

    def uploads(self) -> dict[str, str]:
        """The SHA-256 of each picture that is kept here, by its id."""
        with self.database.read() as db:
            rows = db.execute(
                select(images.c.id, images.c.sha256, locations.c.path)
                .join(locations, locations.c.ordinal == images.c.ordinal)
                .where(locations.c.path.contains("/images/uploads/"))
            )
            # A source's folder may be called so too.
            return {i: sha for i, sha, at in rows if Path(at).name == self.files.kept(i)[0].name}

    def networks(self) -> list[Path]:
        """The folders of matching networks."""
        found = (self.path / "networks").glob("*/")
        return sorted(folder for folder in found if folder.is_dir())


@contextmanager
def opened(path: Path, catalog_url: str) -> Iterator[DataFolder]:
    """Opens a data directory. Raises NotFound, or Misconfigured for an unusable catalogue."""
    url = make_url(catalog_url)
    if not path.is_dir():
        raise NotFound(f"There is no folder {path}. Set ISE_DATA_DIR to the one of the collection.")
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise NotFound(
            f"The catalogue {url.database} is missing. Set ISE_DATA_DIR to the folder that has "
            "one, or restore a backup (`ise restore`)."
        )
    database = Database(catalog_url)
    try:
        yield DataFolder(
            path,
            database,
            Images(database),
            ImageFiles(path, thumbnail_pixels=1, max_pixels=1),
            SnapshotStore(path),
            Tombstones(path),
        )
    finally:
        database.close()
