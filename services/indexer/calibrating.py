"""Learns how likely a hit of some score matches, from the tags that images carry."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.calibrated import Pairs, calibrated
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric, RecallCurve
from shared.ivf import distances
from shared.ivf.index import InvertedIndex
from shared.ivf.rerank import CANDIDATES, rank_keys

_QUERIES = 1000
_HITS = 20
_RECALL = 0.95
_SAME = 1e-5


def calibrate(
    index: InvertedIndex,
    tags: Mapping[int, Sequence[str]],
    curves: Sequence[RecallCurve],
    seed: int,
    reranks: bool = False,
) -> list[Calibration]:
    """Image to image, by metric: the chance that two images share a tag.

    `tags`: tag keys by ordinal. `reranks`: whether answers are re-ranked by default. A sample of
    tagged images is asked, each without itself; hits without tags tell nothing and are left out.
    Empty where there's too little to learn from.
    """
    postings = index.segments[0]
    tagged = np.flatnonzero(np.isin(postings.ordinals, np.fromiter(tags, np.int64, len(tags))))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(tagged)[:_QUERIES]
    found = []
    for metric in Metric:
        pairs = _pairs(index, rows, tags, metric, _work(curves, metric), reranks)
        if (fitted := calibrated(pairs, "visual", metric)) is not None:
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
    reranks: bool,
) -> Pairs:
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
        reach = CANDIDATES if reranks else _HITS + 1
        found = index.scan(asked, lists, reach, metric, depth and max(depth, reach))
        keys = found.distances
        if reranks:
            keys = rank_keys(found, index, asked.vector, metric, _SAME, np.ones(len(keys), bool))
        found = found.at(np.argsort(keys, kind="stable")).without([ordinal])
        hits = zip(found.ordinals[:_HITS].tolist(), found.distances[:_HITS].tolist(), strict=True)
        for hit, distance in hits:
            if hit in tags:
                scores.append(distances.score(distance, metric))
                matched.append(not own.isdisjoint(tags[hit]))
                queries.append(number)
    return Pairs(np.array(scores), np.array(matched, bool), np.array(queries, np.int64))
