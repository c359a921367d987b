"""Bounds of clusters: which of them may hold a vector's neighbours."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Relative error of a square in float32.
_ROUNDING = 1e-5
_MOST = 8


class Borders:
    """Borders between clusters that contain the vectors nearest to their centroids, float32
    (clusters, dim).

    Points of two clusters lie on both sides of the plane midway between the centroids. So a point
    within some distance of another one is no farther from that plane. Of many remaining clusters
    the nearest few are used, because in many dimensions few directions lead straight to a plane.
    """

    def __init__(self, centroids: Floats) -> None:
        self._centroids = centroids
        self._squares = np.einsum("ij,ij->i", centroids, centroids)

    def within(self, points: Floats, radius: Floats) -> NDArray[np.bool_]:
        """Return a mask (n, c) of the clusters that may hold neighbours within `radius` (n,) of
        points (n, dim).
        """
        squares = self._squares - 2 * (points @ self._centroids.T)
        own = squares.argmin(axis=1)
        farther = squares - squares.min(axis=1, keepdims=True)
        # Distance from the plane between two centroids: the difference of the squared distances,
        # over twice the distance of the centroids.
        apart = np.empty_like(squares)
        for cluster in np.unique(own):
            between = self._centroids - self._centroids[cluster]
            apart[own == cluster] = np.linalg.norm(between, axis=1)
        slack = _ROUNDING * (1 + np.abs(squares))
        near: NDArray[np.bool_] = farther <= 2 * radius[:, None] * apart + slack
        if near.shape[1] > _MOST:
            near &= squares <= np.partition(squares, _MOST - 1, axis=1)[:, _MOST - 1 : _MOST]
        return near
