"""From a query vector or a tag to hits: rank clusters, probe, re-rank exactly, answer."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.query.search.audit import Answer, Audit
from services.query.search.collection import Collection
from services.query.search.paging import page_of
from services.query.search.probing import expected_recall, plan
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from shared.contracts.query import Explanation, Hit, Metric, Mode, Recall, SearchOptions
from shared.errors import Corrupt
from shared.ivf.index import Candidates
from shared.snapshots.items import Item, tag_key

_SAME = 1e-5


@dataclass(frozen=True)
class Found:
    """An answer without what the request itself knows."""

    hits: list[Hit]
    complete: bool
    mode: Mode
    metric: Metric
    model: str | None
    recall: Recall


@dataclass(frozen=True)
class Query:
    """What is asked of a space.

    `itself`: ordinal of the indexed image that the query is, to stand first among equals.
    `leave_out`: ordinals that are no hits, beside the deleted ones.
    """

    vector: NDArray[np.floating]
    mode: Mode
    itself: int | None = None
    leave_out: list[int] = field(default_factory=list)


class Searcher:
    """Searches one collection as of one moment."""

    def __init__(
        self,
        collection: Collection,
        dead: NDArray[np.int64],
        recall_target: float,
        audit: Audit | None = None,
    ) -> None:
        self.collection = collection
        self.dead = dead
        self._recall_target = recall_target
        self._audit = audit

    @property
    def is_empty(self) -> bool:
        """Whether there is no image, or none that was not deleted."""
        return self.collection.live(self.dead) == 0

    def nothing(self, mode: Mode, options: SearchOptions) -> Found:
        """The answer of an empty collection."""
        recall = Recall(
            target=None, expected=1.0, nprobe=0, clusters=0, scanned_fraction=1.0, reranked=0
        )
        return Found([], True, mode, options.metric or Metric.COSINE, None, recall)

    def nearest(
        self, space: Space, query: Query, options: SearchOptions, watch: Stopwatch
    ) -> Found:
        """The images nearest to a vector. Raises BadVector."""
        index = space.index
        metric = options.metric or index.metric
        k = options.offset + options.limit
        with watch("probe"):
            asked = index.ask(space.checked(query.vector))
            # The image that was asked for is found anyway; recall is told of the others.
            wanted = min(k, index.rows - 1)
            chosen = plan(
                space.curves, metric, wanted, index.clusters, options, self._recall_target
            )
            mask = self.collection.mask(space, self.dead)
        # One more for each that is dropped.
        reach = k + len(query.leave_out)
        include = None if query.itself is None else np.array([query.itself])
        nprobe = chosen.nprobe
        depth = None if chosen.depth is None else max(chosen.depth, reach)
        while True:
            with watch("probe"):
                lists = index.rank(asked, nprobe)
            with watch("scan"):
                found = index.scan(asked, lists, reach, metric, depth, mask, include)
            # The lists may be thin, or thinned by deletions: as many hits as asked come where they
            # exist.
            if chosen.target is None or len(found.ordinals) >= reach or nprobe >= index.clusters:
                break
            nprobe = min(2 * nprobe, index.clusters)
        expected = expected_recall(chosen.curve, nprobe, index.clusters)
        if self._audit is not None and nprobe < index.clusters:
            number = self.collection.manifest.number
            self._audit.offer(Answer(number, index, asked, reach, metric, mask, found, expected))
        with watch("rank"):
            found = found.without(query.leave_out)
            hits, cut = self._hits(space, found, query, options, metric)
        recall = Recall(
            target=chosen.target,
            expected=expected,
            nprobe=found.nprobe,
            clusters=index.clusters,
            scanned_fraction=found.scanned / found.live if found.live else 1.0,
            reranked=found.reranked,
        )
        complete = len(hits) == options.limit or cut or found.reranked >= found.live
        return Found(hits, complete, query.mode, metric, space.fingerprint, recall)

    def tagged(self, term: str, options: SearchOptions, watch: Stopwatch) -> Found | None:
        """The images that carry a tag, ranked by joint similarity; None where none does."""
        with watch("probe"):
            carriers = self.collection.carriers(term, self.dead)
            if not len(carriers):
                return None
            space, vector = self._tag_vector(term, carriers)
        metric = options.metric or Metric.COSINE
        with watch("scan"):
            ordinals, distances = space.index.among(vector, carriers, metric)
            order = np.argsort(distances, kind="stable")
            found = Candidates(
                ordinals[order],
                distances[order],
                *_unknown(len(order)),
                scanned=len(order),
                live=len(order),
                nprobe=0,
                reranked=len(order),
            )
        with watch("rank"):
            query = Query(vector, Mode.TAG)
            hits, _ = self._hits(space, found, query, options, metric)
        live = self.collection.live(self.dead)
        recall = Recall(
            target=None,
            expected=1.0,
            nprobe=0,
            clusters=space.index.clusters,
            scanned_fraction=len(carriers) / live if live else 1.0,
            reranked=len(found.ordinals),
        )
        return Found(hits, True, Mode.TAG, metric, space.fingerprint, recall)

    def _tag_vector(
        self, term: str, carriers: NDArray[np.int64]
    ) -> tuple[Space, NDArray[np.float32]]:
        """The joint space and the tag's vector there.

        Before a matching network was trained: the visual space, and the mean of its images.
        """
        joint, visual = self.collection.joint, self.collection.visual
        vector = self.collection.tag_vectors.get(tag_key(term))
        if joint is not None and vector is not None:
            return joint, vector
        for space in filter(None, (joint, visual)):
            stored = [v for o in carriers if (v := space.index.vector(int(o))) is not None]
            if stored:
                rows = np.stack(stored).astype(np.float64)
                norms = np.linalg.norm(rows, axis=1, keepdims=True)
                return space, (rows / np.where(norms > 0, norms, 1)).mean(axis=0).astype(np.float32)
        raise RuntimeError("images carry a tag, but no space holds them")

    def _hits(
        self,
        space: Space,
        found: Candidates,
        query: Query,
        options: SearchOptions,
        metric: Metric,
    ) -> tuple[list[Hit], bool]:
        """A page of hits, and whether a threshold cut the rest off."""
        # An upload's features may differ in the last bits from those stored of the same bytes.
        scale = 1.0 if metric is Metric.COSINE else max(1.0, float(np.linalg.norm(query.vector)))
        positions = page_of(
            found,
            options.offset,
            options.limit,
            lambda ordinal: self._item(ordinal).id,
            query.itself,
            _SAME * scale,
        )
        scores = [_score(float(found.distances[p]), metric) for p in positions]
        threshold = -np.inf if options.score_threshold is None else options.score_threshold
        passing = [(p, s) for p, s in zip(positions, scores, strict=True) if s >= threshold]
        hits = [self._hit(space, found, p, score, options) for p, score in passing]
        return hits, len(passing) < len(positions)

    def _item(self, ordinal: int) -> Item:
        item = self.collection.item(ordinal)
        if item is None:
            number = self.collection.manifest.number
            raise Corrupt(f"Snapshot {number} has a vector of image {ordinal}, but no record.")
        return item

    def _hit(
        self,
        space: Space,
        found: Candidates,
        position: int,
        score: float,
        options: SearchOptions,
    ) -> Hit:
        item = self._item(int(found.ordinals[position]))
        vector = space.index.vector(item.ordinal) if options.with_vector else None
        explain = None
        if options.explain and found.ranks[position] > 0:
            segment = space.index.segments[int(found.segments[position])]
            explain = Explanation(
                cluster=int(found.clusters[position]),
                cluster_rank=int(found.ranks[position]),
                segment=segment.path.name,
            )
        return Hit(
            id=item.id,
            score=score,
            distance=float(found.distances[position]),
            tags=item.tags,
            uri=item.uris[0] if item.uris else "",
            uris=item.uris,
            metadata=item.metadata,
            explain=explain,
            vector=None if vector is None else vector.tolist(),
        )


def _unknown(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Clusters, ranks and segments of candidates that no probing found."""
    none = np.zeros(count, np.int64)
    return none, none, none


def _score(distance: float, metric: Metric) -> float:
    """Higher is better: the cosine similarity, or 1 / (1 + d) for L2."""
    return 1 - distance if metric is Metric.COSINE else 1 / (1 + distance)
