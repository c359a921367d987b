"""Asks two engines the same of one collection, before one takes the other's place."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.indexer.jobs.context import JobContext
from services.indexer.measuring.recall import work_for
from services.indexer.publishing.migration_state import MigrationState
from services.indexer.segments.spaces import Spaces
from services.indexer.segments.store import SegmentStore
from shared.contracts.filters import Condition, Filter
from shared.contracts.migration import MigrationReport
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.engines.engine import Index
from shared.engines.ivf.mask import Mask
from shared.maths.floats import SAME_FEATURES
from shared.snapshots.items import ItemsFile
from shared.snapshots.manifest import SpaceManifest
from shared.snapshots.tag_vectors import read_tag_vectors

TARGET = 0.95
"""Of recall, at which the engines are compared."""

_K = 10
# Of an answer with more ties than that, the rest is not compared.
_TIES = 1000

Floats = NDArray[np.float32]
Answer = tuple[NDArray[np.int64], NDArray[np.float64]]


def compared(
    spaces: Spaces,
    segments: SegmentStore,
    move: MigrationState,
    deleted: NDArray[np.int64],
    sample: int,
    job: JobContext,
) -> MigrationReport:
    """Compare both engines' answers to a sample of the stored vectors and of the terms."""
    rng = np.random.default_rng(0)
    visual = _Pair(spaces, move.base.visual, move.done["visual"], deleted)
    members = np.setdiff1d(np.concatenate([s.ordinals for s in visual.old.segments]), deleted)
    chosen = rng.choice(members, min(sample, len(members)), replace=False).tolist()
    asked = [vector for n in chosen if (vector := visual.old.vector(n)) is not None]
    same: list[bool] = [True] * len(asked) + [False] * (len(chosen) - len(asked))
    recalls: list[tuple[float, float]] = []
    for vector in asked:
        job.check_cancelled()
        for metric in Metric:
            exact, is_same = visual.exactly(vector, metric)
            same.append(is_same)
            recalls.append(visual.recalls(vector, metric, exact, TARGET))
    vectors: dict[str, Floats] = {}
    for file in move.base.tag_vectors:
        vectors |= read_tag_vectors(segments.intact(file))
    keys = rng.permutation(sorted(vectors))[:sample].tolist()
    if move.base.joint is not None:
        joint = _Pair(spaces, move.base.joint, move.done["joint"], deleted)
        for key in keys:
            job.check_cancelled()
            same.append(joint.exactly(vectors[key], Metric.COSINE)[1])
    filters = keys if asked and spaces[move.to].holds_terms else []
    records = [ItemsFile(segments.intact(file)) for file in move.base.items]
    for key in filters:
        job.check_cancelled()
        same.append(visual.filtered(asked[0], key, records, deleted))
    before, after = np.mean(recalls, axis=0).tolist() if recalls else (1.0, 1.0)
    return MigrationReport(
        images=len(chosen),
        terms=len(keys),
        filters=len(filters),
        different=same.count(False),
        target=TARGET,
        recall_before=before,
        recall_after=after,
    )


class _Pair:
    """One space in both engines."""

    def __init__(
        self,
        spaces: Spaces,
        old: SpaceManifest | None,
        new: SpaceManifest,
        deleted: NDArray[np.int64],
    ) -> None:
        if old is None:
            raise ValueError("a space that there was not")
        self.old, self.new = spaces.index(old), spaces.index(new)
        self._curves = old.recall, new.recall
        self._masks = self.old.mask(deleted), self.new.mask(deleted)

    def exactly(self, vector: Floats, metric: Metric) -> tuple[Answer, bool]:
        """The exact answer, and whether both engines give it: ids and distances."""
        before = _exact(self.old, vector, metric, self._masks[0])
        return before, _are_same(before, _exact(self.new, vector, metric, self._masks[1]))

    def recalls(
        self, vector: Floats, metric: Metric, exact: Answer, target: float
    ) -> tuple[float, float]:
        """Return the recall of each engine's first few hits, as a search with a recall target finds
        them.
        """
        before, after = (
            _recall(index, vector, metric, mask, curves, exact, target)
            for index, mask, curves in zip(
                (self.old, self.new), self._masks, self._curves, strict=True
            )
        )
        return before, after

    def filtered(
        self, vector: Floats, key: str, records: Sequence[ItemsFile], deleted: NDArray[np.int64]
    ) -> bool:
        """Return whether both engines find the same images that carry a tag."""
        size = max(
            (int(file.ordinals[-1]) + 1 for file in records if len(file.ordinals)), default=0
        )
        allowed = np.zeros(size, bool)
        for file in records:
            # A newer record stands before an older one.
            allowed[file.ordinals] = False
            allowed[file.carriers(key)] = True
        condition = Filter(must=[Condition(tag=key)])
        before, after = (
            _exact(index, vector, Metric.COSINE, index.mask(deleted, allowed, condition))
            for index in (self.old, self.new)
        )
        return _are_same(before, after)


def _exact(index: Index, vector: Floats, metric: Metric, mask: Mask) -> Answer:
    asked = index.ask(vector)
    found = index.scan(asked, index.rank(asked, index.clusters), _K, metric, mask=mask)
    order = np.lexsort((found.ordinals, found.distances))[:_TIES]
    ordinals, away = found.ordinals[order], found.distances[order]
    # A scan may bring what is all but a tie, as far as float32 can tell.
    tied = away <= away[min(_K, len(away)) - 1 :][:1]
    return ordinals[tied], away[tied]


def _are_same(one: Answer, other: Answer) -> bool:
    """Return whether two answers hold the same images, at distances equal but for rounding."""
    (images, away), (others, theirs) = one, other
    if set(images.tolist()) != set(others.tolist()):
        return False
    # By image, as rounding may have put two that are equally far in the other order.
    away, theirs = away[np.argsort(images)], theirs[np.argsort(others)]
    return bool(np.allclose(away, theirs, rtol=SAME_FEATURES, atol=SAME_FEATURES))


def _recall(
    index: Index,
    vector: Floats,
    metric: Metric,
    mask: Mask,
    curves: Sequence[RecallCurve],
    exact: Answer,
    target: float,
) -> float:
    work = work_for(curves, metric, _K, target)
    nprobe, reach, depth = index.clusters, None, None
    if work is not None:
        nprobe, reach, depth = work.nprobe, work.reach, work.depth
    asked = index.ask(vector)
    lists = index.rank(asked, nprobe, reach)
    found = index.scan(asked, lists, _K, metric, depth and max(depth, _K), mask)
    wanted = exact[1][:_K]
    # Of images that are equally far, any is as right as another.
    hits = int((np.sort(found.distances)[: len(wanted)] <= wanted[-1]).sum()) if len(wanted) else 0
    return hits / len(wanted) if len(wanted) else 1.0
