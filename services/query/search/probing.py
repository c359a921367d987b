"""How much to look at, and what recall to expect of it."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.contracts.query import Metric, RecallCurve, RecallPoint, SearchOptions
from shared.ivf.index import Asked, InvertedIndex
from shared.ivf.mask import Mask

# So many rows are compared in no more time than it takes to choose among them.
_FEW = 2_000
# How far a filter may thin a curve's neighbours out below those that are asked for.
_NEARLY = 0.9


@dataclass(frozen=True)
class Plan:
    """What a search looks at.

    nprobe: top clusters. depth: rows of them that the codes choose; None: every one. target: the
    recall that was to be reached, None where the work itself was given. curve: the recall that was
    measured for such a search, None where it was not.
    """

    nprobe: int
    depth: int | None
    target: float | None
    curve: RecallCurve | None


class Kept:
    """What a filter keeps of the clusters around a query."""

    def __init__(self, index: InvertedIndex, asked: Asked, mask: Mask) -> None:
        order = index.rank(asked, index.clusters)
        self._rows = np.cumsum(index.sizes[order])
        self._kept = np.cumsum(mask.sizes[order])
        self.rows = mask.live

    def share(self, nprobe: int) -> float:
        """The share of the rows in the top clusters."""
        return float(self._kept[nprobe - 1] / max(self._rows[nprobe - 1], 1))


def plan(
    curves: Sequence[RecallCurve],
    metric: Metric,
    k: int,
    clusters: int,
    options: SearchOptions,
    default_target: float,
    kept: Kept | None = None,
) -> Plan:
    """The least that was measured to reach the target for the top k; or what the request says.

    The top k of what a filter keeps are about the top k / share of all, of which curves tell; the
    share is that around the query, not of the collection: a filter may keep what is far from it.
    """
    curve = curve_for(curves, metric, k)
    guide = curve or widest_curve(curves, metric)
    if options.exact:
        return Plan(clusters, None, None, curve)
    if options.nprobe is not None:
        nprobe = min(options.nprobe, clusters)
        if kept is not None:
            curve = curve_for(curves, metric, _thick(k, kept.share(nprobe)))
        depth = None if nprobe >= clusters else depth_for(guide, nprobe, k)
        return Plan(nprobe, depth, None, curve)
    target = options.recall_target or default_target
    if kept is not None:
        return _filtered(curves, metric, k, clusters, target, kept)
    nprobe = probes_for(guide, target, clusters)
    depth = None if nprobe >= clusters else depth_for(guide, nprobe, k)
    return Plan(nprobe, depth, target, curve)


def _filtered(
    curves: Sequence[RecallCurve],
    metric: Metric,
    k: int,
    clusters: int,
    target: float,
    kept: Kept,
) -> Plan:
    if kept.rows > _FEW:
        for curve in sorted((c for c in curves if c.metric is metric), key=lambda curve: curve.k):
            nprobe = probes_for(curve, target, clusters)
            if nprobe < clusters and curve.k >= _thick(k, kept.share(nprobe)):
                return Plan(nprobe, depth_for(curve, nprobe, curve.k), target, curve)
    return Plan(clusters, None, target, None)


def _thick(k: int, share: float) -> int:
    """How many neighbours of all it takes for k of those that a filter keeps a share of."""
    return max(k, math.ceil(_NEARLY * k / share)) if share > 0 else sys.maxsize


def curve_for(curves: Sequence[RecallCurve], metric: Metric, limit: int) -> RecallCurve | None:
    """The measured curve for a metric and the least k that covers `limit`, or None.

    A curve of fewer neighbours would promise too much: the farther ones lie in more clusters.
    """
    fitting = sorted((c for c in curves if c.metric is metric), key=lambda curve: curve.k)
    return next((curve for curve in fitting if curve.k >= limit), None)


def widest_curve(curves: Sequence[RecallCurve], metric: Metric) -> RecallCurve | None:
    """The measured curve for a metric of the most neighbours: the best guess beyond them."""
    return max((c for c in curves if c.metric is metric), key=lambda curve: curve.k, default=None)


def probes_for(curve: RecallCurve | None, target: float, clusters: int) -> int:
    """The least measured number of probes whose recall reaches the target; all where unknown."""
    points = curve.points if curve else []
    return next((p.nprobe for p in points if p.recall >= target), clusters)


def depth_for(curve: RecallCurve | None, nprobe: int, k: int) -> int | None:
    """How deep to re-rank at a number of probes: as at the next number that was measured."""
    if curve is None:
        return None
    point = next((p for p in curve.points if p.nprobe >= nprobe), None)
    if point is None or point.depth is None:
        return None
    # Beyond what was measured, in proportion.
    return math.ceil(point.depth * max(1.0, k / curve.k))


def expected_recall(curve: RecallCurve | None, nprobe: int, clusters: int) -> float | None:
    """Measured recall at a number of probes, between points on a straight line; 1 when all."""
    if nprobe >= clusters:
        return 1.0
    if curve is None:
        return None
    below = [p for p in curve.points if p.nprobe <= nprobe]
    above = [p for p in curve.points if p.nprobe >= nprobe]
    if not below or not above:
        return None
    return _between(below[-1], above[0], nprobe)


def _between(low: RecallPoint, high: RecallPoint, nprobe: int) -> float:
    if high.nprobe == low.nprobe:
        return low.recall
    share = (nprobe - low.nprobe) / (high.nprobe - low.nprobe)
    return low.recall + share * (high.recall - low.recall)
