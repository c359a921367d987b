"""Learns how likely a hit of some score matches, from the tags that images carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared import calibration
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric, RecallCurve
from shared.ivf import distances
from shared.ivf.index import InvertedIndex

_QUERIES = 1000
_HITS = 20
_RECALL = 0.95
# Fewer tell nothing.
_LEAST_PAIRS = 100


@dataclass(frozen=True)
class _Pairs:
    """Scores of hits, whether each matched, and the number of the query that found it."""

    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    queries: NDArray[np.int64]

    def take(self, which: NDArray[np.bool_]) -> "_Pairs":
        return _Pairs(self.scores[which], self.matched[which], self.queries[which])


def calibrate(
    index: InvertedIndex,
    tags: Mapping[int, Sequence[str]],
    curves: Sequence[RecallCurve],
    seed: int,
) -> list[Calibration]:
    """Image to image, by metric: the chance that two images share a tag.

    `tags`: tag keys by ordinal. A sample of tagged images is asked, each without itself; hits
    without tags tell nothing and are left out. Empty where there's too little to learn from.
    """
    postings = index.segments[0]
    tagged = np.flatnonzero(np.isin(postings.ordinals, np.fromiter(tags, np.int64, len(tags))))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(tagged)[:_QUERIES]
    found = []
    for metric in Metric:
        pairs = _pairs(index, rows, tags, metric, _work(curves, metric))
        if (fitted := _fitted(pairs, metric)) is not None:
            found.append(fitted)
    return found


def _work(curves: Sequence[RecallCurve], metric: Metric) -> tuple[int | None, int | None]:
    """Clusters to probe and rows to re-rank, as a search does; None: all."""
    fitting = [curve for curve in curves if curve.metric is metric and curve.k > _HITS]
    for curve in fitting[:1]:
        for point in curve.points:
            if point.recall >= _RECALL:
                return point.nprobe, point.depth
    return None, None


def _pairs(
    index: InvertedIndex,
    rows: NDArray[np.int64],
    tags: Mapping[int, Sequence[str]],
    metric: Metric,
    work: tuple[int | None, int | None],
) -> _Pairs:
    postings = index.segments[0]
    nprobe, depth = work
    scores: list[float] = []
    matched: list[bool] = []
    queries: list[int] = []
    for number, row in enumerate(rows.tolist()):
        ordinal = int(postings.ordinals[row])
        own = set(tags[ordinal])
        asked = index.ask(np.asarray(postings.vectors[row], np.float32))
        lists = index.rank(asked, nprobe or index.clusters)
        found = index.scan(asked, lists, _HITS + 1, metric, depth).without([ordinal])
        hits = zip(found.ordinals[:_HITS].tolist(), found.distances[:_HITS].tolist(), strict=True)
        for hit, distance in hits:
            if hit in tags:
                scores.append(distances.score(distance, metric))
                matched.append(not own.isdisjoint(tags[hit]))
                queries.append(number)
    return _Pairs(np.array(scores), np.array(matched, bool), np.array(queries, np.int64))


def _fitted(pairs: _Pairs, metric: Metric) -> Calibration | None:
    if len(pairs.scores) < _LEAST_PAIRS:
        return None
    even = pairs.queries % 2 == 0
    halves = pairs.take(even), pairs.take(~even)
    # Each half is judged by the other's curve; what is served is fitted on both.
    curves = [calibration.fit(half.scores, half.matched) for half in halves]
    whole = calibration.fit(pairs.scores, pairs.matched)
    first, second = curves
    if whole is None or first is None or second is None:
        return None
    told = calibration.reliability(
        np.concatenate([second(halves[0].scores), first(halves[1].scores)]),
        np.concatenate([half.matched for half in halves]),
    )
    return Calibration(
        space="visual",
        metric=metric,
        scores=whole.scores.tolist(),
        probabilities=whole.probabilities.tolist(),
        queries=len(np.unique(pairs.queries)),
        pairs=len(pairs.scores),
        expected_error=told.expected_error,
        brier=told.brier,
        base_rate_brier=told.base_rate_brier,
        predicted=told.predicted.tolist(),
        matched=told.matched.tolist(),
    )
