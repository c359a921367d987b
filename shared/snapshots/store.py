"""The snapshots of a data directory, and which of them is in use."""

import hashlib
import logging
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from shared.core.errors import Corrupt, NotFound
from shared.files import durable, sums
from shared.snapshots.manifest import LabelsManifest, Manifest, SegmentFile, parsed

log = logging.getLogger(__name__)

CURRENT = "CURRENT"
_MANIFEST = "manifest.json"
_LONGEST = 1024
"""Bytes of a `CURRENT`; it has some 30."""


class SnapshotStore:
    """The snapshots of a data directory. Only the indexer writes."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "snapshots"
        self.segments = data_dir / "segments"
        self._current = str(self.folder / CURRENT)
        # One tuple, so that readers in other threads never see half of a change.
        self._seen: tuple[bytes, int] | None = None

    def current_number(self) -> int | None:
        """Return the number in `CURRENT`, or None before the first snapshot. Raises Corrupt."""
        # Every search asks for it, so what was read before isn't checked anew.
        try:
            fd = os.open(self._current, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            data = os.read(fd, _LONGEST)
        finally:
            os.close(fd)
        seen = self._seen
        if seen is None or seen[0] != data:
            number = number_in(data.decode(errors="replace"), self._current)
            self._seen = seen = data, number
        return seen[1]

    def used_at(self) -> int:
        """Return the time when a snapshot was last made the current one, in nanoseconds; 0 before
        the first.
        """
        try:
            return (self.folder / CURRENT).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def use(self, number: int) -> None:
        """Makes a snapshot that is there the current one."""
        durable.write_text(self.folder / CURRENT, pointer(number), "current")

    def current(self) -> Manifest | None:
        """The manifest that `CURRENT` points to."""
        number = self.current_number()
        return None if number is None else self.read(number)

    def numbers(self) -> list[int]:
        """The snapshots that are there, oldest first."""
        if not self.folder.exists():
            return []
        found = [p.parent.name for p in self.folder.glob(f"*/{_MANIFEST}")]
        return sorted(int(name) for name in found if name.isdigit())

    def read(self, number: int) -> Manifest:
        """Raises NotFound, Corrupt where it can't be read, Misconfigured for a newer format's."""
        path = self.path(number)
        try:
            data = path.read_bytes()
            sums.check(path, hashlib.sha256(data).hexdigest())
        except FileNotFoundError:
            raise NotFound(f"There is no snapshot {number}.") from None
        return parsed(data, path)

    def readable(self) -> list[Manifest]:
        """The manifests that can be read, oldest first; a damaged one is left alone."""
        found = []
        for number in self.numbers():
            with suppress(NotFound, Corrupt):
                found.append(self.read(number))
        return found

    def publish(self, manifest: Manifest) -> None:
        """Makes a snapshot the current one. Its segment files must be durable already."""
        self.keep(manifest.number, manifest.model_dump_json(indent=1).encode())

    def rewrite(self, manifest: Manifest) -> None:
        """Replace the manifest of a snapshot; which one is current stays."""
        self._write(manifest.number, manifest.model_dump_json(indent=1).encode())

    def _write(self, number: int, data: bytes) -> None:
        path = self.path(number)
        sums.write(path, hashlib.sha256(data).hexdigest())
        durable.write_bytes(path, data, "manifest")

    def keep(self, number: int, data: bytes) -> None:
        """The same of a manifest as it is written."""
        try:
            self._write(number, data)
            self.use(number)
        except BaseException:
            if self.current_number() != number:
                self.remove(number)
            raise

    def remove(self, number: int) -> None:
        """Removes a snapshot's folder; its segments may be those of others."""
        shutil.rmtree(self.path(number).parent, ignore_errors=True)

    def remove_unpublished(self) -> None:
        """Remove partial files of a killed process: snapshots that were never current, or were
        removed.
        """
        newest = self.current_number()
        for folder in (f for f in self.folder.glob("*") if f.name.isdigit()):
            if not (folder / _MANIFEST).exists() or (
                newest is not None and int(folder.name) > newest
            ):
                shutil.rmtree(folder)

    def path(self, number: int) -> Path:
        return self.folder / f"{number:06d}" / _MANIFEST

    def verified(self, file: SegmentFile) -> Path:
        """The path of a segment file, after its size and hash were checked. Raises Corrupt."""
        path = self.segments / file.name
        try:
            size = path.stat().st_size
            intact = size == file.bytes and durable.sha256_of(path) == file.sha256
        except FileNotFoundError:
            raise Corrupt(f"{path} is missing.") from None
        if not intact:
            raise Corrupt(f"{path} is damaged: it doesn't match the manifest of its snapshot.")
        return path

    def intact_labels(self, manifest: Manifest) -> LabelsManifest | None:
        """Return the labels of a snapshot, or None where a file of them is damaged."""
        try:
            for file in manifest.label_files():
                self.verified(file)
        except Corrupt as error:
            log.error("labels are dropped: %s", error)
            return None
        return manifest.labels


def number_in(text: str, where: object) -> int:
    """The number that a `CURRENT` holds. Raises Corrupt."""
    number, *_ = text.removesuffix("\n").split(" ")
    # Older versions wrote the number alone.
    if not re.fullmatch(r"\d{6,18}", number) or text not in (f"{number}\n", pointer(int(number))):
        raise Corrupt(f"{where} doesn't hold a snapshot's number.")
    return int(number)


def pointer(number: int) -> str:
    """Return the content of `CURRENT`: a flipped digit must not name another snapshot."""
    text = f"{number:06d}"
    return f"{text} {hashlib.sha256(text.encode()).hexdigest()[:16]}\n"
