"""Uploads: pictures that can be searched when the call is answered."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from services.indexer.catalog.entry import Entry
from services.indexer.catalog.feature_places import FeaturePlace
from services.indexer.catalog.removed_files import UploadGone
from services.indexer.embedding.client import ModelPair
from services.indexer.embedding.embedded import Embedded
from services.indexer.publishing.collection import Collection
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.image_files import ImageFiles
from services.indexer.storage.upload_files import UploadFiles, UploadNames
from shared.contracts.indexer import Added, AddedItem, AddState
from shared.core import failpoints
from shared.core.budget import MIB, Budget
from shared.media.facts import facts_of
from shared.media.identity import id_of_sha256

_BATCH_BYTES = 32 * MIB
_COPIES = 2
"""A file, and the body in which it goes to the embedder."""
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Upload:
    """A file that arrived, which isn't read into memory before it is its turn."""

    name: str
    file: BinaryIO
    size: int

    def read(self) -> bytes:
        self.file.seek(0)
        return self.file.read()

    def digest(self) -> str:
        self.file.seek(0)
        found = hashlib.sha256()
        while block := self.file.read(MIB):
            found.update(block)
        return found.hexdigest()


class Uploads:
    """Embeds, stores, records and publishes a few pictures at once."""

    def __init__(
        self,
        collection: Collection,
        features: FeatureStore,
        files: ImageFiles,
        batch: int,
        memory: Budget | None = None,
    ) -> None:
        """`memory`: budget that files take from while they are in memory."""
        self._memory = memory
        self._images = collection.images
        self._embedding = collection.embedding
        self._external = collection.external
        self._compatibility = collection.compatibility
        self._deletions = collection.deletions
        self._publisher = collection.publisher
        self._gate = collection.gate
        self._features = features
        self._files = UploadFiles(files, collection.images.database, collection.removal)
        self._batch = batch

    def add(
        self,
        uploads: Sequence[Upload],
        tags: Sequence[str],
        metadata: Mapping[str, Any],
        sidecars: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Added:
        """Adds files, with the same tags and metadata for all. `sidecars`: XMP files
        by the name of the picture that each is of.

        A picture that can't be used is answered with its reason and does not fail the others.
        Raises FingerprintMismatch when the embedder's models are not the index's, Unavailable.
        """
        self._external.refuse_pictures()
        # Finish interrupted deletions, because the images would otherwise count as present.
        self._deletions.finish_left()
        pair = self._compatibility.fitting_pair()
        digests = [upload.digest() for upload in uploads]
        ids = [id_of_sha256(digest) for digest in digests]
        known = self._images.known(ids, pair.all)
        # Embed a picture once, even if the call contains it twice.
        new = {i: upload for i, upload in zip(ids, uploads, strict=True) if i not in known}
        embedded = self._embed(new, pair)
        places = self._store(embedded, pair)
        over = self._images.over_bounds([(image_id, tags, metadata) for image_id in ids])
        failed = {
            at: reason
            for at, image_id in enumerate(ids)
            if (reason := _unusable(embedded.get(image_id)) or over.get(at)) is not None
        }
        good = {at: image_id for at, image_id in enumerate(ids) if at not in failed}
        try:
            with self._files.writing(list(good.values())) as names:
                entries = [
                    self._kept(
                        uploads[at], image_id, digests[at], sidecars, names, embedded.get(image_id)
                    )
                    for at, image_id in good.items()
                ]
                entries = [replace(one, tags=tags, metadata=metadata) for one in entries]
                if entries:
                    failpoints.reach("addition.kept")
                    # A change of the model embeds those that were recorded before, and may be
                    # behind.
                    self._gate.wait()
                    self._images.record(entries, places, uploads=names.missing)
                    failpoints.reach("addition.recorded")
        except UploadGone:
            # One was deleted since it was found to be there, and its file with it.
            return self.add(uploads, tags, metadata, sidecars)
        if self._images.known(list(good.values()), pair.all) != set(good.values()):
            # So were its features.
            return self.add(uploads, tags, metadata, sidecars)
        manifest = self._publisher.publish_first(pair.visual, "images added")
        if entries and manifest.visual and manifest.visual.fingerprint != pair.visual:
            # The collection went over to another model meanwhile, which they must be embedded by.
            return self.add(uploads, tags, metadata, sidecars)
        items = [
            _item(upload.name, image_id, failed.get(at), embedded.get(image_id))
            for at, (image_id, upload) in enumerate(zip(ids, uploads, strict=True))
        ]
        return Added(items=items, snapshot=manifest.number)

    def _kept(
        self,
        upload: Upload,
        image_id: str,
        digest: str,
        sidecars: Mapping[str, bytes],
        names: UploadNames,
        embedded: Embedded | None,
    ) -> Entry:
        """Store a file; return its entry."""
        beside = sidecars.get(upload.name)
        with self._holding([upload]):
            data = upload.read()
            place = self._files.keep(names, image_id, upload.name, data)
            file = facts_of(data, beside)
        return Entry(
            image_id,
            digest,
            replace(place, sha256=digest),
            file=file if embedded is None else embedded.completed(file),
            has_sidecar=beside is not None,
        )

    def _embed(self, new: Mapping[str, Upload], pair: ModelPair) -> dict[str, Embedded]:
        found: dict[str, Embedded] = {}
        for batch in self._batches(new):
            with self._holding([new[i] for i in batch]):
                rows = self._embedding.images([new[i].read() for i in batch], pair)
            found |= dict(zip(batch, rows, strict=True))
        return found

    def _batches(self, new: Mapping[str, Upload]) -> Iterator[list[str]]:
        """Yield the ids of files to embed together, of a bounded number and size."""
        batch: list[str] = []
        size = 0
        for image_id, upload in new.items():
            if batch and (len(batch) == self._batch or size + upload.size > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(image_id)
            size += upload.size
        if batch:
            yield batch

    def _holding(self, uploads: Sequence[Upload]) -> AbstractContextManager[None]:
        """Hold the memory of files for a block. Raises Unavailable."""
        if self._memory is None:
            return nullcontext()
        size = sum(upload.size for upload in uploads)
        return self._memory.held(_COPIES * size, _PATIENCE_S)

    def _store(
        self, embedded: Mapping[str, Embedded], pair: ModelPair
    ) -> dict[str, list[FeaturePlace]]:
        good = [i for i, found in embedded.items() if found.error is None]
        places: dict[str, list[FeaturePlace]] = {i: [] for i in good}
        for fingerprint in sorted(pair.all) if good else ():
            rows = np.stack([embedded[i].features[fingerprint] for i in good])
            shard = self._features.append(fingerprint, rows)
            for row, image_id in enumerate(good):
                places[image_id].append(FeaturePlace(fingerprint, shard, row))
        return places


def _unusable(embedded: Embedded | None) -> str | None:
    return None if embedded is None else embedded.error


def _item(name: str, image_id: str, failed: str | None, embedded: Embedded | None) -> AddedItem:
    """Return what became of a file. embedded: None for a picture that was there before."""
    if failed is not None:
        return AddedItem(name=name, id=None, state=AddState.FAILED, error=failed)
    state = AddState.EXISTS if embedded is None else AddState.ADDED
    note = None if embedded is None else embedded.note
    return AddedItem(name=name, id=image_id, state=state, note=note)
