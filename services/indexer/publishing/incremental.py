"""Changes in the catalogue since a snapshot, as segments beside those it has."""

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.catalog.view import View
from services.indexer.clustering.streaming import Blocks
from services.indexer.embedding.client import Embedding
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.tag_vectors import joint_tag_vectors
from services.indexer.storage.feature_store import FeatureStore
from shared.core.errors import Conflict, Corrupt, NotFound, Overloaded, Unavailable
from shared.snapshots.items import Item, tag_key
from shared.snapshots.manifest import Manifest, SegmentFile, SpaceManifest
from shared.snapshots.tag_vectors import read_tag_vectors
from shared.snapshots.transform import transformed

log = logging.getLogger(__name__)

# What asking the embedder may end with where it is away or its models don't fit.
NOT_EMBEDDED = (Unavailable, Overloaded, Conflict, NotFound, Corrupt)
# Additions are kept in files of falling size, each at least so many times the next: so they are
# few, for each costs a query a little, and a row is written anew few times. As in the
# log-structured merge-tree (O'Neil et al., 1996).
_FALL = 4
# What whoever adds a picture may have to wait for; larger files wait for the compaction.
_MERGED_ROWS = 8192


class IncrementalSegments:
    """Writes additions on a snapshot's own centroids, and merges them when there are many."""

    def __init__(
        self,
        index: IndexFiles,
        images: Images,
        features: FeatureStore,
        embedding: Embedding,
    ) -> None:
        self._segments = index.segments
        self._spaces = index.spaces
        self._tombstones = index.tombstones
        self._images = images
        self._features = features
        self._embedding = embedding

    def revision(self) -> int:
        """Return the revision that the catalogue is at."""
        with self._images.view() as view:
            return view.revision

    def with_pending(self, base: Manifest, may_lag: bool = False) -> Manifest:
        """With all that came since.

        may_lag: the joint space may go without it, where the embedder is away.
        """
        if base.visual is None:
            return base
        deleted = self._tombstones.read()
        with self._images.view() as view:
            fingerprint = base.visual.fingerprint
            changed = view.items(fingerprint, since=base.revision)
            visual = self._extended(base.visual, "visual", view, base, fingerprint, changed)
            joint = self._extended_joint(view, base, changed, may_lag)
            items = [*base.items, self._segments.items(changed)] if changed else base.items
            manifest = base.model_copy(
                update={
                    "revision": view.revision,
                    "items": self._merged(items, lambda f: self._segments.merged_items(f, deleted)),
                    "visual": self._with_merged(visual, "visual", deleted),
                    "joint": joint and self._with_merged(joint, "joint", deleted),
                    "tag_vectors": self._with_new_tags(base, joint, changed),
                }
            )
        return manifest.model_copy(update={"images": self._segments.live(manifest, deleted)})

    def _extended_joint(
        self, view: View, base: Manifest, changed: list[Item], may_lag: bool
    ) -> SpaceManifest | None:
        """The joint space with what came since.

        Where it may lag, searches by picture needn't wait for an embedder that is away: the next
        publication catches up.
        """
        joint, matching = base.joint, base.matching_fingerprint
        if joint is None or matching is None:
            return joint
        since = base.revision if joint.revision is None else min(joint.revision, base.revision)
        if base.visual is not None and since < base.revision:
            # Those that it lacks come with their tags.
            changed = view.items(base.visual.fingerprint, since=since)
        try:
            whole = self._extended(joint, "joint", view, base, matching, changed, since)
        except (Unavailable, Overloaded) as error:
            if not may_lag:
                raise
            log.warning("the joint space lags behind: %s", error.detail)
            return joint.model_copy(update={"revision": since})
        return whole.model_copy(update={"revision": None})

    def with_own_records(self, base: Manifest) -> Manifest:
        """With new records of the base's own images; as the rest is pending, its revision stays."""
        if base.visual is None:
            return base
        with self._images.view() as view:
            pending = view.items(base.visual.fingerprint, since=base.revision)
        ordinals = np.array([item.ordinal for item in pending], np.int64)
        is_own = self._segments.holds(base.visual, ordinals)
        changed = [item for item, own in zip(pending, is_own, strict=True) if own]
        if not changed:
            return base
        for space in base.spaces.values():
            self._spaces.of(space).retag(space, changed)
        deleted = self._tombstones.read()
        items = [*base.items, self._segments.items(changed)]
        return base.model_copy(
            update={
                "items": self._merged(items, lambda f: self._segments.merged_items(f, deleted)),
                "tag_vectors": self._with_new_tags(base, base.joint, changed),
            }
        )

    def _extended(
        self,
        space: SpaceManifest,
        name: str,
        view: View,
        base: Manifest,
        fingerprint: str,
        changed: list[Item],
        since: int | None = None,
    ) -> SpaceManifest:
        """A space with the images whose features came after a revision, by default the base's."""
        engine = self._spaces.of(space)
        engine.retag(space, changed)
        # Beside the visual features: an image without them has no record, so no answer may have it.
        beside = base.visual.fingerprint if base.visual is not None else None
        since = base.revision if since is None else since
        rows = view.features(fingerprint, since=since, beside=beside)
        where = self._new_rows(space, rows)
        if not len(where):
            return space
        projected: list[tuple[int, NDArray[np.float32]]] = []
        if name == "joint":
            vectors = self._features.read(fingerprint, where)
            projected = [(0, self._embedding.project(vectors, fingerprint, space.fingerprint))]
        transform = self._segments.transform_of(space)

        def blocks() -> Blocks:
            # Read twice rather than held: an import that broke off may have left very many.
            return projected or transformed(self._features.blocks(fingerprint, where), transform)

        file = engine.append(name, space, where.ordinals, blocks, changed)
        return space.model_copy(update={"postings": [*space.postings, file]})

    def _new_rows(self, space: SpaceManifest, where: FeatureRows) -> FeatureRows:
        """Without the images that the space holds already: their features came anew, unchanged."""
        return where[~self._segments.holds(space, where.ordinals)]

    def _with_new_tags(
        self, base: Manifest, joint: SpaceManifest | None, changed: list[Item]
    ) -> list[SegmentFile]:
        """Files of tag vectors, with those of the tags that the changed images bring."""
        if joint is None:
            return []
        known = {
            key for f in base.tag_vectors for key in read_tag_vectors(self._segments.intact(f))
        }
        carriers: dict[str, list[int]] = {}
        for item in changed:
            for tag in item.tags:
                if (key := tag_key(tag)) not in known:
                    carriers.setdefault(key, []).append(item.ordinal)
        if not carriers:
            return list(base.tag_vectors)
        try:
            vectors = joint_tag_vectors(self._spaces, joint, carriers, self._embedding)
        except NOT_EMBEDDED as error:
            # A retag needs no embedder, nor one that fits: until the next build such a tag is
            # searched by the mean of its images.
            log.warning("new tags have no vectors yet: %s", error.detail)
            return list(base.tag_vectors)
        files = [*base.tag_vectors, self._segments.tag_vectors(vectors)]
        return self._merged(files, self._segments.merged_tag_vectors)

    def _with_merged(
        self, space: SpaceManifest, name: str, deleted: NDArray[np.int64]
    ) -> SpaceManifest:
        files = self._merged(
            space.postings,
            lambda files: self._spaces.of(space).merge(name, space, files, deleted),
        )
        return space.model_copy(update={"postings": files})

    @staticmethod
    def _merged(
        files: list[SegmentFile], merge: Callable[[list[SegmentFile]], SegmentFile]
    ) -> list[SegmentFile]:
        """The newest additions as one file where they are many; the first file stays as it is."""
        first = len(files)
        rows = 0
        while first > 1 and (rows == 0 or files[first - 1].rows < _FALL * rows):
            if first < len(files) and rows + files[first - 1].rows > _MERGED_ROWS:
                break
            first -= 1
            rows += files[first].rows
        newest = files[first:]
        return [*files[:first], merge(newest)] if len(newest) > 1 else list(files)
