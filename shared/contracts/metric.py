"""How vectors are compared."""

from enum import StrEnum


class Metric(StrEnum):
    """`cosine`: similarity of direction. `l2`: Euclidean distance, not squared."""

    COSINE = "cosine"
    L2 = "l2"
