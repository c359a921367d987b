"""Gathers the evidence of a search for how many pictures match, see `shared/maths/counting.py`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.engine import Index
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.rerank import CANDIDATES, averaged_distances
from shared.maths.evidence import Evidence
from shared.maths.standard_scores import ScoreSample

Floats = NDArray[np.float64]

DEPTH = 1000
"""Pictures that are looked at, at most."""
_LEAST_NEAR = 2
# Vectors that stand for all, and the fewest that may.
_SAMPLE, _LEAST_SAMPLE = 2_000, 20


@dataclass(frozen=True)
class Gathered:
    """Pictures in the order of an answer, and what their nearness tells.

    vectors: float32 (near, dim), of the re-ranked ones. is_whole: nothing lies behind them.
    """

    ordinals: NDArray[np.int64]
    evidence: Evidence
    vectors: NDArray[np.float32]
    is_whole: bool


@dataclass(frozen=True)
class Reach:
    """Part of an index to look at: the top clusters, up to a radius.

    depth: rows that codes choose.
    """

    nprobe: int
    radius: float | None = None
    depth: int | None = None


def moments_of(index: Index) -> ScoreSample | None:
    """Return the moments of a sample of an index's vectors.

    None if the vectors lie elsewhere or are too few.
    """
    if not isinstance(index, InvertedIndex):
        return None
    ordinals = np.concatenate([segment.ordinals for segment in index.segments])
    step = max(1, len(ordinals) // _SAMPLE)
    found = [
        vector
        for one in np.sort(ordinals)[::step].tolist()
        if (vector := index.vector(one)) is not None
    ]
    return ScoreSample.of(np.stack(found)) if len(found) >= _LEAST_SAMPLE else None


def gather(
    index: InvertedIndex,
    asked: PreparedQuery,
    moments: ScoreSample,
    reach: Reach,
    mask: Mask | None,
    leave_out: Sequence[int],
    reranks: bool,
) -> Gathered | None:
    """Gather the nearest pictures to a query; None where nothing tells them apart.

    leave_out: ordinals that are no evidence, as the query's own picture.
    """
    levels = moments.level(asked.vector)
    if levels is None:
        return None
    mean, spread = levels
    k = min(DEPTH, index.rows) + len(leave_out)
    depth = None if reach.depth is None else max(reach.depth, k)
    found = index.search(asked, reach.nprobe, reach.radius, k, Metric.COSINE, depth, mask)
    is_whole = len(found.ordinals) >= found.live
    found = found.without(leave_out)
    if not len(found.ordinals):
        return None
    cosines = 1 - found.distances
    near = min(CANDIDATES, len(cosines))
    vectors = index.vectors(found.at(np.arange(near)))
    moved, order = _ordered(asked.vector, vectors, cosines, reranks)
    evidence = Evidence(cosines[order], moved, mean, spread)
    return Gathered(found.ordinals[order], evidence, vectors[order[:near]], is_whole)


def without(
    found: Gathered, query: NDArray[np.float32], kept: NDArray[np.bool_], reranks: bool
) -> Gathered | None:
    """The same search if only some of the pictures were there; None if those are too few."""
    if kept.all():
        return found
    near = np.flatnonzero(kept[: len(found.vectors)])
    if len(near) < _LEAST_NEAR:
        return None
    cosines, ordinals = found.evidence.cosines[kept], found.ordinals[kept]
    vectors = found.vectors[near]
    moved, order = _ordered(query, vectors, cosines, reranks)
    evidence = Evidence(cosines[order], moved, found.evidence.mean, found.evidence.spread)
    return Gathered(ordinals[order], evidence, vectors[order[: len(near)]], found.is_whole)


def _ordered(
    query: NDArray[np.float32], vectors: NDArray[np.float32], cosines: Floats, reranks: bool
) -> tuple[Floats, NDArray[np.int64]]:
    """Cosines after the re-rank of the first pictures, in their order, and that order of all."""
    near = len(vectors)
    moved = np.full(len(cosines), np.nan)
    moved[:near] = cosines[:near]
    order = np.arange(len(cosines))
    if reranks and near > 1:
        away = averaged_distances(np.vstack([query[None], vectors]), Metric.COSINE)
        order[:near] = np.argsort(away, kind="stable")
        moved[:near] = 1 - away[order[:near]]
    return moved, order
