"""Changes in the catalogue since a snapshot, as segments beside those it has."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.clustering.streaming import Blocks
from services.indexer.embedding.client import Embedding
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.pending import NO_ROWS, Answers, EmbedderPatience, Pending
from services.indexer.publishing.tag_vectors import tag_vectors_of
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
        settled: Callable[[], NDArray[np.int64]],
        patience: EmbedderPatience,
    ) -> None:
        """`settled`: what gives the deleted images, but none whose deletion may still fail."""
        self._segments = index.segments
        self._spaces = index.spaces
        self._settled = settled
        self.patience = patience
        self._images = images
        self._features = features
        self._embedding = embedding

    def revision(self) -> int:
        """Return the revision that the catalogue is at."""
        with self._images.view() as view:
            return view.revision

    def pending(self, base: Manifest) -> Pending:
        """Return what a manifest lacks, read in one short transaction."""
        joint, matching = base.joint, base.matching_fingerprint
        joint_since = _since(base, joint.revision if joint is not None else None)
        tags_since = _since(base, base.tags_revision)
        with self._images.view() as view:
            if base.visual is None:
                return Pending(view.revision, [], NO_ROWS, NO_ROWS, joint_since, [], 0, [])
            model = base.visual.fingerprint
            records = {base.revision: view.items(model, since=base.revision)}
            for since in (joint_since, tags_since) if joint is not None else ():
                if since not in records:
                    # Images that the joint space lacks come with their tags.
                    records[since] = view.items(model, since=since)
            visual = view.features(model, since=base.revision, beside=model)
            rows = NO_ROWS
            if joint is not None and matching is not None:
                # An image without visual features has no record, so no answer may have it.
                rows = view.features(matching, since=joint_since, beside=model)
            revision = view.revision
        return Pending(
            revision,
            records[base.revision],
            self._new_rows(base.visual, visual),
            rows if joint is None else self._new_rows(joint, rows),
            joint_since,
            records.get(joint_since, []),
            tags_since,
            records.get(tags_since, []),
        )

    def ask(
        self,
        base: Manifest,
        pending: Pending,
        may_lag: bool,
        patience_s: float | None = None,
    ) -> Answers:
        """Return what the embedder says of pending images and tags. Called without any lock.

        may_lag: the joint space may go without them, where the embedder is away. patience_s: how
        long whoever waits for the publication waits for the embedder, too.
        """
        joint, matching = base.joint, base.matching_fingerprint
        if joint is None or matching is None:
            return Answers()
        answers = Answers(joint.fingerprint, pending.revision)
        try:
            if len(where := pending.joint):
                features = self._features.read(matching, where)
                with self.patience.within(patience_s):
                    vectors = self._embedding.project(features, matching, joint.fingerprint)
                order = np.argsort(where.ordinals)
                answers = replace(answers, ordinals=where.ordinals[order], vectors=vectors[order])
        except (Unavailable, Overloaded) as error:
            if not may_lag:
                raise
            log.warning("the joint space lags behind: %s", error.detail)
            answers = replace(answers, upto=None)
        keys = sorted(self._new_tags(base, pending.tagged))
        if not keys:
            return answers
        try:
            with self.patience.within(patience_s):
                found = self._embedding.terms(keys, matching, joint.fingerprint)
        except NOT_EMBEDDED as error:
            # A retag needs no embedder, nor one that fits: until then such a tag is searched by
            # the mean of its images.
            log.warning("new tags have no vectors yet: %s", error.detail)
            return answers
        return replace(answers, terms=dict(zip(keys, found, strict=True)))

    def with_pending(self, base: Manifest, pending: Pending, answers: Answers) -> Manifest:
        """Return the manifest with what it lacked, so far as the embedder answered."""
        if base.visual is None:
            return base
        deleted = self._settled()
        changed = pending.changed
        visual = self._extended(
            base.visual, "visual", base.visual.fingerprint, pending.visual, changed
        )
        joint = self._extended_joint(base, pending, answers)
        items = [*base.items, self._segments.items(changed)] if changed else base.items
        tag_vectors, tags_revision = self._with_new_tags(base, joint, pending, answers)
        manifest = base.model_copy(
            update={
                "revision": pending.revision,
                "items": self._merged(items, lambda f: self._segments.merged_items(f, deleted)),
                "visual": self._with_merged(visual, "visual", deleted),
                "joint": joint and self._with_merged(joint, "joint", deleted),
                "tag_vectors": tag_vectors,
                "tags_revision": tags_revision,
            }
        )
        return manifest.model_copy(update={"images": self._segments.live(manifest, deleted)})

    def with_own_records(self, base: Manifest, pending: Pending, answers: Answers) -> Manifest:
        """With new records of the base's own images; as the rest is pending, its revision stays."""
        if base.visual is None:
            return base
        ordinals = np.array([item.ordinal for item in pending.changed], np.int64)
        is_own = self._segments.holds(base.visual, ordinals)
        changed = [item for item, own in zip(pending.changed, is_own, strict=True) if own]
        if not changed:
            return base
        for space in base.spaces.values():
            self._spaces.of(space).retag(space, changed)
        deleted = self._settled()
        items = [*base.items, self._segments.items(changed)]
        own = replace(pending, changed=changed, tagged=changed)
        tag_vectors, _ = self._with_new_tags(base, base.joint, own, answers)
        return base.model_copy(
            update={
                "items": self._merged(items, lambda f: self._segments.merged_items(f, deleted)),
                "tag_vectors": tag_vectors,
            }
        )

    def _extended_joint(
        self, base: Manifest, pending: Pending, answers: Answers
    ) -> SpaceManifest | None:
        """The joint space with the images that have vectors.

        Where some have none, searches by picture needn't wait for an embedder that is away: the
        next publication catches up.
        """
        joint = base.joint
        if joint is None:
            return None
        if not self.fits(base, answers):
            answers = Answers(joint.fingerprint)
        where = pending.joint[~self._segments.holds(joint, pending.joint.ordinals)]
        known = answers.having(where.ordinals)
        has_all = bool(known.all()) and (answers.upto is not None or not len(where))
        upto = pending.joint_since if answers.upto is None else answers.upto
        where = where[known]
        whole = self._extended(
            joint, "joint", "", where, pending.joint_changed, answers.of(where.ordinals)
        )
        return whole.model_copy(update={"revision": None if has_all else upto})

    @staticmethod
    def fits(base: Manifest, answers: Answers) -> bool:
        """Return whether answers are of the joint space that a manifest has."""
        return base.joint is None or answers.network == base.joint.fingerprint

    def _extended(
        self,
        space: SpaceManifest,
        name: str,
        fingerprint: str,
        where: FeatureRows,
        changed: list[Item],
        vectors: NDArray[np.float32] | None = None,
    ) -> SpaceManifest:
        """A space with new images: their `vectors`, or else their features, transformed."""
        engine = self._spaces.of(space)
        engine.retag(space, changed)
        if not len(where):
            return space
        transform = self._segments.transform_of(space)

        def blocks() -> Blocks:
            if vectors is not None:
                return iter([(0, vectors)])
            # Read twice rather than held: an import that broke off may have left very many.
            return transformed(self._features.blocks(fingerprint, where), transform)

        file = engine.append(name, space, where.ordinals, blocks, changed)
        return space.model_copy(update={"postings": [*space.postings, file]})

    def _new_rows(self, space: SpaceManifest, where: FeatureRows) -> FeatureRows:
        """Without the images that the space holds already: their features came anew, unchanged."""
        return where[~self._segments.holds(space, where.ordinals)]

    def _new_tags(self, base: Manifest, tagged: list[Item]) -> dict[str, list[int]]:
        """Tags of images that have no vector, each with the images that carry it."""
        known: set[str] | None = None
        carriers: dict[str, list[int]] = {}
        for item in tagged:
            for tag in item.tags:
                if known is None:
                    known = {
                        key
                        for file in base.tag_vectors
                        for key in read_tag_vectors(self._segments.intact(file))
                    }
                if (key := tag_key(tag)) not in known:
                    carriers.setdefault(key, []).append(item.ordinal)
        return carriers

    def _with_new_tags(
        self, base: Manifest, joint: SpaceManifest | None, pending: Pending, answers: Answers
    ) -> tuple[list[SegmentFile], int | None]:
        """Files of tag vectors, with those of new tags; and the revision that they lag behind at,
        None where all are there.
        """
        if joint is None:
            return [], None
        terms = answers.terms if self.fits(base, answers) else {}
        carriers = self._new_tags(base, pending.tagged)
        asked = {key: ordinals for key, ordinals in carriers.items() if key in terms}
        lag = None if len(asked) == len(carriers) else pending.tags_since
        if not asked:
            return list(base.tag_vectors), lag
        vectors = tag_vectors_of(self._spaces, joint, asked, terms)
        files = [*base.tag_vectors, self._segments.tag_vectors(vectors)]
        return self._merged(files, self._segments.merged_tag_vectors), lag

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


def _since(base: Manifest, lag: int | None) -> int:
    """Return the revision that a part of a manifest goes up to, which may lag behind the rest."""
    return base.revision if lag is None else min(lag, base.revision)
