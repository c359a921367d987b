"""Takes in the pictures of a source: read, hash, embed, store features, record.

The same bytes are embedded once, whatever their paths, so an ingest that broke off goes on where
it was, and a second one embeds nothing.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from services.indexer.catalog.images import Entry, FeaturePlace, Images
from services.indexer.catalog.places import Place
from services.indexer.embedding import Embedded, Embedding, ModelPair
from services.indexer.features import FeatureStore
from services.indexer.job_context import JobContext
from services.indexer.sources import SourceFile, Unusable, stat_of
from shared import failpoints
from shared.identity import id_of_sha256
from shared.snapshots.items import tag_key

# A shard is written when it's worth a file, or when progress should show.
_FLUSH_IMAGES = 512
_FLUSH_S = 3.0
_MIB = 2**20
_BATCHES_AHEAD = 12
"""As much as the embedder takes while a flush goes on."""


@dataclass(frozen=True)
class IngestSettings:
    """How much to read and embed at once."""

    batch: int = 32
    concurrency: int = 4
    max_image_bytes: int = 64 * _MIB
    batch_bytes: int = 64 * _MIB


@dataclass
class IngestResult:
    """What became of the files: `embedded` images were new to the model.

    `replaced`: images whose file holds another picture now.
    """

    files: int = 0
    embedded: int = 0
    already_there: int = 0
    failed: int = 0
    replaced: int = 0


Record = Callable[[Sequence[Entry], Mapping[str, Sequence[FeaturePlace]]], list[str]]
"""Writes entries to the catalogue; gives the images that another took the last path of."""


@dataclass(frozen=True)
class _Picture:
    """Bytes to embed, and every entry that has them."""

    data: bytes
    entries: list[Entry]


class Ingest:
    """One run over the files of a source; `record` writes what came of them."""

    def __init__(
        self,
        images: Images,
        features: FeatureStore,
        embedding: Embedding,
        pair: ModelPair,
        job: JobContext,
        settings: IngestSettings,
        source: str = "",
        record: Record | None = None,
    ) -> None:
        self._images = images
        self._features = features
        self._embedding = embedding
        self._pair = pair
        self._job = job
        self._settings = settings
        self._source = source
        self._record = record or images.record
        self._result = IngestResult()
        self._known: list[Entry] = []
        self._in_flight: dict[str, list[Entry]] = {}
        self._embedded: list[tuple[list[Entry], Embedded]] = []
        self._flushed = time.monotonic()

    def run(self, files: Sequence[SourceFile]) -> IngestResult:
        """Takes in the files. Raises Cancelled; what was recorded until then stays."""
        self._job.stage("embedding")
        self._job.count(len(files))
        failed_before = self._job.failed
        self._result = IngestResult(files=len(files))
        # Batches are read ahead, so that the embedder has work while features are stored.
        waiting: deque[tuple[list[_Picture], Future[list[Embedded]]]] = deque()
        ahead = 0
        with ThreadPoolExecutor(self._settings.concurrency, "embed") as pool:
            try:
                for batch in self._batches(files):
                    self._job.check_cancelled()
                    future = pool.submit(
                        copy_context().run, self._embed, [picture.data for picture in batch]
                    )
                    waiting.append((batch, future))
                    ahead += _bytes_of(batch)
                    while len(waiting) > self._settings.concurrency and (
                        len(waiting) > _BATCHES_AHEAD or ahead > self._settings.batch_bytes
                    ):
                        ahead -= _bytes_of(waiting[0][0])
                        self._take(*waiting.popleft())
                while waiting:
                    self._take(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()
                self._flush()
        self._result.failed = self._job.failed - failed_before
        return self._result

    def _embed(self, files: list[bytes]) -> list[Embedded]:
        return self._embedding.images(files, self._pair, bulk=True)

    def _batches(self, files: Sequence[SourceFile]) -> Iterator[list[_Picture]]:
        batch: list[_Picture] = []
        size = 0
        for file in files:
            picture = self._read(file)
            if picture is None:
                continue
            size += len(picture.data)
            if batch and (len(batch) == self._settings.batch or size > self._settings.batch_bytes):
                yield batch
                batch, size = [], len(picture.data)
            batch.append(picture)
        if batch:
            yield batch

    def _read(self, file: SourceFile) -> _Picture | None:
        """The picture of a file if it must be embedded; otherwise the file is dealt with."""
        try:
            stat = stat_of(file)
            if self._is_unchanged(file, stat.st_mtime_ns, stat.st_size):
                self._result.already_there += 1
                self._job.advance(skipped=True)
                return None
            if stat.st_size > self._settings.max_image_bytes:
                limit = self._settings.max_image_bytes / _MIB
                self._job.fail(
                    file.uri, f"The file is over the limit of {limit:g} MiB (ISE_MAX_IMAGE_BYTES)."
                )
                return None
            data = file.path.read_bytes()
            if not _same(stat, file.path.stat()):
                self._job.fail(file.uri, "The file was written to while it was read; try again.")
                return None
        except Unusable as unusable:
            self._job.fail(unusable.shown, unusable.reason)
            return None
        except OSError as error:
            self._job.fail(file.uri, f"The file can't be read: {error.strerror or error}.")
            return None
        digest = sha256(data).hexdigest()
        entry = Entry(
            id_of_sha256(digest),
            digest,
            place_of(file, stat),
            file.tags,
            file.metadata,
            self._source,
        )
        if (same := self._in_flight.get(entry.id)) is not None:
            same.append(entry)
            return None
        if self._images.known([entry.id], self._pair.all):
            self._known.append(entry)
            if len(self._known) >= _FLUSH_IMAGES:
                self._flush_known()
            return None
        picture = _Picture(data, [entry])
        self._in_flight[entry.id] = picture.entries
        return picture

    def _is_unchanged(self, file: SourceFile, mtime_ns: int, size: int) -> bool:
        found = self._images.unchanged(_absolute(file.path), file.uri, mtime_ns, size)
        if found is None:
            return False
        image_id, keys = found
        # Metadata of a manifest may have changed though the file hasn't: it's joined again below.
        return (
            not file.metadata
            and {tag_key(tag) for tag in file.tags} <= keys
            and bool(self._images.known([image_id], self._pair.all))
        )

    def _take(self, batch: list[_Picture], future: Future[list[Embedded]]) -> None:
        for picture, embedded in zip(batch, future.result(), strict=True):
            self._embedded.append((picture.entries, embedded))
        if len(self._embedded) >= _FLUSH_IMAGES or time.monotonic() - self._flushed > _FLUSH_S:
            self._flush()
        self._job.check_cancelled()

    def _flush(self) -> None:
        """Stores and records what was embedded. Features first: a record never points nowhere."""
        embedded, self._embedded = self._embedded, []
        self._flushed = time.monotonic()
        good = [(same, found) for same, found in embedded if found.error is None]
        places: dict[str, list[FeaturePlace]] = {}
        for fingerprint in sorted(self._pair.all) if good else ():
            rows = np.stack([found.features[fingerprint] for _, found in good])
            shard = self._features.append(fingerprint, rows)
            for row, (same, _) in enumerate(good):
                place = FeaturePlace(fingerprint, shard, row)
                places.setdefault(same[0].id, []).append(place)
        entries = [entry for same, _ in good for entry in same]
        failpoints.reach("ingest.stored")
        if entries:
            self._result.replaced += len(self._record(entries, places))
        failpoints.reach("ingest.recorded")
        self._result.embedded += len(good)
        self._result.already_there += len(entries) - len(good)
        self._job.advance(len(entries))
        for same, found in embedded:
            self._in_flight.pop(same[0].id)
            if found.error is not None:
                for entry in same:
                    self._job.fail(entry.place.uri, found.error)
        self._flush_known()

    def _flush_known(self) -> None:
        known, self._known = self._known, []
        if known:
            self._result.replaced += len(self._record(known, {}))
            self._result.already_there += len(known)
            self._job.advance(len(known), skipped=True)


def place_of(file: SourceFile, stat: os.stat_result) -> Place:
    """A file's place, as the file is now."""
    return Place(
        _absolute(file.path), file.uri, stat.st_mtime_ns, stat.st_size, signed(stat.st_ino)
    )


def signed(inode: int) -> int:
    """As a database's integers are: some network file systems use all 64 bits."""
    return inode - 2**64 if inode >= 2**63 else inode


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


def _bytes_of(batch: list[_Picture]) -> int:
    return sum(len(picture.data) for picture in batch)


def _absolute(path: Path) -> str:
    return str(path.absolute())
