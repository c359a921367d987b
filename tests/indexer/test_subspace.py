"""Subspaces, against PCA by eigenvectors and against distances in the whole space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.indexer.clustering.subspace import Subspace
from tests.floats import assert_same


def flat(rows: int, dim: int, rank: int, seed: int = 0) -> NDArray[np.float32]:
    """Points of an affine subspace that doesn't pass through the origin."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, dim)) + rng.normal(size=dim)
    return found.astype(np.float32)


def squared(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    return ((np.float64(a)[:, None] - np.float64(b)[None]) ** 2).sum(axis=2)


@pytest.mark.parametrize(("dim", "count"), [(8, 8), (8, 20), (60, 5), (60, 59)])
def test_points_of_a_subspace_come_back(dim, count):
    points = flat(200, dim, min(dim, count, 5))
    found = Subspace.leading(points, count)
    coordinates = found.coordinates(points)
    assert coordinates.dtype == np.float32
    assert coordinates.shape == (200, min(dim, count)) == (200, found.directions)
    assert found.vectors(coordinates) == pytest.approx(points, abs=1e-4)


def test_the_leading_directions_are_those_of_pca():
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(3000, 40)) * 0.8 ** np.arange(40)).astype(np.float32)
    points = points @ np.linalg.qr(rng.normal(size=(40, 40)))[0].astype(np.float32)
    centred = points - points.mean(axis=0)
    by_eigenvectors = np.linalg.eigvalsh(centred.T @ centred)[::-1][:6].sum()
    coordinates = Subspace.leading(points, 6).coordinates(points)
    assert (coordinates**2).sum() == pytest.approx(by_eigenvectors, rel=1e-3)


def test_the_same_seed_gives_the_same_directions():
    points = flat(50, 20, 9)
    first, again = (Subspace.leading(points, 3, seed=1).coordinates(points) for _ in range(2))
    assert_same(again, first)


@pytest.mark.parametrize("points", [np.zeros((5, 9)), np.ones((1, 9)), np.eye(9)[:2]])
def test_few_and_equal_points_break_nothing(points):
    found = Subspace.leading(points.astype(np.float32), 4)
    assert found.vectors(found.coordinates(points.astype(np.float32))) == pytest.approx(
        points, abs=1e-6
    )


@settings(max_examples=30, deadline=None)
@given(
    rank=st.integers(1, 20),
    dim=st.integers(21, 200),
    scale=st.sampled_from([1e-3, 1, 1e3]),
    seed=st.integers(0, 99),
)
def test_which_point_is_nearest_is_decided_within_their_subspace(rank, dim, scale, seed):
    points = flat(30, dim, rank, seed) * np.float32(scale)
    vectors = np.random.default_rng(seed).normal(size=(50, dim)).astype(np.float32)
    vectors *= np.float32(2 * scale)
    found = Subspace.holding(points, 20)
    assert found is not None
    whole = squared(vectors, points)
    within = squared(found.coordinates(vectors), found.coordinates(points))
    chosen = whole[np.arange(50), within.argmin(axis=1)]
    assert chosen == pytest.approx(whole.min(axis=1), rel=1e-5)


def test_points_that_leave_a_subspace_by_little_are_told_from_those_in_it():
    points = flat(60, 30, 10)
    assert Subspace.holding(points, 10) is not None
    assert Subspace.holding(points, 9) is None
    points[3] += np.random.default_rng(0).normal(size=30).astype(np.float32) * 1e-3
    assert Subspace.holding(points, 10) is None
