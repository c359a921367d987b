"""Measures of how well clusters fit their images."""

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.ivf.reader import Postings
from shared.maths.distances import prepared

_SAMPLE = 2048


def spread(
    postings: Postings, centroids: NDArray[np.float32], metric: Metric, sample: int = _SAMPLE
) -> float | None:
    """Mean L2 distance of vectors to the centroid of their list, of an even sample; None: empty."""
    if not postings.rows:
        return None
    count = min(sample, postings.rows)
    rows = np.linspace(0, postings.rows - 1, count).astype(np.int64)
    vectors = prepared(np.asarray(postings.vectors[rows], np.float32), metric)
    differences = vectors - centroids[postings.lists_of_rows(rows)]
    return float(np.linalg.norm(differences.astype(np.float64), axis=1).mean())


def imbalance(sizes: NDArray[np.int64]) -> float:
    """Return the scanned rows relative to lists of equal size, at the same number of probes: 1 or
    more.

    clusters * sum(size^2) / sum(size)^2, as faiss's `imbalance_factor` (Jégou et al., 2011).
    """
    total = float(sizes.sum())
    if not total:
        return 1.0
    return float(len(sizes) * (sizes.astype(np.float64) ** 2).sum() / total**2)
