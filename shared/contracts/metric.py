"""Metrics for comparing vectors."""

from shared.contracts.base import Choice


class Metric(Choice):
    """`cosine`: similarity of direction. `l2`: Euclidean distance, not squared."""

    COSINE = "cosine"
    L2 = "l2"
