"""Copies what is published to an object store, for services that share no disk with the indexer.

    COLLECTION                                                   first: whose copies these are
    segments/…, snapshots/<number>/…, networks/<fingerprint>/…    once
    tombstones                                                   anew with every deletion
    snapshots/CURRENT                                            last

The paths are those of the data directory; `shared/snapshots/follower.py` is the way back.
"""

import logging
import threading
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.replication.prefix_owner import PrefixOwner
from services.indexer.storage.networks import FILES
from shared.core.errors import Corrupt, ISEError, NotFound
from shared.core.loop import Loop
from shared.files import durable, sums
from shared.objects.address import Address
from shared.objects.file import Stamp
from shared.objects.store import Objects
from shared.snapshots import tombstones
from shared.snapshots.manifest import FramesManifest, Manifest, SegmentFile, parsed
from shared.snapshots.store import CURRENT, SnapshotStore, pointer
from shared.snapshots.tombstones import Tombstones

log = logging.getLogger(__name__)

# Copy at intervals too: another worker may have ended before it copied its snapshot, or have
# overwritten a newer one late.
_EVERY_S = 5.0
# Keep the previous snapshot, because a replica may still be downloading it.
_KEPT = 2
# A number with more digits is not a snapshot's.
_DIGITS = 18
# Pauses between attempts to copy a network; after the last, it is copied with its snapshot.
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)


class Mirror:
    """Copies snapshots in threads of its own, so that an unavailable store delays nothing.

    Deletions have a separate thread, so that a large snapshot doesn't delay them.
    """

    def __init__(self, data_dir: Path, objects: Objects, address: Address) -> None:
        self._data = data_dir
        self._snapshots = SnapshotStore(data_dir)
        self._tombstones = Tombstones(data_dir)
        self._objects = objects
        self._address = address
        self._claim = PrefixOwner(data_dir, objects, address)
        # The deletions found in the store, and the stamp of the object that held them.
        self._copied: tuple[NDArray[np.int64], Stamp] | None = None
        self._copying_deletions = threading.Lock()
        self._current: int | None = None
        failed = f"What is published can't be copied to {address} now"
        self._loops = [
            Loop("mirror-deletions", self.copy_deletions, failed, _EVERY_S),
            Loop("mirror", self.copy, failed, _EVERY_S),
        ]

    @property
    def warning(self) -> str | None:
        return next((loop.warning for loop in self._loops if loop.warning), None)

    def start(self) -> None:
        for loop in self._loops:
            loop.start()

    def consider(self) -> None:
        """Start a copy; called after each publication and each deletion."""
        for loop in self._loops:
            loop.consider()

    def stop(self) -> None:
        """Stop; the rest is copied at the next start."""
        for loop in self._loops:
            loop.stop()

    def network(self, fingerprint: str) -> None:
        """Copy a network soon, because embedders request it before a snapshot names it.

        If the store is unavailable for some seconds, it is copied with that snapshot.
        """
        for pause in (*_PAUSES_S, None):
            try:
                self._claim.check()
                self._put_network(fingerprint)
            except (ISEError, OSError) as error:
                log.warning("network %s is not copied yet: %s", fingerprint, error)
                if pause is not None:
                    time.sleep(pause)
            else:
                return

    def copy(self) -> None:
        """Brings the store up to the data directory.

        Raises Conflict where the place is another collection's; Unavailable, OSError, Corrupt.
        """
        # Deletions first: otherwise a replica would show deleted images.
        self.copy_deletions()
        # Repeat until the copy is current: another snapshot may be published and copied meanwhile.
        while (number := self._snapshots.current_number()) is not None:
            if number == self._current and self._stored(f"snapshots/{CURRENT}") == _named(number):
                return
            try:
                self._copy_snapshot(self._snapshots.read(number))
            except (FileNotFoundError, NotFound):
                if self._snapshots.current_number() == number:
                    raise
                continue
            self._current = number

    def copy_deletions(self) -> None:
        """Raises as `copy`."""
        self._claim.check()
        at = self._at(tombstones.NAME)
        with self._copying_deletions:
            while True:
                deleted, stamp = self._tombstones.read(), self._stamp(at)
                known = self._copied
                if known is not None and known[0] is deleted and known[1] == stamp:
                    return
                data = tombstones.encoded(deleted)
                if stamp is None or self._stored(tombstones.NAME) != data:
                    self._objects.write(at, data)
                else:
                    # The stamp was read before the content, so a change between the two is noticed.
                    self._copied = deleted, stamp

    def _copy_snapshot(self, manifest: Manifest) -> None:
        for file in manifest.vital_files():
            self._put_once(self._snapshots.segments / file.name)
        lost: dict[str, list[FramesManifest] | None] = {}
        extras = (
            ("labels", manifest.label_files()),
            ("texts", manifest.text_files()),
            ("frames", manifest.frame_files()),
        )
        for name, files in extras:
            if not self._put_extra(name, files, manifest.number):
                lost[name] = [] if name == "frames" else None
        if manifest.joint is not None:
            self._put_network(manifest.joint.fingerprint)
            self._set(f"networks/{CURRENT}", manifest.joint.fingerprint.encode())
        path = self._snapshots.path(manifest.number)
        if lost:
            without = manifest.model_copy(update=lost).model_dump_json(indent=1)
            self._set_both(path, without.encode())
        else:
            self._set_with_sum(path)
        self._set(f"snapshots/{CURRENT}", _named(manifest.number))
        log.info("copied snapshot %d to %s", manifest.number, self._address)
        self._remove_older(manifest)

    def _put_extra(self, name: str, files: Sequence[SegmentFile], number: int) -> bool:
        """Copy the labels, the texts or the key frames; give False where a file of them is missing.

        As here, a snapshot is served without them then.
        """
        try:
            for file in files:
                self._put_once(self._snapshots.segments / file.name)
        except FileNotFoundError as error:
            log.error("snapshot %d is copied without %s: %s", number, name, error)
            return False
        return True

    def _put_network(self, fingerprint: str) -> None:
        folder = self._data / "networks" / fingerprint
        # The weights last, as in the data folder.
        for name in FILES:
            if (path := folder / name).exists():
                self._set(self._key(sums.path_of(path)), _sum(path))
                self._put_once(path)

    def _remove_older(self, current: Manifest) -> None:
        """Remove only files that removed snapshots named, because other workers may be copying
        others.
        """
        there = self._numbers()
        kept = {current.number, *(n for n in there if n > current.number)}
        kept |= set(sorted(n for n in there if n <= current.number)[-_KEPT:])
        gone = [number for number in there if number < min(kept)]
        if not gone:
            return
        files = {f.name for number in kept for f in self._read(number).files()}
        for number in gone:
            try:
                named = {file.name for file in self._read(number).files()}
            except Corrupt as error:
                log.warning("unused files remain in the store: %s", error.detail)
                named = set()
            for name in named - files:
                self._remove(self._snapshots.segments / name)
            path = self._snapshots.path(number)
            self._remove(path)
            self._remove(sums.path_of(path))

    def _numbers(self) -> list[int]:
        folder = self._at("snapshots")
        names = {at.path.removeprefix(f"{folder.path}/") for at, _ in self._objects.list(folder)}
        suffix = f"/{self._snapshots.path(0).name}"
        numbers = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
        # Other objects don't belong to the mirror.
        return [int(n) for n in numbers if n.isdecimal() and len(n) < _DIGITS]

    def _read(self, number: int) -> Manifest:
        where = self._at(self._key(self._snapshots.path(number)))
        return parsed(self._objects.read(where), where)

    def _put_once(self, path: Path) -> None:
        """Upload an immutable file unless it exists."""
        try:
            is_there = self._objects.look(self._at(self._key(path))).bytes == path.stat().st_size
        except FileNotFoundError:
            is_there = False
        if not is_there:
            self._put(path)

    def _put(self, path: Path) -> None:
        self._objects.put(path, self._at(self._key(path)))

    def _set_both(self, path: Path, data: bytes) -> None:
        """Write a manifest that differs from the one here, with its checksum."""
        self._set(self._key(sums.path_of(path)), sums.text(path, sha256(data).hexdigest()).encode())
        self._set(self._key(path), data)

    def _set_with_sum(self, path: Path) -> None:
        self._set(self._key(sums.path_of(path)), _sum(path))
        self._set(self._key(path), path.read_bytes())

    def _set(self, key: str, data: bytes) -> None:
        """Write a small object, replacing any earlier one."""
        if self._stored(key) != data:
            self._objects.write(self._at(key), data)

    def _stored(self, key: str) -> bytes | None:
        try:
            return self._objects.read(self._at(key))
        except FileNotFoundError:
            return None

    def _stamp(self, at: Address) -> Stamp | None:
        try:
            return self._objects.look(at)
        except FileNotFoundError:
            return None

    def _remove(self, path: Path) -> None:
        self._objects.remove(self._at(self._key(path)))

    def _key(self, path: Path) -> str:
        return path.relative_to(self._data).as_posix()

    def _at(self, key: str) -> Address:
        return self._address.child(key)


def _named(number: int) -> bytes:
    return pointer(number).encode()


def _sum(path: Path) -> bytes:
    """Return the stored checksum of a file; computed now if an older version stored none."""
    sha256 = sums.read(path) or durable.sha256_of(path)
    return sums.text(path, sha256).encode()
