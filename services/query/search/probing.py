"""Amount of work for a search, and the recall to expect."""

import math
import threading
from collections.abc import Sequence

from cachetools import LRUCache

from shared.contracts.query import Metric, SearchOptions
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.core.record import record
from shared.engines.engine import Index
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.mask import Mask

# Comparing this many rows takes no longer than choosing among more of them.
_FEW = 2_000
_PLANS_KEPT = 1_000


@record
class Plan:
    """Work of a search.

    nprobe: top clusters. near: the measured point whose radius limits them; None: no limit. depth:
    number of their rows that codes choose; None: all. target: recall to reach, None if the work
    itself was given. curve: measured recall of such a search, None if not measured.
    """

    nprobe: int
    near: RecallPoint | None
    depth: int | None
    target: float | None
    curve: RecallCurve | None

    @property
    def radius(self) -> float | None:
        """Largest distance of a cluster beyond that of the nearest one; None: any distance."""
        return None if self.near is None else self.near.reach


class FilterEstimate:
    """Estimate of a filter's survivors, in all and around a query."""

    def __init__(self, index: Index, prepared: PreparedQuery, mask: Mask) -> None:
        self._index, self._prepared, self._mask = index, prepared, mask

    @property
    def are_few(self) -> bool:
        """True if comparing them all is less work than choosing among them."""
        return self._mask.live <= _FEW

    def among(self, k: int, nprobe: int, radius: float | None = None) -> int:
        """Return how many of the k nearest rows are in the top clusters, judging by their codes."""
        return self._index.kept(self._prepared, nprobe, k, self._mask, radius)


class Plans:
    """Plans of searches that name no work and have no filter, each made once. Thread-safe."""

    def __init__(self, curves: Sequence[RecallCurve], clusters: int, is_small: bool) -> None:
        self._curves = curves
        self._clusters = clusters
        self._is_small = is_small
        # Targets are any number, so only so many are kept.
        self._made: LRUCache[tuple[Metric, int, float, bool], Plan] = LRUCache(_PLANS_KEPT)
        self._lock = threading.Lock()

    def of(self, metric: Metric, k: int, options: SearchOptions, default_target: float) -> Plan:
        """Return what `plan` does."""
        target = options.recall_target
        key = metric, k, default_target if target is None else target, target is None
        with self._lock:
            found = self._made.get(key)
        if found is None:
            found = plan(
                self._curves,
                metric,
                k,
                self._clusters,
                options,
                default_target,
                is_small=self._is_small,
            )
            with self._lock:
                self._made[key] = found
        return found


def plan(
    curves: Sequence[RecallCurve],
    metric: Metric,
    k: int,
    clusters: int,
    options: SearchOptions,
    default_target: float,
    kept: FilterEstimate | None = None,
    is_small: bool = False,
) -> Plan:
    """Return the least work measured to reach the target for the top k, or the work in the request.

    kept: estimate of a filter. Its top k are among the top n of all images, for some n; the curve
    for the least such n applies. If none was measured, all images that pass are compared.
    is_small: comparing all rows takes no longer than choosing among them, unless the request says
    how much to look at.
    """
    curve = curve_for(curves, metric, k)
    guide = curve or widest_curve(curves, metric)
    if options.exact:
        return Plan(clusters, None, None, None, curve)
    if options.nprobe is not None:
        nprobe = min(options.nprobe, clusters)
        if kept is not None:
            curve = next((c for c in _of(curves, metric) if kept.among(c.k, nprobe) >= k), None)
        depth = None if nprobe >= clusters else depth_for(guide, nprobe, k)
        return Plan(nprobe, None, depth, None, curve)
    target = options.recall_target or default_target
    if is_small and options.recall_target is None:
        return Plan(clusters, None, None, target, curve)
    if kept is not None:
        return _filtered(_of(curves, metric), k, clusters, target, kept)
    point = guide.least_work(target) if guide else None
    if guide is None or point is None:
        return Plan(clusters, None, None, target, curve)
    return _at(point, guide, k, target, curve)


def _filtered(
    curves: Sequence[RecallCurve], k: int, clusters: int, target: float, kept: FilterEstimate
) -> Plan:
    for curve in [] if kept.are_few else curves:
        point = curve.least_work(target)
        if point is None or (point.nprobe >= clusters and point.reach is None):
            continue
        if kept.among(curve.k, point.nprobe, point.reach) >= k:
            return _at(point, curve, k, target, curve)
    return Plan(clusters, None, None, target, None)


def _at(
    point: RecallPoint, of: RecallCurve, k: int, target: float, curve: RecallCurve | None
) -> Plan:
    """Return the work of a measured point of a curve."""
    near = None if point.reach is None else point
    return Plan(point.nprobe, near, _depth_of(point, of, k), target, curve)


def _of(curves: Sequence[RecallCurve], metric: Metric) -> list[RecallCurve]:
    """The curves for a metric, of few neighbours first."""
    return sorted((c for c in curves if c.metric is metric), key=lambda curve: curve.k)


def curve_for(curves: Sequence[RecallCurve], metric: Metric, limit: int) -> RecallCurve | None:
    """The measured curve for a metric and the least k that covers `limit`, or None.

    A curve of fewer neighbours would promise too much: the farther ones lie in more clusters.
    """
    return next((curve for curve in _of(curves, metric) if curve.k >= limit), None)


def widest_curve(curves: Sequence[RecallCurve], metric: Metric) -> RecallCurve | None:
    """The measured curve for a metric of the most neighbours: the best guess beyond them."""
    return max((c for c in curves if c.metric is metric), key=lambda curve: curve.k, default=None)


def depth_for(curve: RecallCurve | None, nprobe: int, k: int) -> int | None:
    """Return the depth of a re-rank at a number of probes: that of the next measured number."""
    if curve is None:
        return None
    point = next((p for p in curve.points if p.nprobe >= nprobe), None)
    return None if point is None else _depth_of(point, curve, k)


def _depth_of(point: RecallPoint, curve: RecallCurve, k: int) -> int | None:
    # Beyond the measured range, extrapolate in proportion.
    return None if point.depth is None else math.ceil(point.depth * max(1.0, k / curve.k))


def expected_recall(
    curve: RecallCurve | None, nprobe: int, clusters: int, near: RecallPoint | None = None
) -> float | None:
    """The recall measured at a point with a radius; without one at a number of probes, between
    points on a straight line; 1 where all clusters were probed."""
    if nprobe >= clusters:
        return 1.0
    if curve is None:
        return None
    if near is not None:
        return near.recall
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
