"""K-means, assignment, and measured recall, each against brute force."""

import tracemalloc
from collections.abc import Iterator

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.indexer.clustering import streaming
from services.indexer.clustering.streaming import (
    assign,
    cluster_count,
    prepared,
    sample_rows,
    train_centroids,
)
from services.indexer.measuring import recall
from shared.contracts.query import Metric
from shared.core.errors import InvalidInput
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from tests.floats import assert_same

pytestmark = pytest.mark.floats

METRICS = pytest.mark.parametrize("metric", list(Metric))


def points(rows: int = 200, dim: int = 8, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, dim)) * rng.uniform(0.1, 9, (rows, 1))).astype(np.float32)


def in_blocks(vectors: NDArray[np.float32], size: int = 64) -> Iterator:
    return ((start, vectors[start : start + size]) for start in range(0, len(vectors), size))


def brute_distances(
    queries: NDArray[np.float32], rows: NDArray[np.float32], metric: Metric
) -> NDArray[np.float64]:
    """Squared L2; for cosine of the vectors brought to unit length."""
    a, b = (np.float64(x) for x in (queries, rows))
    if metric is Metric.COSINE:
        a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30) for x in (a, b))
    return ((a[:, None] - b[None]) ** 2).sum(axis=2)


# --- how many ---------------------------------------------------------------------------------


@given(rows=st.integers(0, 2_000_000))
def test_auto_gives_clusters_that_are_well_filled(rows):
    count = cluster_count("auto", rows)
    assert 1 <= count <= max(1, rows // 39)
    assert count <= round(4 * rows**0.5) or rows == 0


def test_as_many_clusters_as_asked_up_to_one_an_image():
    assert cluster_count(1, 1) == 1
    assert cluster_count(100, 100) == 100
    with pytest.raises(InvalidInput, match=r"101 clusters.*only 100 images"):
        cluster_count(101, 100)


@given(rows=st.integers(1, 30_000), clusters=st.integers(1, 200), seed=st.integers(0, 5))
def test_a_sample_is_drawn_without_repeats_and_the_same_by_seed(rows, clusters, seed):
    sample = sample_rows(rows, clusters, seed)
    assert len(sample) == min(rows, max(128 * clusters, 8192))
    assert (np.diff(sample) > 0).all()
    assert 0 <= sample[0] <= sample[-1] < rows
    assert (sample == sample_rows(rows, clusters, seed)).all()


def test_a_sample_fits_in_a_gibibyte():
    assert len(sample_rows(3_000_000, 20_000, 0)) * 128 * 4 == 2**30


class Counted:
    """So many vectors that memory never holds: made when they're asked for."""

    def __init__(self, rows: int, dim: int) -> None:
        self._rows, self._dim = rows, dim
        self.most = 0

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        self.most = max(self.most, len(numbers))
        rng = np.random.default_rng(int(numbers[0]))
        return rng.standard_normal((len(numbers), self._dim), np.float32)

    def blocks(self, size: int) -> Iterator:
        return ((i, self[np.arange(i, i + size)]) for i in range(0, self._rows, size))


def test_memory_stays_small_whatever_the_collection(monkeypatch):
    monkeypatch.setattr(streaming, "_BLOCK", 1024)
    vectors = Counted(32_768, 1024)
    tracemalloc.start()
    try:
        centroids = train_centroids(vectors, 256, Metric.COSINE, seed=0)
        assign(vectors.blocks(1024), len(vectors), centroids, Metric.COSINE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert vectors.most == 1024
    # All of them are trained on: 128 MiB, but 16 by their coordinates.
    assert peak < 2**26


# --- centroids --------------------------------------------------------------------------------


@METRICS
@pytest.mark.parametrize("clusters", [1, 7, 200])
def test_there_are_as_many_centroids_as_asked_and_finite(metric, clusters):
    centroids = train_centroids(points(), clusters, metric, seed=0)
    assert centroids.shape == (clusters, 8)
    assert centroids.dtype == np.float32
    assert np.isfinite(centroids).all()


@METRICS
def test_the_same_seed_gives_the_same_centroids(metric):
    first, again = (train_centroids(points(), 9, metric, seed=3) for _ in range(2))
    assert_same(again, first)
    assert not np.array_equal(first, train_centroids(points(), 9, metric, seed=4))


def test_one_centroid_is_the_mean():
    assert np.allclose(train_centroids(points(), 1, Metric.L2, 0), points().mean(axis=0), atol=1e-5)


def test_groups_that_lie_apart_are_found():
    centres = np.eye(4, dtype=np.float32) * 100
    vectors = np.repeat(centres, 50, axis=0) + points(200, 4) / 50
    lists = assign(in_blocks(vectors), 200, train_centroids(vectors, 4, Metric.L2, 0), Metric.L2)
    groups = [set(lists[i : i + 50].tolist()) for i in range(0, 200, 50)]
    assert all(len(group) == 1 for group in groups)
    assert len(set.union(*groups)) == 4


def test_cosine_clusters_by_direction_and_l2_by_place():
    directions = np.array([[1, 0], [0, 1]], np.float32)
    near, far = directions * 0.01, directions * 50
    vectors = np.repeat(np.concatenate([near, far]), 60, axis=0)

    def lists(metric: Metric) -> list[int]:
        centroids = train_centroids(vectors, 2, metric, 0)
        return assign(in_blocks(vectors), len(vectors), centroids, metric)[::60].tolist()

    near_x, near_y, far_x, far_y = lists(Metric.COSINE)
    assert (near_x, near_y) == (far_x, far_y)
    assert near_x != near_y
    near_x, near_y, *_ = lists(Metric.L2)
    assert near_x == near_y


@METRICS
@pytest.mark.parametrize(
    "vectors", [np.zeros((90, 4)), np.ones((90, 4)), np.eye(4)[[0] * 89 + [1]]]
)
def test_duplicates_and_zero_vectors_break_nothing(metric, vectors):
    vectors = vectors.astype(np.float32)
    centroids = train_centroids(vectors, 5, metric, seed=0)
    assert np.isfinite(centroids).all()
    lists = assign(in_blocks(vectors), 90, centroids, metric)
    assert ((lists >= 0) & (lists < 5)).all()


def test_a_zero_vector_stays_zero_when_prepared():
    vectors = np.array([[0, 0], [3, 4]], np.float32)
    assert prepared(vectors, Metric.COSINE).ravel().tolist() == pytest.approx([0, 0, 0.6, 0.8])
    assert prepared(vectors, Metric.L2) is vectors


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 150),
    clusters=st.integers(1, 12),
    seed=st.integers(0, 99),
    metric=st.sampled_from(Metric),
)
def test_assignment_is_that_of_brute_force(rows, clusters, seed, metric):
    vectors = points(rows, seed=seed)
    centroids = points(clusters, seed=seed + 100)
    lists = assign(in_blocks(vectors), rows, centroids, metric)
    exact = ((np.float64(prepared(vectors, metric))[:, None] - centroids[None]) ** 2).sum(axis=2)
    assert np.allclose(exact[np.arange(rows), lists], exact.min(axis=1), rtol=1e-4, atol=1e-4)


@METRICS
@pytest.mark.parametrize("trained", [True, False])
def test_assignment_of_many_long_vectors_is_that_of_brute_force(metric, trained):
    """Trained centroids lie in a subspace, in which they're compared; others don't."""
    vectors = points(20_000, 150)
    made = train_centroids(vectors[:4000], 140, metric, 0) if trained else points(140, 150, seed=1)
    lists = assign(in_blocks(vectors, 3000), len(vectors), made, metric)
    some = np.arange(0, len(vectors), 41)
    to_all = ((np.float64(prepared(vectors[some], metric))[:, None] - made[None]) ** 2).sum(axis=2)
    assert to_all[np.arange(len(some)), lists[some]] == pytest.approx(to_all.min(axis=1), rel=1e-5)


def test_long_vectors_are_clustered_as_well_as_by_faiss():
    """More directions than are kept, and noise in all of them."""
    rng = np.random.default_rng(0)
    spread = np.arange(1, 301) ** -0.8
    vectors = rng.normal(size=(9000, 300)) * spread + rng.normal(size=(9000, 300)) * 0.02
    vectors = vectors.astype(np.float32)
    theirs = faiss.Kmeans(300, 60, niter=20, seed=0, max_points_per_centroid=10**6)
    theirs.train(vectors[:8000])
    ours = train_centroids(vectors[:8000], 60, Metric.L2, 0)
    held_out = np.float64(vectors[8000:])
    to_ours, to_theirs = (
        ((held_out[:, None] - np.float64(c)[None]) ** 2).sum(axis=2).min(axis=1).mean()
        for c in (ours, theirs.centroids)
    )
    assert to_ours < 1.02 * to_theirs


# --- recall -----------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path):
    def make(vectors: NDArray[np.float32], clusters: int, metric: Metric) -> Postings:
        centroids = train_centroids(vectors, clusters, metric, seed=0)
        lists = assign(in_blocks(vectors), len(vectors), centroids, metric)
        ordinals = np.arange(len(vectors)) + 1000
        partition = Partition(centroids, metric)
        writer = PostingsWriter(tmp_path / "x.hdf5", partition, lists, ordinals)
        for start, block in in_blocks(vectors):
            writer.put(start, block)
        writer.close()
        return Postings(tmp_path / "x.hdf5")

    return make


def measured(postings: Postings, metric: Metric, queries: NDArray | None = None):
    return recall.measure(InvertedIndex([postings], metric), "visual", 0, queries)


def brute_recall(
    postings: Postings, queries: NDArray, own: bool, built: Metric, metric: Metric, k: int, n: int
) -> float:
    """Recall of k at n probes, query by query."""
    assert postings.centroids is not None
    rows = np.array(postings.vectors)
    exact = brute_distances(queries, rows, metric)
    if own:
        exact[np.arange(len(rows)), np.arange(len(rows))] = np.inf
    nearest = np.argsort(exact, axis=1, kind="stable")[:, :k]
    asked = np.float64(prepared(queries, built))
    to_lists = ((asked[:, None] - postings.centroids[None]) ** 2).sum(axis=2)
    probed = np.argsort(to_lists, axis=1, kind="stable")[:, :n]
    lists = postings.lists_of_rows(nearest)
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(lists, probed, strict=True)]))


@METRICS
@pytest.mark.parametrize("given_queries", [False, True])
def test_recall_is_that_of_brute_force(index, metric, given_queries):
    postings = index(points(230), 9, metric)
    queries = points(40, seed=7) if given_queries else np.array(postings.vectors)
    curves = measured(postings, metric, queries if given_queries else None)
    most = 230 if given_queries else 229
    assert {(c.metric, c.k) for c in curves} == {
        (m, k) for m in Metric for k in (10, 30, 100, most)
    }
    for curve in curves:
        assert curve.queries == len(queries)
        for point in curve.points:
            expected = brute_recall(
                postings, queries, not given_queries, metric, curve.metric, curve.k, point.nprobe
            )
            assert point.recall == pytest.approx(expected, abs=0.005)


def test_recall_and_cost_grow_with_the_probes_up_to_everything(index):
    for curve in measured(index(points(230), 30, Metric.L2), Metric.L2):
        probes = [p.nprobe for p in curve.points]
        assert probes[:16] == list(range(1, 17))
        assert probes[-1] == 30
        assert sorted(p.recall for p in curve.points) == [p.recall for p in curve.points]
        assert (curve.points[-1].recall, curve.points[-1].scanned_fraction) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("rows", "ks"),
    [(1, set()), (10, {9}), (11, {10}), (101, {10, 30, 100}), (120, {10, 30, 100, 119})],
)
def test_recall_is_told_of_as_many_neighbours_as_there_are(index, rows, ks):
    curves = measured(index(points(rows), 1, Metric.COSINE), Metric.COSINE)
    assert {curve.k for curve in curves} == ks
