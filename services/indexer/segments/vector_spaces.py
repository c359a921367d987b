"""The spaces of snapshots, in the engine that holds their vectors.

Locally that is their segments. With Milvus it is a collection, one for each time that centroids are
made anew: nobody searches it before its snapshot is published, and a roll-back finds it as it was.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering.streaming import Blocks
from services.indexer.segments.store import SegmentStore
from shared.contracts.query import Metric
from shared.core.errors import Conflict, Corrupt, ISEError, Misconfigured, Unavailable
from shared.engines.engine import Index
from shared.engines.ivf.index import InvertedIndex
from shared.engines.milvus.collection import MilvusCollection
from shared.engines.milvus.index import MilvusIndex
from shared.engines.milvus.server import Milvus, Refused
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


class Spaces:
    """Makes, extends and opens them. index_type: what Milvus builds; None: vectors stay here."""

    def __init__(
        self, segments: SegmentStore, milvus: Milvus | None = None, index_type: str | None = None
    ) -> None:
        self._segments = segments
        self._milvus = milvus or Milvus("")
        self._index_type = index_type
        # By the thread that made it.
        self._unpublished: dict[str, int] = {}
        self._served: set[str] = set()
        self._named: set[str] | None = None

    @property
    def are_elsewhere(self) -> bool:
        """True if the next space that is built goes to Milvus."""
        return self._index_type is not None

    def made(
        self,
        name: str,
        fingerprint: str,
        metric: Metric,
        clusters: int,
        ordinals: NDArray[np.int64],
        blocks: Blocks,
        records: Sequence[SegmentFile],
    ) -> SpaceManifest:
        """A space in a collection of its own; `blocks` are (start, vectors) of the ordinals.

        records: the items files that tell the images' tags and metadata, which filters ask for.
        """
        collection: MilvusCollection | None = None
        for start, block in blocks:
            if collection is None:
                collection = self.begun(name, fingerprint, metric, block.shape[1])
            self.put(collection, ordinals[start : start + len(block)], block, records, is_new=True)
        if collection is None:
            raise RuntimeError("a space of no vectors")
        return self.finished(name, fingerprint, metric, clusters, ordinals, collection)

    def begun(self, name: str, fingerprint: str, metric: Metric, dim: int) -> MilvusCollection:
        """A new collection, empty, which nobody knows of yet."""
        name_there = f"{self._prefix}_{name}_{uuid.uuid4().hex[:16]}"
        collection = self._collection(name_there, dim, self._index_type or _WHOLE)
        self._unpublished[collection.name] = threading.get_ident()
        collection.create({"fingerprint": fingerprint, "space": name, "metric": metric.value})
        return collection

    def again(self, name_there: str, dim: int) -> MilvusCollection | None:
        """A collection that was begun before; None where Milvus has it no more."""
        collection = self._collection(name_there, dim, self._index_type or _WHOLE)
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
        is_new: bool = False,
    ) -> None:
        """Adds images to a collection that was begun, or replaces them."""
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
        """The space of a collection that has all its images: indexed, and in Milvus's memory."""
        index_type = self._index_type or _WHOLE
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

    def extended(
        self,
        name: str,
        space: SpaceManifest,
        ordinals: NDArray[np.int64],
        blocks: Blocks,
        changed: Sequence[Item],
    ) -> SegmentFile:
        """More images in a collection, which are hits once a snapshot names them.

        changed: the records of these, among others.
        """
        collection = self._own(space)
        by_ordinal = {item.ordinal: item for item in changed}
        for start, block in blocks:
            collection.put(ordinals[start : start + len(block)], block, partial(_terms, by_ordinal))
        return self._segments.members(name, ordinals, space.metric)

    def retag(self, space: SpaceManifest, changed: Sequence[Item]) -> None:
        """Has filters know the new tags and metadata of those that are in a collection."""
        if space.milvus is None or not changed:
            return
        by_ordinal = {item.ordinal: item for item in changed}
        wanted = np.array(sorted(by_ordinal), np.int64)
        here = np.zeros(len(wanted), bool)
        for file in space.postings:
            here |= self._segments.open(file).find(wanted) >= 0
        self._own(space).retag(wanted[here].tolist(), partial(_terms, by_ordinal))

    def merged(
        self, name: str, space: SpaceManifest, files: list[SegmentFile], deleted: NDArray[np.int64]
    ) -> SegmentFile:
        """Several additions as one, without the deleted images."""
        if space.milvus is None:
            return self._segments.merged_postings(name, space, files, deleted)
        together = np.concatenate([self._segments.open(file).ordinals for file in files])
        return self._segments.members(name, np.setdiff1d(together, deleted), space.metric)

    def index(self, space: SpaceManifest) -> Index:
        """A space to be searched. Raises Corrupt, Unavailable."""
        parts = [self._segments.open(file) for file in space.postings]
        if (kept := space.milvus) is None:
            return InvertedIndex(parts, space.metric)
        return MilvusIndex(
            self._of(space),
            parts,
            space.metric,
            space.clusters,
            kept.is_exact,
            kept.knows_tags,
        )

    def reader(self, space: SpaceManifest) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """Return a reader of the vectors of those of some images that are in a space, float32 (n,
        dim).

        From Milvus they come in the order of the images.
        """
        if space.milvus is not None:
            return self._of(space).read
        parts = [self._segments.open(file) for file in space.postings]

        def read(ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
            found = [
                part.vectors[rows[rows >= 0]] for part in parts for rows in [part.find(ordinals)]
            ]
            return np.concatenate(found).astype(np.float32, copy=False)

        return read

    def stored(self, space: SpaceManifest, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of images that are in a space, in their order. Raises Corrupt."""
        if space.milvus is not None:
            found = self._of(space).read(ordinals)
        else:
            parts = [self._segments.open(file) for file in space.postings]
            places = [part.find(ordinals) for part in parts]
            found = np.empty((len(ordinals), space.dim), np.float32)
            for part, rows in zip(parts, places, strict=True):
                found[rows >= 0] = part.vectors[rows[rows >= 0]]
            found = found[np.any([rows >= 0 for rows in places], axis=0)]
        if len(found) != len(ordinals):
            raise Corrupt(
                f"The index lacks the vectors of {len(ordinals) - len(found)} of its "
                "images. `ise build` rebuilds it from the stored features."
            )
        return found

    def forget(self, manifest: Manifest, ordinals: list[int]) -> None:
        """Takes deleted images out of the collections. Their tombstones hide them as well."""
        for space in filter(None, (manifest.visual, manifest.joint)):
            if space.milvus is not None and ordinals:
                try:
                    self._own(space).remove(ordinals)
                except ISEError as error:
                    log.warning("deleted images are hidden, but remain in Milvus: %s", error.detail)

    def keep(
        self,
        manifests: Iterable[Manifest],
        current: Manifest,
        moving: Container[str] = (),
        formerly: Iterable[Manifest] | None = None,
    ) -> None:
        """Drops what none of these snapshots names; what another thread is making stays.

        `moving`: collections that a migration goes on with. `formerly`: the snapshots until now;
        where they are given, what neither they nor this thread made may be another worker's, and
        stays.

        The current one's collections get the aliases; those of the others leave Milvus's memory.
        """
        mine = threading.get_ident()
        made = [n for n, maker in list(self._unpublished.items()) if maker == mine]
        for name in made:
            del self._unpublished[name]
        named = {name: space for one in manifests for name, space in _elsewhere(one)}
        if not (named or made or self._named or self.are_elsewhere):
            return
        try:
            used = dict(_elsewhere(current))
            is_left = any(name not in named and name not in moving for name in made)
            # Else nothing changed; an addition shouldn't wait for it.
            before, self._named = self._named, set(named)
            if is_left or self._served != set(used) or before is None or before - set(named):
                known = None
                if formerly is not None:
                    known = {name for one in formerly for name, _ in _elsewhere(one)} | set(made)
                self._keep(named, used, moving, known)
        except (Unavailable, Misconfigured, Corrupt) as error:
            log.warning("collections that are no longer used may be left: %s", error.detail)

    def _keep(
        self,
        named: dict[str, SpaceManifest],
        used: dict[str, SpaceManifest],
        moving: Container[str],
        known: set[str] | None,
    ) -> None:
        before, self._served = self._served, set(used)
        with self._milvus.asked() as client:
            there = [n for n in client.list_collections() if n.startswith(self._prefix + "_")]
        for name in there:
            may_go = known is None or name in known
            if name in moving:
                continue
            if name not in named and name not in self._unpublished and may_go:
                self._collection(name, 0).drop()
            elif name in named and name not in used and name not in before:
                # Not the one before: somebody may be searching it still.
                self._of(named[name]).release()
        for name, space in used.items():
            if not name.startswith(self._prefix + "_"):
                continue
            kind = name.removeprefix(self._prefix + "_").split("_")[0]
            self._of(space).call(f"{self._prefix}_{kind}")

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
        """To be written to. Raises Conflict where it's of the folder that this one is a copy of."""
        collection = self._of(space)
        if not collection.name.startswith(self._prefix + "_"):
            raise Conflict(
                f"Milvus's collection {collection.name} belongs to another installation, "
                "as happens after `ise restore`. `ise build` creates a new one."
            )
        return collection

    def _of(self, space: SpaceManifest) -> MilvusCollection:
        if space.milvus is None:
            raise Misconfigured("The space isn't kept in Milvus.")
        return self._collection(space.milvus.collection, space.dim, space.milvus.index_type)

    def _collection(self, name: str, dim: int, index_type: str = _WHOLE) -> MilvusCollection:
        return MilvusCollection(self._milvus, name, dim, index_type == "IVF_RABITQ")


def _elsewhere(manifest: Manifest) -> Iterator[tuple[str, SpaceManifest]]:
    for space in (manifest.visual, manifest.joint):
        if space is not None and space.milvus is not None:
            yield space.milvus.collection, space


def _terms(items: Mapping[int, Item], ordinal: int) -> list[str]:
    return terms_of(items[ordinal]) if ordinal in items else []


def _recorded(files: Sequence[ItemsFile], ordinal: int) -> list[str]:
    """The terms of an image's newest record; none where it has no record yet."""
    for file in reversed(files):
        if (row := file.row_of(ordinal)) is not None:
            return terms_of(file.item(row))
    return []
