"""Lists that drifted are clustered anew, the others stay."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.indexer.clustering import local_repair
from services.indexer.clustering.local_repair import Fit, Repair, drifted, repaired
from services.indexer.clustering.streaming import assign, train_centroids
from shared.contracts.query import Metric
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from tests.shared.indexes import brute

pytestmark = pytest.mark.floats

ROUNDS = 20


def groups(rows, dim, count, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, dim)) + shift
    found = centres[rng.integers(0, count, rows)] + 0.35 * rng.normal(size=(rows, dim))
    return found.astype(np.float32)


@dataclass
class Grown:
    """A collection that was clustered, and what came later on the same centroids."""

    vectors: np.ndarray
    lists: np.ndarray
    fresh: np.ndarray
    centroids: np.ndarray
    fit: Fit

    @classmethod
    def of(cls, first, added, clusters, metric=Metric.L2):
        centroids = train_centroids(first, clusters, metric, 0)
        vectors = np.concatenate([first, added])
        lists = assign([(0, vectors)], len(vectors), centroids, metric)
        away = np.linalg.norm(first - centroids[lists[: len(first)]], axis=1).mean()
        fresh = np.arange(len(first), len(vectors))
        return cls(vectors, lists, fresh, centroids, Fit(len(first) / clusters, float(away)))

    def repaired(self) -> Repair | None:
        return repaired(
            self.vectors, self.lists, self.fresh, self.centroids, Metric.L2, self.fit, 0
        )


def recall(vectors, queries, centroids, lists, nprobe, k=10):
    """Share of the exact neighbours in the probed lists."""
    found = []
    for query in queries:
        exact = np.argsort(((vectors - query) ** 2).sum(axis=1), kind="stable")[:k]
        probed = np.argsort(((centroids - query) ** 2).sum(axis=1), kind="stable")[:nprobe]
        found.append(np.isin(lists[exact], probed).mean())
    return float(np.mean(found))


def test_a_new_class_is_found_as_after_a_build_of_all_for_a_fraction_of_its_work():
    first, added = groups(8000, 16, 60, 0), groups(1500, 16, 9, 1, shift=1.5)
    grown = Grown.of(first, added, 80)
    made = grown.repaired()
    assert made is not None
    assert len(made.centroids) > 80
    whole = train_centroids(grown.vectors, len(made.centroids), Metric.L2, 0)
    lists = assign([(0, grown.vectors)], len(grown.vectors), whole, Metric.L2)
    rng = np.random.default_rng(2)
    for queries in (
        grown.vectors[rng.choice(grown.fresh, 150)],
        grown.vectors[rng.choice(len(first), 150)],
    ):
        for nprobe in (4, 8):
            ours = recall(grown.vectors, queries, made.centroids, made.lists, nprobe)
            theirs = recall(grown.vectors, queries, whole, lists, nprobe)
            assert ours >= theirs - 0.005
    work_of_all = (ROUNDS + 1) * len(grown.vectors) * len(whole)
    assert made.compared < 0.15 * work_of_all
    # The new class lies as near to its centroids as the first images to theirs.
    own = np.linalg.norm(grown.vectors - made.centroids[made.lists], axis=1)
    assert own[grown.fresh].mean() < 1.1 * grown.fit.spread
    before = np.linalg.norm(grown.vectors - grown.centroids[grown.lists], axis=1)
    assert before[grown.fresh].mean() > 1.3 * grown.fit.spread


def test_lists_that_did_not_drift_stay():
    first, added = groups(8000, 16, 60, 0), groups(1500, 16, 9, 1, shift=1.5)
    grown = Grown.of(first, added, 80)
    made = grown.repaired()
    bad = drifted(grown.vectors, grown.lists, grown.fresh, grown.centroids, Metric.L2, grown.fit)
    assert made.split == len(bad) < 30
    stay = np.setdiff1d(np.arange(80), bad)
    assert np.array_equal(made.centroids[stay], grown.centroids[stay])
    elsewhere = np.isin(grown.lists, stay) & (made.lists != grown.lists)
    # What left such a list is nearer to a new centroid.
    moved = grown.vectors[elsewhere]
    now = np.linalg.norm(moved - made.centroids[made.lists[elsewhere]], axis=1)
    assert (now < np.linalg.norm(moved - grown.centroids[grown.lists[elsewhere]], axis=1)).all()


def test_nothing_is_done_where_nothing_drifted_or_nearly_all_did():
    first = groups(6000, 16, 60, 0)
    assert Grown.of(first, groups(3000, 16, 60, 0)[:1000], 60).repaired() is None
    assert Grown.of(first, groups(9000, 16, 60, 1, shift=2), 60).repaired() is None


def test_a_list_of_equal_vectors_can_not_be_cut_and_stays_whole():
    first = groups(4000, 8, 40, 0)
    grown = Grown.of(first, np.repeat(first[:1], 900, axis=0), 40)
    made = grown.repaired()
    same = np.flatnonzero((grown.vectors == first[0]).all(axis=1))
    assert made is None or len(set(made.lists[same].tolist())) == 1


@st.composite
def grown_collections(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dim = draw(st.sampled_from([2, 5, 17]))
    count, more = draw(st.integers(20, 120)), draw(st.integers(0, 100))
    first = rng.normal(size=(count, dim)).astype(np.float32)
    added = rng.normal(size=(more, dim)) * draw(st.sampled_from([0, 0.1, 1]))
    added = (added + draw(st.sampled_from([0, 3]))).astype(np.float32)
    return Grown.of(first, added, draw(st.integers(2, 12))), rng


@settings(deadline=None, max_examples=40)
@given(grown_collections())
def test_no_row_is_lost_and_a_search_of_all_lists_is_exact(tmp_path_factory, case):
    grown, rng = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_repair, "_LEAST_ROWS", 0)
        patch.setattr(local_repair, "_MOST", 1.0)
        made = grown.repaired()
    if made is None:
        return
    rows, clusters = len(grown.vectors), len(made.centroids)
    assert made.lists.shape == (rows,)
    assert clusters >= len(grown.centroids)
    path = tmp_path_factory.mktemp("repaired") / "0.hdf5"
    writer = PostingsWriter(path, Partition(made.centroids, Metric.L2), made.lists, np.arange(rows))
    writer.put(0, grown.vectors)
    writer.close()
    postings = Postings(path)
    assert sorted(postings.ordinals.tolist()) == list(range(rows))
    index = InvertedIndex([postings], Metric.L2)
    query = grown.vectors[rng.integers(rows)]
    found = index.search(index.ask(query), clusters, None, rows, Metric.L2)
    away = brute(grown.vectors, query, Metric.L2)
    np.testing.assert_allclose(found.distances, np.sort(away), rtol=1e-9, atol=1e-9)
