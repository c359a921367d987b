"""K-means itself, against faiss's, on what is easy and on what is awkward."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.indexer.clustering import kmeans as module
from services.indexer.clustering.kmeans import kmeans, nearest, nearest_around
from tests.floats import assert_same


def silent(number: int, rounds: int) -> None:
    pass


def grouped(rows: int, dim: int, groups: int, seed: int = 0) -> NDArray[np.float32]:
    """Equal groups far apart, in random order."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, dim)) * 10
    found = centres[rng.permutation(rows) % groups] + rng.normal(size=(rows, dim))
    return found.astype(np.float32)


def objective(points: NDArray[np.float32], centroids: NDArray[np.float32]) -> float:
    return float(((points - centroids[nearest(points, centroids)]) ** 2).sum())


def longest(points: NDArray[np.float32], centroids: NDArray[np.float32]) -> float:
    """The longest list, in mean lists."""
    sizes = np.bincount(nearest(points, centroids), minlength=len(centroids))
    return float(sizes.max() / sizes.mean())


@pytest.mark.parametrize("clusters", [3, 50, 300])
def test_it_finds_what_faiss_finds(clusters):
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(20_000, 12)) * 0.9 ** np.arange(12)).astype(np.float32)
    theirs = faiss.Kmeans(12, clusters, niter=20, seed=0, max_points_per_centroid=10**6)
    theirs.train(points)
    found = objective(points, kmeans(points, clusters, 0, silent))
    assert found < 1.01 * objective(points, theirs.centroids)


def test_centroids_are_the_means_of_their_lists_once_they_settle():
    points = grouped(600, 6, 4)
    centroids = kmeans(points, 4, 0, silent)
    lists = nearest(points, centroids)
    for number in range(4):
        assert centroids[number] == pytest.approx(points[lists == number].mean(axis=0), abs=1e-4)


@pytest.mark.parametrize("cut", [True, False])
def test_long_lists_are_cut(monkeypatch, cut):
    """Half of the points lie close together: without cuts one centroid draws most of them."""
    if not cut:
        monkeypatch.setattr(module, "_LONGEST", 1e9)
    rng = np.random.default_rng(0)
    scale = np.where(rng.random((6400, 1)) < 0.5, 1, 0.3)
    points = (rng.normal(size=(6400, 64)) * scale).astype(np.float32)
    found = longest(points, kmeans(points, 100, 0, silent))
    assert found < 1.5 * module._LONGEST if cut else found > 8


def test_a_heap_of_equal_points_takes_no_centroids_from_the_rest():
    points = grouped(4000, 8, 20)
    points[::2] = 0
    found = kmeans(points, 40, 0, silent)
    rest = points[1::2]
    own = kmeans(rest, 20, 0, silent)
    assert objective(points, found) < 1.2 * objective(rest, own)


def test_every_point_is_its_own_centroid_where_there_are_as_many():
    points = grouped(70, 5, 70)
    assert objective(points, kmeans(points, 70, 0, silent)) == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 50),
    dim=st.integers(1, 20),
    clusters=st.integers(1, 50),
    kind=st.sampled_from(["normal", "halves", "zeros", "two values", "large", "small"]),
    seed=st.integers(0, 999),
)
def test_few_points_of_any_kind_give_finite_centroids_near_them(rows, dim, clusters, kind, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rows, dim)).astype(np.float32)
    points = {
        "normal": points,
        "halves": points.astype(np.float16).astype(np.float32),
        "zeros": np.zeros_like(points),
        "two values": np.sign(points[:, :1]) * np.ones_like(points),
        "large": points * np.float32(1e6),
        "small": points * np.float32(1e-6),
    }[kind]
    clusters = min(clusters, rows)
    centroids = kmeans(points, clusters, seed, silent)
    assert centroids.shape == (clusters, dim)
    assert centroids.dtype == np.float32
    assert np.isfinite(centroids).all()
    # A mean lies among the points, and a moved centroid no farther out than one of them.
    assert centroids.max() <= points.max() + 1e-3 * np.ptp(points) + 1e-12
    assert_same(kmeans(points, clusters, seed, silent), centroids)


@pytest.mark.parametrize("last", [1, 4])
def test_what_progress_raises_ends_the_work_before_the_next_round(last):
    told = []

    def stop(number: int, rounds: int) -> None:
        told.append((number, rounds))
        if number == last:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        kmeans(grouped(500, 4, 9), 20, 0, stop)
    assert told == [(number + 1, 20) for number in range(last)]


def test_a_point_looks_everywhere_in_the_first_rounds_and_when_it_is_new(monkeypatch):
    seen = []
    found = module.nearest

    def noted(points, centroids):
        seen.append(len(points))
        return found(points, centroids)

    monkeypatch.setattr(module, "nearest", noted)
    kmeans(np.random.default_rng(0).normal(size=(8000, 4)).astype(np.float32), 10, 0, silent)
    assert seen == [2000] * 5 + [4000]


def test_rounds_end_once_few_points_change_their_list():
    told = []
    points = grouped(20_000, 8, 200)
    centroids = kmeans(points, 200, 0, lambda number, rounds: told.append((number, rounds)))
    assert len(told) < 20
    assert told == [(number + 1, 20) for number in range(len(told))]
    theirs = faiss.Kmeans(8, 200, niter=20, seed=0, max_points_per_centroid=10**6)
    theirs.train(points)
    assert objective(points, centroids) < 1.01 * objective(points, theirs.centroids)


@pytest.mark.parametrize("around", [4, 50])
def test_the_nearest_is_among_the_centroids_around(monkeypatch, around):
    monkeypatch.setattr(module, "_AROUND", around)
    monkeypatch.setattr(module, "_TENTH", 1000)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 8)).astype(np.float32)
    centroids, lists = points[:50], rng.integers(0, 50, 3000)
    chosen = np.flatnonzero(rng.random(3000) < 0.7)
    found = nearest_around(points, chosen, lists, centroids)
    those = np.argsort(((centroids[:, None] - centroids[None]) ** 2).sum(axis=2), axis=1)[
        :, :around
    ]
    away = ((points[chosen, None] - centroids[those[lists[chosen]]]) ** 2).sum(axis=2)
    expected = those[lists[chosen], away.argmin(axis=1)]
    assert np.array_equal(found, expected)
    if around == 50:
        assert np.array_equal(found, nearest(points[chosen], centroids))
