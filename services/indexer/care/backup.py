"""`ise backup` and `ise restore`: a copy of a data directory that belongs together.

A backup is a data directory itself, so that it is checked as one is. It may be taken while the
services run: segments, shards and networks never change, and the catalogue is copied as of one
moment, to SQLite whatever database it is in. The order makes the rest agree: the snapshot, then the
catalogue, which goes at least as far; then what it names; the deletions last, of images that the
copied catalogue can know.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from services.indexer.care import check, strays
from services.indexer.care.copying import take
from services.indexer.care.finding import Kind
from services.indexer.care.folder import DataFolder, opened
from services.indexer.catalog.copying import copy
from services.indexer.catalog.database import Database, is_shared, version_of
from services.indexer.storage.feature_store import CANARY
from services.indexer.storage.networks import CURRENT as CURRENT_NETWORK
from services.indexer.storage.networks import FILES
from shared.core.errors import Conflict, Corrupt, InvalidInput, NotFound
from shared.files import durable, sums
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import SnapshotStore

MARK = "backup.json"
_CATALOGUE = "catalog.sqlite"
_ATTEMPTS = 10


@dataclass(frozen=True)
class Backup:
    """Contents of a backup. `copied`: files that an earlier one in the folder did not have."""

    created_at: str
    snapshot: int | None
    images: int
    files: int
    copied: int


def catalogue_of(folder: Path) -> str:
    """The URL of a catalogue that is in its data directory."""
    return f"sqlite:///{(folder / _CATALOGUE).resolve()}"


class BackupWriter:
    """Writes one backup; an earlier one in the same folder makes it quick."""

    def __init__(self, folder: DataFolder, target: Path, link: bool = False) -> None:
        self._folder = folder
        self._target = target
        self._link = link
        self._files = self._copied = 0

    def write(self) -> Backup:
        """Raises Corrupt where something is damaged, InvalidInput, and OSError."""
        source, target = self._folder.path, self._target
        if target.resolve() == source.resolve() or source.resolve() in target.resolve().parents:
            raise InvalidInput(f"{target} is in the data directory; name a folder elsewhere.")
        durable.make_dir(target)
        is_other = any(target.iterdir()) and not (target / MARK).exists()
        if is_other and not (target / _CATALOGUE).exists():
            raise InvalidInput(f"{target} is not empty and contains no backup; name a new folder.")
        # Without the mark, an interrupted backup is not taken for a complete one.
        (target / MARK).unlink(missing_ok=True)
        current = self._snapshots()
        with durable.publishing(target / _CATALOGUE) as temporary:
            self._copy_catalogue(temporary)
        with opened(target, catalogue_of(target), migrate=True) as made:
            self._named_by(made)
            self._tombstones(made)
            for one in list(strays.findings(made, made.snapshots.readable())):
                one.path.unlink(missing_ok=True)
            check_intact(made)
            images = made.images.count()
        done = Backup(
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            snapshot=None if current is None else current.number,
            images=images,
            files=self._files,
            copied=self._copied,
        )
        durable.write_bytes(target / MARK, TypeAdapter(Backup).dump_json(done, indent=1))
        return done

    def _snapshots(self) -> Manifest | None:
        """Takes the current snapshot; those before it aren't needed to go on."""
        store, target = self._folder.snapshots, SnapshotStore(self._target)
        for _ in range(_ATTEMPTS):
            current = store.current()
            if current is None:
                return None
            try:
                for file in current.vital_files():
                    self._take(store.segments / file.name, target.segments / file.name)
                for file in current.extra_files():
                    # Without them, a collection is complete; the indexer makes them anew.
                    try:
                        self._take(store.segments / file.name, target.segments / file.name)
                    except FileNotFoundError:
                        if store.current_number() != current.number:
                            raise
                self._take(store.path(current.number), target.path(current.number))
            except FileNotFoundError:
                # A newer snapshot replaced it, and its files were removed.
                continue
            target.use(current.number)
            for number in target.numbers():
                if number != current.number:
                    target.remove(number)
            return current
        raise Conflict("Snapshots come faster than they can be copied; try again.")

    def _copy_catalogue(self, to: Path) -> None:
        """Copy the catalogue as of one moment, always to SQLite, which is one file."""
        database = self._folder.database
        if database.is_shared:
            with closing(Database(f"sqlite:///{to}")) as made:
                copy(database, made)
        else:
            source = str(database.engine.url.database)
            with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(to)) as here:
                there.backup(here)
        with closing(sqlite3.connect(to)) as here:
            # Without a write-ahead log, so that the catalogue is a single file.
            here.execute("PRAGMA journal_mode=DELETE")

    def _named_by(self, made: DataFolder) -> None:
        """Copy the files that the copied catalogue names, and those kept beside."""
        source = self._folder
        for fingerprint in made.fingerprints():
            for shard in sorted(made.shards(fingerprint)):
                self._take(source.path / shard.relative_to(made.path), shard)
            canary = Path("features") / fingerprint / CANARY
            with suppress(FileNotFoundError):
                self._take(source.path / canary, made.path / canary)
        for name in made.uploads():
            # It may have been deleted meanwhile.
            with suppress(FileNotFoundError):
                self._take(source.files.kept(name), made.files.kept(name))
        for network in source.networks():
            for name in FILES:
                with suppress(FileNotFoundError):
                    self._take(network / name, made.path / "networks" / network.name / name)
        with suppress(FileNotFoundError):
            text = (source.path / "networks" / CURRENT_NETWORK).read_text()
            durable.write_text(made.path / "networks" / CURRENT_NETWORK, text)

    def _tombstones(self, made: DataFolder) -> None:
        """The deletions, and the deleted out of the copied catalogue."""
        deleted = self._folder.tombstones.read()
        # Ordinals above the copied catalogue's newest one would be assigned again.
        deleted = deleted[deleted <= made.images.newest()]
        made.tombstones.replace(deleted)
        present = np.intersect1d(deleted, np.array(made.images.all_ordinals(), np.int64))
        if len(present):
            made.images.remove(present.tolist())

    def _take(self, source: Path, target: Path) -> None:
        self._files += 1
        self._copied += take(source, target, self._link)


def restore(backup: Path, data_dir: Path, catalog_url: str = "") -> Backup:
    """Copies a backup to where there is nothing yet. Raises NotFound, Corrupt and Conflict.

    `catalog_url`: where the catalogue is to be, if not in the data directory.
    """
    try:
        told = TypeAdapter(Backup).validate_json((backup / MARK).read_bytes())
    except FileNotFoundError:
        raise NotFound(f"{backup} contains no finished backup.") from None
    except ValueError as error:
        raise Corrupt(f"{backup / MARK} can't be read: {error}") from error
    if data_dir.exists() and any(path.name != ".lock" for path in data_dir.iterdir()):
        raise Conflict(f"{data_dir} is not empty. Set ISE_DATA_DIR to a new folder.")
    elsewhere = catalog_url if catalog_url and is_shared(catalog_url) else ""
    if elsewhere and version_of(elsewhere) is not None:
        raise Conflict("The database of ISE_DATABASE_URL has a catalogue. Name an empty one.")
    with opened(backup, catalogue_of(backup)) as found:
        check_intact(found)
    for path in _files_of(backup):
        take(path, data_dir / path.relative_to(backup))
    # Last, because an interrupted copy without the catalogue isn't taken for a collection.
    take(backup / _CATALOGUE, data_dir / _CATALOGUE)
    with opened(data_dir, catalogue_of(data_dir), migrate=True) as made:
        check_intact(made)
        if elsewhere:
            with closing(Database(elsewhere)) as target:
                copy(made.database, target)
    if elsewhere:
        (data_dir / _CATALOGUE).unlink()
    return told


def check_intact(folder: DataFolder) -> None:
    """Raises Corrupt with the first thing that is wrong, but for labels, which are an extra."""
    for finding in check.findings(folder):
        if not finding.is_harmless and finding.kind is not Kind.LABELS:
            raise Corrupt(finding.sentence)


def _files_of(backup: Path) -> Iterator[Path]:
    left_out = (MARK, ".lock", _CATALOGUE, f"{_CATALOGUE}-wal", f"{_CATALOGUE}-shm")
    for path in sorted(backup.rglob("*")):
        if path.is_file() and path.name not in left_out and not path.name.endswith(sums.SUFFIX):
            yield path
