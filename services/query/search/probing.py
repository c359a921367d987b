"""How many clusters to probe, and what recall to expect of it."""

from collections.abc import Sequence

from shared.contracts.query import Metric, RecallCurve, RecallPoint


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
