"""Ingests the pictures of a source: read, hash, embed, store features, record.

Equal bytes are embedded once, whatever their paths, so an interrupted ingest resumes, and a second
one embeds nothing.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from services.indexer.catalog.entry import Entry
from services.indexer.catalog.feature_places import FeaturePlace
from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Place
from services.indexer.catalog.second_files import FileOwners
from services.indexer.embedding.client import Embedding, ModelPair
from services.indexer.embedding.embedded import Embedded
from services.indexer.ingest.broken_files import BrokenFiles
from services.indexer.ingest.file_reader import (
    FileRead,
    FileReader,
    LargeVideos,
    no_large_video,
)
from services.indexer.ingest.one_by_one import each_alone
from services.indexer.ingest.result import IngestResult
from services.indexer.ingest.settings import IngestSettings as IngestSettings
from services.indexer.jobs.context import JobContext
from services.indexer.sources.source import SourceFile
from services.indexer.storage.feature_store import FeatureStore
from shared.core import failpoints
from shared.media.facts import facts_of
from shared.media.identity import id_of_sha256
from shared.objects.file import Stamp

log = logging.getLogger(__name__)

# Write a shard once it is large enough for a file, or often enough to show progress.
_FLUSH_IMAGES = 512
_FLUSH_S = 3.0
_BATCHES_AHEAD = 12
"""Number of batches read ahead: as many as the embedder handles during a flush."""


Record = Callable[[Sequence[Entry], Mapping[str, Sequence[FeaturePlace]]], list[str]]
"""Writes entries to the catalogue; returns the images that lost their last path to another."""


@dataclass(frozen=True)
class _Picture:
    """Bytes to embed, and every entry that has them. `sidecar`: the first one's. `head`: what tells
    the facts, where the bytes are a large video's poster."""

    data: bytes
    entries: list[Entry]
    sidecar: bytes | None = None
    head: bytes | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Facts of the file."""
        return facts_of(self.data if self.head is None else self.head, self.sidecar)


@dataclass(frozen=True)
class _Found:
    """Features of a picture, and the facts of its file."""

    embedded: Embedded
    file: dict[str, Any]


@dataclass(frozen=True)
class IngestTools:
    """Collaborators of every run."""

    images: Images
    features: FeatureStore
    embedding: Embedding
    settings: IngestSettings
    large_video: LargeVideos = no_large_video


class Ingest:
    """One run over the files of a source; `record` writes the results."""

    def __init__(
        self,
        tools: IngestTools,
        pair: ModelPair,
        job: JobContext,
        source: str = "",
        record: Record | None = None,
    ) -> None:
        """`record`: by default what it writes can be taken back by the job's id."""
        images = tools.images
        self._images = images
        self._owners = FileOwners(images.database)
        self._features = tools.features
        self._embedding = tools.embedding
        self._pair = pair
        self._job = job
        self._settings = tools.settings
        self._source = source
        self._record = record or partial(images.record, undo=job.id or None)
        self._large_video = tools.large_video
        self._broken = BrokenFiles(images.database)
        self._result = IngestResult()
        self._known: list[tuple[SourceFile, Entry]] = []
        self._again: list[SourceFile] = []
        self._in_flight: dict[str, list[Entry]] = {}
        self._embedded: list[tuple[list[Entry], _Found]] = []
        self._flushed = time.monotonic()

    def run(self, files: Sequence[SourceFile]) -> IngestResult:
        """Ingest the files. Raises Cancelled; images recorded before that stay."""
        self._job.stage("embedding")
        self._job.count(len(files))
        decoding = self._embedding.decoding() if files else ""
        self._broken.begin(decoding, self._pair, self._settings)
        its = self._settings, self._large_video, self._broken.table
        reader = FileReader(self._images, self._pair.all, *its)
        failed_before = self._job.failed
        self._result = IngestResult(files=len(files))
        left = files
        while left:
            self._take_all(reader, left)
            left, self._again = self._again, []
        self._result.failed = self._job.failed - failed_before
        return self._result

    def _take_all(self, reader: FileReader, files: Sequence[SourceFile]) -> None:
        # Batches are read ahead, so that the embedder has work while features are stored.
        waiting: deque[tuple[list[_Picture], Future[list[_Found]]]] = deque()
        ahead = 0
        with ThreadPoolExecutor(self._settings.concurrency, "embed") as pool:
            try:
                for batch in self._batches(reader.read(files)):
                    self._job.check_cancelled()
                    future = pool.submit(copy_context().run, self._embed, batch)
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

    def _embed(self, batch: list[_Picture]) -> list[_Found]:
        rows = self._embedding.images([picture.data for picture in batch], self._pair, bulk=True)
        return [
            _Found(row, {} if row.error else row.completed(picture.facts))
            for picture, row in zip(batch, rows, strict=True)
        ]

    def _batches(self, read: Iterator[FileRead]) -> Iterator[list[_Picture]]:
        batch: list[_Picture] = []
        size = 0
        for reads in self._groups(read):
            for picture in self._pictures(reads):
                size += len(picture.data)
                if batch and (
                    len(batch) == self._settings.batch or size > self._settings.batch_bytes
                ):
                    yield batch
                    batch, size = [], len(picture.data)
                batch.append(picture)
        if batch:
            yield batch

    def _groups(self, files: Iterator[FileRead]) -> Iterator[list[FileRead]]:
        """Yield batches of files that are looked up together, once they are read."""
        group: list[FileRead] = []
        size = 0
        for read in files:
            group.append(read)
            size += len(read.data or b"")
            if len(group) == self._settings.batch or size > self._settings.batch_bytes:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _pictures(self, reads: Sequence[FileRead]) -> list[_Picture]:
        """Return the pictures to embed, as a list, because nothing may be recorded since the
        look-up.
        """
        digests = {read.file.path: read.digest for read in reads if read.data is not None}
        # A file of a pair may be that of an image whose id is by the other one.
        owners = self._owners.at(digests) if digests else {}
        ids = {path: owners.get(path) or id_of_sha256(digest) for path, digest in digests.items()}
        known = self._images.known(sorted(ids.values()), self._pair.all) if ids else set[str]()
        # An image that has features needs no decoding any more.
        reads = self._broken.told(reads, [digests[at] for at, i in ids.items() if i not in known])
        found = [self._picture(read, owners.get(read.file.path), known) for read in reads]
        return [picture for picture in found if picture is not None]

    def _picture(self, read: FileRead, owner: str | None, known: Set[str]) -> _Picture | None:
        """The picture of a file if it must be embedded; otherwise the file is dealt with.

        `owner`: the image that the file was known as.
        """
        file, stamp = read.file, read.stamp
        if read.error is not None or stamp is None:
            self._job.fail(file.shown, read.error or "")
            if read.is_new:
                self._broken.add(file.path, stamp, read.digest, read.error or "")
            return None
        if read.data is None:
            self._result.already_there += 1
            self._job.advance(skipped=True)
            return None
        entry = Entry(
            owner or id_of_sha256(read.digest),
            read.digest,
            replace(place_of(file, stamp), sha256=read.digest),
            file.tags,
            file.metadata,
            self._source,
            has_sidecar=read.sidecar is not None,
        )
        if (same := self._in_flight.get(entry.id)) is not None:
            same.append(entry)
            return None
        if entry.id in known:
            if read.sidecar is not None:
                entry = replace(entry, file=facts_of(read.head or read.data, read.sidecar))
            self._known.append((file, entry))
            if len(self._known) >= _FLUSH_IMAGES:
                self._flush_known()
            return None
        picture = _Picture(read.data, [entry], read.sidecar, read.head)
        self._in_flight[entry.id] = picture.entries
        return picture

    def _take(self, batch: list[_Picture], future: Future[list[_Found]]) -> None:
        for picture, found in zip(batch, future.result(), strict=True):
            self._embedded.append((picture.entries, found))
        if len(self._embedded) >= _FLUSH_IMAGES or time.monotonic() - self._flushed > _FLUSH_S:
            self._flush()
        self._job.check_cancelled()

    def _flush(self) -> None:
        """Store and record embedded images, features first, so that every record has features."""
        embedded, self._embedded = self._embedded, []
        self._flushed = time.monotonic()
        good = [
            ([replace(entry, file=found.file) for entry in same], found.embedded)
            for same, found in embedded
            if found.embedded.error is None
        ]
        places: dict[str, list[FeaturePlace]] = {}
        for fingerprint in sorted(self._pair.all) if good else ():
            rows = np.stack([found.features[fingerprint] for _, found in good])
            shard = self._features.append(fingerprint, rows)
            for row, (same, _) in enumerate(good):
                place = FeaturePlace(fingerprint, shard, row)
                places.setdefault(same[0].id, []).append(place)
        entries = [entry for same, _ in good for entry in same]
        fitting = self._fitting(entries)
        failpoints.reach("ingest.stored")
        kept = {id(entry) for entry in fitting} - self._keep(fitting, places)
        failpoints.reach("ingest.recorded")
        new = sum(any(id(entry) in kept for entry in same) for same, _ in good)
        self._result.embedded += new
        self._result.already_there += len(kept) - new
        self._job.advance(len(kept))
        for same, one in embedded:
            self._in_flight.pop(same[0].id)
            if one.embedded.error is not None:
                for entry in same:
                    self._job.fail(entry.place.uri, one.embedded.error)
                    if not one.embedded.is_passing:
                        self._broken.add_entry(entry, one.embedded.error)
            elif one.embedded.note is not None:
                for entry in same:
                    self._result.note(entry.place.uri, one.embedded.note)
        self._broken.flush()
        self._flush_known()

    def _flush_known(self) -> None:
        known, self._known = self._known, []
        entries = self._fitting([entry for _, entry in known])
        failed = self._keep(entries, {})
        kept = {id(entry): entry for entry in entries if id(entry) not in failed}
        ids = sorted({entry.id for entry in kept.values()})
        # An image that was deleted since it was looked up has come back without its features.
        there = self._images.known(ids, self._pair.all) if ids else set[str]()
        found = [(file, entry.id in there) for file, entry in known if id(entry) in kept]
        self._again += [file for file, is_there in found if not is_there]
        count = sum(is_there for _, is_there in found)
        self._result.already_there += count
        self._job.advance(count, skipped=True)

    def _keep(
        self, entries: Sequence[Entry], places: Mapping[str, Sequence[FeaturePlace]]
    ) -> set[int]:
        """Record entries; return those, by `id`, that can't be recorded, after telling the job."""
        failed: set[int] = set()

        def fail(entry: Entry, why: str) -> None:
            failed.add(id(entry))
            self._job.fail(entry.place.uri, why)

        def record(entries_of_chunk: Sequence[Entry]) -> int:
            ids = {entry.id for entry in entries_of_chunk}
            return len(
                self._record(entries_of_chunk, {i: at for i, at in places.items() if i in ids})
            )

        self._result.replaced += sum(each_alone(entries, record, fail))
        return failed

    def _fitting(self, entries: list[Entry]) -> list[Entry]:
        """Yield the entries within their images' limits; report the others to the job."""
        over = self._images.over_bounds([(e.id, e.tags, e.metadata) for e in entries])
        for at, reason in over.items():
            self._job.fail(entries[at].place.uri, reason)
        return [entry for at, entry in enumerate(entries) if at not in over]


def place_of(file: SourceFile, stamp: Stamp) -> Place:
    """A file's place, as the file is now."""
    return Place(file.path, file.uri, stamp.mtime_ns, stamp.bytes, stamp.inode, stamp.ctime_ns)


def _bytes_of(batch: list[_Picture]) -> int:
    return sum(len(picture.data) for picture in batch)
