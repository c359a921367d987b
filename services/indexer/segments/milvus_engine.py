"""Spaces in Milvus: a collection each time that centroids are made anew.

Nobody searches it before its snapshot is published, and a roll-back finds it as it was. A segment
without vectors tells who is in it.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering.streaming import Blocks, cluster_count
from services.indexer.jobs.context import JobContext
from services.indexer.measuring import recall_by_search
from services.indexer.segments.engine import Copy, CopyTarget, Kept, NewSpace, Reader
from services.indexer.segments.local_space import with_progress
from services.indexer.segments.store import SegmentStore
from shared.contracts.indexer import BuildSettings
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.core.errors import Conflict, Corrupt, ISEError, Misconfigured, Unavailable
from shared.engines.engine import Refused
from shared.engines.milvus.collection import MilvusCollection, name_of
from shared.engines.milvus.engine import MilvusEngine
from shared.engines.milvus.index import MilvusIndex
from shared.engines.milvus.terms import terms_of
from shared.files import durable
from shared.snapshots.items import Item, ItemsFile
from shared.snapshots.manifest import (
    TAG_FORM,
    Manifest,
    MilvusManifest,
    SegmentFile,
    SpaceManifest,
)

log = logging.getLogger(__name__)

_WHOLE = "IVF_FLAT"
_OWNER = "milvus-owner"
_ROWS = 4096


class MilvusSpaces:
    """Fills collections, which rank, cluster and merge by themselves."""

    title = "Milvus"
    holds_terms = True

    def __init__(
        self, segments: SegmentStore, engine: MilvusEngine, index_type: str, is_chosen: bool
    ) -> None:
        """index_type: what Milvus builds. is_chosen: the next space that is built goes there."""
        self._segments = segments
        self._engine = engine
        self._index_type = index_type
        self._is_chosen = is_chosen
        # By the thread that made it.
        self._unpublished: dict[str, int] = {}
        self._served: set[str] = set()
        self._named: set[str] | None = None

    def build(
        self, new: NewSpace, settings: BuildSettings, job: JobContext, with_codes: bool = True
    ) -> SpaceManifest:
        rows, ordinals = len(new.where), new.where.ordinals
        clusters = cluster_count(settings.clusters, rows)
        collection: MilvusCollection | None = None
        blocks = with_progress(new.blocks(new.where), f"{new.stage} in Milvus", rows, job)
        for start, block in blocks:
            if collection is None:
                collection = self.begun(new.name, new.fingerprint, settings.metric, block.shape[1])
            some = ordinals[start : start + len(block)]
            self.put(collection, some, block, new.records, is_new=True)
        if collection is None:
            raise RuntimeError("a space of no vectors")
        return self.finished(
            new.name, new.fingerprint, settings.metric, clusters, ordinals, collection
        )

    def begun(self, name: str, fingerprint: str, metric: Metric, dim: int) -> MilvusCollection:
        """Create a collection, empty, which nobody knows of yet."""
        name_there = f"{self._prefix}_{name}_{uuid.uuid4().hex[:16]}"
        collection = self._engine.named(name_there, dim, self._index_type)
        self._unpublished[collection.name] = threading.get_ident()
        collection.create({"fingerprint": fingerprint, "space": name, "metric": metric.value})
        return collection

    def again(self, name_there: str, dim: int) -> MilvusCollection | None:
        """Return a collection that was begun before; None where Milvus has it no more."""
        collection = self._engine.named(name_there, dim, self._index_type)
        if not collection.exists():
            return None
        self._unpublished[name_there] = threading.get_ident()
        return collection

    def put(
        self,
        collection: MilvusCollection,
        ordinals: NDArray[np.int64],
        vectors: NDArray[np.float32],
        records: Sequence[SegmentFile],
        is_new: bool,
    ) -> None:
        """Add images to a collection that was begun, or replace them."""
        files = [ItemsFile(self._segments.intact(file)) for file in records]
        collection.put(ordinals, vectors, partial(_recorded, files), is_new)

    def finished(
        self,
        name: str,
        fingerprint: str,
        metric: Metric,
        clusters: int,
        ordinals: NDArray[np.int64],
        collection: MilvusCollection,
    ) -> SpaceManifest:
        """Return the space of a collection that has all its images: indexed, and in Milvus's
        memory.
        """
        index_type = self._index_type
        try:
            collection.index(index_type, clusters)
        except Refused as error:
            # As Milvus Lite does of IVF_RABITQ.
            log.warning("%s IVF_FLAT is built instead of %s.", error.detail, index_type)
            index_type, collection.is_refined = _WHOLE, False
            collection.index(index_type, clusters)
        return SpaceManifest(
            fingerprint=fingerprint,
            dim=collection.dim,
            metric=metric,
            clusters=clusters,
            seed=0,
            postings=[self._segments.members(name, ordinals, metric)],
            milvus=MilvusManifest(
                collection=collection.name, index_type=index_type, tag_form=TAG_FORM
            ),
        )

    def append(
        self,
        name: str,
        space: SpaceManifest,
        ordinals: NDArray[np.int64],
        blocks: Callable[[], Blocks],
        changed: Sequence[Item],
    ) -> SegmentFile:
        collection = self._own(space)
        by_ordinal = {item.ordinal: item for item in changed}
        for start, block in blocks():
            collection.put(ordinals[start : start + len(block)], block, partial(_terms, by_ordinal))
        collection.settle()
        return self._segments.members(name, ordinals, space.metric)

    def retag(self, space: SpaceManifest, changed: Sequence[Item]) -> None:
        if not changed:
            return
        by_ordinal = {item.ordinal: item for item in changed}
        wanted = np.array(sorted(by_ordinal), np.int64)
        here = self._segments.holds(space, wanted)
        collection = self._own(space)
        collection.retag(wanted[here].tolist(), partial(_terms, by_ordinal))
        collection.settle()

    def merge(
        self, name: str, space: SpaceManifest, files: list[SegmentFile], deleted: NDArray[np.int64]
    ) -> SegmentFile:
        together = np.concatenate([self._segments.open(file).ordinals for file in files])
        return self._segments.members(name, np.setdiff1d(together, deleted), space.metric)

    def compact(
        self,
        name: str,
        space: SpaceManifest,
        queries: NDArray[np.float32] | None,
        deleted: NDArray[np.int64],
        job: JobContext,
    ) -> SpaceManifest:
        """Note who is in the space; Milvus merges its own vectors, and its recall stays."""
        file = self.merge(name, space, space.postings, deleted)
        return space.model_copy(update={"postings": [file]}) if file.rows else space

    def forget(self, space: SpaceManifest, ordinals: list[int]) -> None:
        if not ordinals:
            return
        try:
            self._own(space).remove(ordinals)
        except ISEError as error:
            log.warning("deleted images are hidden, but remain in Milvus: %s", error.detail)

    def open(self, space: SpaceManifest) -> MilvusIndex:
        return self._engine.open(space, [self._segments.open(file) for file in space.postings])

    def measure(
        self, space: SpaceManifest, name: str, seed: int, queries: NDArray[np.float32] | None = None
    ) -> list[RecallCurve]:
        return recall_by_search.measure(self.open(space), name, seed, queries)

    def reader(self, space: SpaceManifest) -> Reader:
        return self._engine.collection(space).read

    def stream(
        self, space: SpaceManifest, ordinals: NDArray[np.int64]
    ) -> Iterator[NDArray[np.float32]]:
        read = self.reader(space)
        return (read(ordinals[at : at + _ROWS]) for at in range(0, len(ordinals), _ROWS))

    def copy(self, copy: Copy) -> CopyTarget:
        return _Copied(self, copy)

    def keep(self, kept: Kept) -> None:
        """Drop collections. The current snapshot's get the aliases; those of the others leave
        Milvus's memory.
        """
        mine = threading.get_ident()
        made = [n for n, maker in list(self._unpublished.items()) if maker == mine]
        for name in made:
            del self._unpublished[name]
        named = {name: space for one in kept.manifests for name, space in _elsewhere(one)}
        if not (named or made or self._named or self._is_chosen):
            return
        spared = {*kept.begun, *(dict(_elsewhere(kept.moving)) if kept.moving is not None else ())}
        try:
            used = dict(_elsewhere(kept.current))
            is_left = any(name not in named and name not in spared for name in made)
            # Else nothing changed; an addition shouldn't wait for it.
            before, self._named = self._named, set(named)
            if is_left or self._served != set(used) or before is None or before - set(named):
                known = None
                if kept.formerly is not None:
                    known = {name for one in kept.formerly for name, _ in _elsewhere(one)} | set(
                        made
                    )
                self._keep(named, used, spared, known)
        except (Unavailable, Misconfigured, Corrupt) as error:
            log.warning("collections that are no longer used may be left: %s", error.detail)

    def _keep(
        self,
        named: dict[str, SpaceManifest],
        used: dict[str, SpaceManifest],
        spared: set[str],
        known: set[str] | None,
    ) -> None:
        # At first any of them may be the one before.
        before, self._served = self._served or set(named), set(used)
        with self._engine.server.asked() as client:
            listed = client.list_collections()
        there = {name_of(name) for name in listed if name.startswith(self._prefix + "_")}
        for name in sorted(there):
            may_go = known is None or name in known
            if name in spared:
                continue
            if name not in named and name not in self._unpublished and may_go:
                self._engine.named(name, 0, _WHOLE).drop()
            elif name in named and name not in used and name not in before:
                # Not the one before: somebody may be searching it still.
                self._engine.collection(named[name]).release()
        for name, space in used.items():
            if not name.startswith(self._prefix + "_"):
                continue
            kind = name.removeprefix(self._prefix + "_").split("_")[0]
            self._engine.collection(space).call(f"{self._prefix}_{kind}")

    @cached_property
    def _prefix(self) -> str:
        """Prefix of the names of this installation's collections: several may share a Milvus, and
        each drops only its own.
        """
        path = self._segments.folder.parent / _OWNER
        if not path.exists():
            durable.write_text(path, uuid.uuid4().hex[:8] + "\n")
        return f"ise_{path.read_text().strip()}"

    def _own(self, space: SpaceManifest) -> MilvusCollection:
        """Return the collection of a space, to be written to. Raises Conflict where it belongs to
        the folder that this one is a copy of.
        """
        collection = self._engine.collection(space)
        if not collection.name.startswith(self._prefix + "_"):
            raise Conflict(
                f"Milvus's collection {collection.name} belongs to another installation, "
                "as happens after `ise restore`. `ise build` creates a new one."
            )
        return collection


class _Copied:
    """Collection that vectors are copied to."""

    def __init__(self, spaces: MilvusSpaces, copy: Copy) -> None:
        self._spaces = spaces
        self._copy = copy
        space = copy.space
        known = None if copy.place is None else spaces.again(copy.place, space.dim)
        self.is_new = known is None
        self._collection = known or spaces.begun(
            copy.name, space.fingerprint, space.metric, space.dim
        )
        self.place: str | None = self._collection.name

    def put(self, rows: slice, live: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        # What the process before had put and not noted is replaced, not doubled.
        self._spaces.put(self._collection, live, vectors, self._copy.records, self.is_new)

    def finish(self, deleted: NDArray[np.int64], job: JobContext) -> SpaceManifest:
        copy, space, collection = self._copy, self._copy.space, self._collection
        job.stage(f"indexing the {copy.name} space in Milvus")
        live = np.setdiff1d(copy.ordinals, deleted)
        made = self._spaces.finished(
            copy.name, space.fingerprint, space.metric, space.clusters, live, collection
        )
        collection.remove(np.intersect1d(copy.ordinals, deleted).tolist())
        if (found := collection.count()) != len(live):
            raise Corrupt(
                f"Milvus has {found} of the {len(live)} images that were put there. `ise migrate` "
                "puts them there again."
            )
        return made


def _elsewhere(manifest: Manifest) -> Iterator[tuple[str, SpaceManifest]]:
    for space in manifest.spaces.values():
        if space.milvus is not None:
            yield space.milvus.collection, space


def _terms(items: Mapping[int, Item], ordinal: int) -> list[str]:
    return terms_of(items[ordinal]) if ordinal in items else []


def _recorded(files: Sequence[ItemsFile], ordinal: int) -> list[str]:
    """Return the terms of an image's newest record; none where it has no record yet."""
    for file in reversed(files):
        if (row := file.row_of(ordinal)) is not None:
            return terms_of(file.item(row))
    return []
