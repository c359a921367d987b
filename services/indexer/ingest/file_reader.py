"""Reads the files of a source, except those that are unchanged in the catalogue."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256

from services.indexer.catalog.images import Images
from services.indexer.catalog.known_file import KnownFile
from services.indexer.catalog.unusable_files import UnusableFile, UnusableFiles, known_reason
from services.indexer.ingest.settings import IngestSettings
from services.indexer.sources.prefetch import ahead
from services.indexer.sources.sidecar import sidecar_of
from services.indexer.sources.source_file import SourceFile, Unusable, attempt, stamp_of
from services.indexer.storage.large_video import LargeVideo
from shared.core.errors import BadImage, TooLarge, Unavailable
from shared.objects.file import File, Stamp
from shared.snapshots.items import tag_key

log = logging.getLogger(__name__)

_LOOKED_UP = 256
_MIB = 2**20
_WRITTEN = "The file was written to while it was read; try again."
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class FileRead:
    """A file as it was read: `data` is None where it needn't be taken in. `sidecar`: XMP beside.

    `head`: of a video that is too large to be read, whose `data` are a poster. `is_new`: the error
    isn't known yet, and lasts.
    """

    file: SourceFile
    stamp: Stamp | None = None
    data: bytes | None = None
    error: str | None = None
    digest: str = ""
    sidecar: bytes | None = None
    head: bytes | None = None
    is_new: bool = False


LargeVideos = Callable[[File], LargeVideo | None]
"""Return what is known of a large video; None for other files. Raises BadImage, TooLarge."""


def no_large_video(file: File) -> LargeVideo | None:
    """Take no file for a large video."""
    return None


@dataclass(frozen=True)
class _Wanted:
    """A file to read, and its entry in the catalogue, if any."""

    file: SourceFile
    held: KnownFile | None
    known: Mapping[str, UnusableFile]


class FileReader:
    """Reads several files at a time of a source that isn't on this machine, as the settings say.

    `fingerprints`: the models whose features a known file's image must have. `unusable`: files that
    aren't read in vain again.
    """

    def __init__(
        self,
        images: Images,
        fingerprints: Set[str],
        settings: IngestSettings,
        large_video: LargeVideos = no_large_video,
        unusable: UnusableFiles | None = None,
    ) -> None:
        self._images = images
        self._unusable = unusable
        self._fingerprints = fingerprints
        self._max_bytes = settings.max_image_bytes
        self._batch_bytes = settings.batch_bytes
        self._reads = settings.reads
        self._large_video = large_video

    def read(self, files: Sequence[SourceFile]) -> Iterator[FileRead]:
        """Yield each file, in order; remote ones are read ahead. Raises Unavailable."""
        if all(file.file.is_local for file in files):
            return map(self._read, self._looked_up(files))
        return ahead(
            self._looked_up(files),
            self._read_far,
            self._expected,
            self._reads,
            self._batch_bytes,
        )

    def _looked_up(self, files: Sequence[SourceFile]) -> Iterator[_Wanted]:
        for start in range(0, len(files), _LOOKED_UP):
            batch = files[start : start + _LOOKED_UP]
            places = [(file.path, file.uri) for file in batch if file.error is None]
            held = self._images.held(places, self._fingerprints)
            paths = [path for path, _ in places]
            known = {} if self._unusable is None else self._unusable.at(paths)
            for file in batch:
                yield _Wanted(file, held.get((file.path, file.uri)), known)

    def _read_far(self, file: _Wanted) -> FileRead:
        """Read from a store, retrying for a while. Raises Unavailable."""
        for pause in _PAUSES_S:
            try:
                return self._read(file)
            except Unavailable as error:
                log.warning("%s Trying again in %.2g s.", error.detail, pause)
                time.sleep(pause)
        try:
            return self._read(file)
        except Unavailable as error:
            raise Unavailable(
                f"{error.detail} Pictures ingested so far are kept; run the ingest again "
                "to continue."
            ) from error

    def _expected(self, wanted: _Wanted) -> int:
        """Return the size of a file; an estimate below the limit if no listing has it."""
        known = wanted.file.listed
        most = self._max_bytes
        return most // 8 if known is None else min(known.bytes, most)

    def _read(self, wanted: _Wanted) -> FileRead:
        """Reads a file unless it's known or can't be taken; in any thread, so it counts nothing."""
        try:
            return attempt(lambda: self._attempted(wanted))
        except Unusable as unusable:
            return FileRead(wanted.file, error=unusable.reason)

    def _attempted(self, wanted: _Wanted) -> FileRead:
        file = wanted.file
        most = self._max_bytes
        stamp = stamp_of(file)
        if stamp is not None and _is_unchanged(wanted, stamp):
            return FileRead(file, stamp)
        if stamp is not None and (why := known_reason(wanted.known, file.path, stamp)) is not None:
            return FileRead(file, stamp, error=why)
        if stamp is not None and stamp.bytes > most:
            return self._large(file, stamp)
        try:
            data = file.file.read(most)
        except TooLarge:
            return FileRead(file, error=self._too_large())
        if stamp is not None and not _is_still(file, stamp, len(data)):
            return FileRead(file, error=_WRITTEN)
        digest = sha256(data).hexdigest()
        beside = sidecar_of(file.file, file.sidecar)
        return FileRead(file, stamp or Stamp(0, len(data)), data, digest=digest, sidecar=beside)

    def _large(self, file: SourceFile, stamp: Stamp) -> FileRead:
        """Return a large file, of which only a video can be taken in."""
        try:
            found = self._large_video(file.file)
        except (BadImage, TooLarge, Unavailable) as error:
            # Not remembered: its decoder reads the file, and can't tell a broken one from a disk
            # that fails.
            return FileRead(file, stamp, error=error.detail)
        if found is None:
            return FileRead(file, error=self._too_large())
        if not _is_still(file, stamp, stamp.bytes):
            return FileRead(file, error=_WRITTEN)
        beside = sidecar_of(file.file, file.sidecar)
        return FileRead(
            file, stamp, found.poster, digest=found.digest, sidecar=beside, head=found.head
        )

    def _too_large(self) -> str:
        limit = self._max_bytes / _MIB
        return f"The file is over the limit of {limit:g} MiB (ISE_MAX_IMAGE_BYTES)."


def _is_unchanged(wanted: _Wanted, stamp: Stamp) -> bool:
    file, held = wanted.file, wanted.held
    version = None if file.file.is_local else stamp.inode
    if held is None or not held.is_still(stamp.mtime_ns, stamp.bytes, version, stamp.ctime_ns):
        return False
    # The manifest's metadata may have changed although the file hasn't, so merge it again.
    has_tags = {tag_key(tag) for tag in file.tags} <= held.tags
    return not file.metadata and has_tags and held.is_known


def _is_still(file: SourceFile, stamp: Stamp, read: int) -> bool:
    """Return whether the bytes read belong to the file that was looked at before."""
    if not file.file.is_local:
        return read == stamp.bytes
    now = stamp_of(file)
    return now is not None and (now.mtime_ns, now.bytes) == (stamp.mtime_ns, stamp.bytes)
