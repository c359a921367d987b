"""Keeps a data directory up to date with the copy of snapshots in an object store.

For services that share no disk with the indexer. Downloads are checked against the SHA-256 in the
manifest before they get their names, and the snapshot becomes current last, so readers of the
directory needn't know their origin.
"""

import fcntl
import hashlib
import logging
import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

from shared.core.errors import Corrupt, Misconfigured, NotFound
from shared.core.loop import Loop
from shared.files import durable, sums
from shared.objects.address import Address
from shared.objects.file import Stamp
from shared.objects.store import Objects
from shared.snapshots import tombstones
from shared.snapshots.manifest import Manifest, SegmentFile, parsed
from shared.snapshots.store import CURRENT, SnapshotStore, number_in
from shared.snapshots.tombstones import Tombstones

log = logging.getLogger(__name__)

_OFTEN_S = 0.1
_END_S = 1.0
_OF_AN_INDEXER = (".lock", "catalog.sqlite")
_LOCK = ".follower"
_SEGMENT = re.compile(r"[\w-]+\.hdf5", re.ASCII)
# Keep the previous snapshot, because readers may be about to open it.
_KEPT = 2


class Follower:
    """Looks every few seconds, or when it's woken, in threads of its own.

    Deletions have one for themselves: a large snapshot on its way doesn't keep them waiting.
    """

    def __init__(self, data_dir: Path, objects: Objects, address: Address, every_s: float) -> None:
        """Raises Misconfigured where the directory is an indexer's."""
        self._data = data_dir
        self._store = SnapshotStore(data_dir)
        self._objects = objects
        self._address = address
        self._seen: dict[str, Stamp] = {}
        self._checked = sums.Checked()
        self._following_deletions = threading.Lock()
        self._has_followed = False
        self._lock: int | None = None
        failed = f"The snapshots of {address} can't be followed; the local snapshot stays in use"
        self._loops = [
            Loop("follower", self.follow, failed, every_s, _OFTEN_S, _END_S),
            Loop("follower-deletions", self.follow_deletions, failed, every_s, _OFTEN_S, _END_S),
        ]
        self._check_own()

    @property
    def warning(self) -> str | None:
        warning = next((loop.warning for loop in self._loops if loop.warning), None)
        return warning or (None if self._has_followed else "No snapshot was downloaded yet.")

    def start(self) -> None:
        """Raises Misconfigured where the directory is another's."""
        self._check_own()
        for folder in (self._store.folder, self._store.segments):
            durable.make_dir(folder)
        self._lock = self._locked()
        for folder in (self._store.folder, self._store.segments):
            durable.remove_temporaries(folder)
        Tombstones(self._data).tidy()
        for loop in self._loops:
            loop.start()

    def wake(self) -> None:
        """Has it look now."""
        for loop in self._loops:
            loop.consider()

    def stop(self) -> None:
        """Stop; an unfinished download starts again at the next start."""
        for loop in self._loops:
            loop.stop()
        # While a download is running, keep the lock until the process ends.
        if self._lock is not None and not any(loop.is_running for loop in self._loops):
            os.close(self._lock)
            self._lock = None

    def _check_own(self) -> None:
        if any((self._data / name).exists() for name in _OF_AN_INDEXER):
            raise Misconfigured(
                f"{self._data} belongs to an indexer. Give the service that follows "
                "ISE_SNAPSHOTS_FROM another ISE_DATA_DIR, or omit that setting if the "
                "folder is shared."
            )

    def _locked(self) -> int:
        lock = os.open(self._data / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Misconfigured(
                f"Another service follows ISE_SNAPSHOTS_FROM into {self._data}. Give each "
                "its own ISE_DATA_DIR, or keep that setting in only one of them."
            ) from None
        return lock

    def follow(self) -> None:
        """Update the directory from the copy.

        Raises NotFound if there is no copy yet, Corrupt if a download is damaged, Unavailable,
        Misconfigured, OSError.
        """
        # Deletions first, as readers do, because they apply to every snapshot.
        self.follow_deletions()
        while True:
            stamp = self._changed(f"snapshots/{CURRENT}")
            if stamp is None:
                self._has_followed = True
                return
            text = self._read(f"snapshots/{CURRENT}").decode(errors="replace")
            number = number_in(text, self._address.child(f"snapshots/{CURRENT}"))
            try:
                self._take(number)
            except FileNotFoundError:
                if self._changed(f"snapshots/{CURRENT}") == stamp:
                    raise
                # A newer snapshot was published and the files of this one removed meanwhile.
                continue
            self._seen[f"snapshots/{CURRENT}"] = stamp
            self._has_followed = True
            return

    def follow_deletions(self) -> None:
        """Raises NotFound where there is no copy yet, Corrupt, Unavailable, OSError."""
        where = self._address.child(tombstones.NAME)
        with self._following_deletions:
            # Look at the snapshot first: if it exists, its deletions were written before it.
            self._changed(f"snapshots/{CURRENT}")
            try:
                stamp = self._changed(tombstones.NAME)
            except FileNotFoundError:
                raise Corrupt(
                    f"{where} is missing, so deleted pictures would be shown. Restart the "
                    "indexer to write it again."
                ) from None
            if stamp is None:
                return
            data = self._read(tombstones.NAME)
            try:
                tombstones.parsed(data)
            except ValueError as error:
                raise Corrupt(f"{where} is damaged: {error}.") from None
            durable.write_bytes(self._data / tombstones.NAME, data, "tombstones-file")
            self._seen[tombstones.NAME] = stamp

    def _take(self, number: int) -> None:
        """Downloads a snapshot, all of it, and makes it the current one."""
        key = self._store.path(number).relative_to(self._data).as_posix()
        data = self._read(key)
        sha256 = self._read(key + sums.SUFFIX).decode(errors="replace").partition(" ")[0]
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Corrupt(f"{self._address.child(key)} doesn't match its SHA-256.")
        manifest = parsed(data, self._address.child(key))
        self._refuse_older(number, data)
        # The remains of failed downloads may be what fills the disk.
        self._keep_only(self._store.numbers(), manifest)
        for file in manifest.files():
            self._take_file(file)
        # Deletions acknowledged before the publication must apply once the snapshot is served.
        self.follow_deletions()
        self._store.keep(number, data)
        log.info("downloaded snapshot %d (%s)", number, manifest.reason)
        self._keep_only(self._store.numbers()[-_KEPT:], manifest)

    def _refuse_older(self, number: int, data: bytes) -> None:
        """Numbers only grow; but for a restored backup, which may give one a second time."""
        try:
            here = self._store.current_number()
            known = None if here is None else self._store.path(here)
            if known is not None:
                sums.check(known)
        except Corrupt:
            # Replace damaged files, whatever they were.
            return
        if here is None or known is None or number > here:
            return
        if number < here or known.read_bytes() != data:
            raise Misconfigured(
                f"its snapshot {number} is not one that comes after {here}, which is here. If the "
                "indexer was restored from a backup, start this service on an empty ISE_DATA_DIR."
            )

    def _take_file(self, file: SegmentFile) -> None:
        if not _SEGMENT.fullmatch(file.name):
            raise Corrupt(f"{file.name!r} in a manifest is no name of a segment.")
        path = self._store.segments / file.name
        try:
            self._checked.once(path, lambda: self._store.verified(file))
            return
        except Corrupt:
            # Missing or damaged.
            self._checked.forget(path)
        where = self._address.child(f"segments/{file.name}")
        with durable.publishing(path) as temporary:
            self._objects.get(where, temporary)
            if durable.sha256_of(temporary) != file.sha256:
                raise Corrupt(f"{where} doesn't match the manifest of its snapshot.")
        self._checked.once(path, lambda: None)

    def _keep_only(self, numbers: Iterable[int], current: Manifest) -> None:
        # An indexer may have been started on this folder meanwhile.
        self._check_own()
        kept = {*numbers, current.number}
        for number in set(self._store.numbers()) - kept:
            self._store.remove(number)
        files = {file.name for m in (*self._store.readable(), current) for file in m.files()}
        for path in self._store.segments.glob("*.hdf5"):
            if path.name not in files:
                path.unlink()
                self._checked.forget(path)

    def _changed(self, key: str) -> Stamp | None:
        """The stamp of an object that isn't as it was when it was read. Raises FileNotFoundError,
        NotFound where there is no copy."""
        try:
            stamp = self._objects.look(self._address.child(key))
        except FileNotFoundError:
            if key == tombstones.NAME:
                raise
            raise NotFound(f"{self._address} contains no snapshot yet.") from None
        return None if self._seen.get(key) == stamp else stamp

    def _read(self, key: str) -> bytes:
        return self._objects.read(self._address.child(key))
