"""Searching an index against brute force in float64."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.query import Metric
from shared.core.errors import Corrupt
from shared.engines.ivf.index import InvertedIndex
from shared.maths.distances import prepared
from tests.shared.indexes import HALF, KINDS, brute, clustered, index_of, tolerance, vectors_of

pytestmark = pytest.mark.floats


@st.composite
def cases(draw):
    rows = draw(st.integers(1, 50))
    dim = draw(st.sampled_from([1, 2, 7, 33]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(KINDS))
    vectors = vectors_of(kind, rows, dim, rng)
    dtype = draw(st.sampled_from(["float32", "float16"])) if kind in HALF else "float32"
    vectors = vectors.astype(dtype).astype(np.float32)
    query = vectors[rng.integers(rows)]
    if draw(st.booleans()):
        query = (query + rng.normal(size=dim) * (np.abs(query).max() + 1e-30)).astype(np.float32)
    clusters = draw(st.integers(1, min(rows, 6)))
    cuts = draw(st.lists(st.integers(0, rows), max_size=3))
    deleted = np.flatnonzero(rng.random(rows) < draw(st.sampled_from([0, 0.3, 1])))
    metrics = st.sampled_from(Metric)
    coded = draw(st.booleans()) and rows >= 16
    built = {"clusters": clusters, "metric": draw(metrics), "cuts": cuts, "coded": coded}
    built |= {"dtype": dtype, "compiled": draw(st.booleans())}
    return vectors, query, built, deleted, draw(metrics)


@given(cases(), st.integers(1, 60))
def test_with_all_clusters_probed_the_nearest_are_those_of_brute_force(fresh, case, k):
    vectors, query, built, deleted, metric = case
    index = index_of(fresh(), vectors, **built)
    asked = index.ask(query)
    lists = index.rank(asked, index.clusters)
    assert sorted(lists) == list(range(index.clusters))
    found = index.scan(asked, lists, k, metric, depth=k, mask=index.mask(deleted))
    alive = np.setdiff1d(np.arange(len(vectors)), deleted)
    assert found.nprobe == index.clusters
    assert (found.scanned, found.live, found.reranked) == (len(alive),) * 3
    wanted = brute(vectors, query, metric)
    near = tolerance(vectors, query, metric)
    ordinals, distances = found.ordinals, found.distances
    assert len(set(ordinals.tolist())) == len(ordinals) >= min(k, len(alive))
    assert np.isin(ordinals, alive).all()
    assert (np.diff(distances) >= 0).all()
    np.testing.assert_allclose(distances, wanted[ordinals], rtol=1e-9, atol=near)
    best = np.sort(wanted[alive])[:k]
    np.testing.assert_allclose(distances[: len(best)], best, rtol=1e-9, atol=near)
    if len(best):
        missed = np.setdiff1d(alive, ordinals)
        assert (wanted[missed] >= distances[len(best) - 1] - near).all()
        alike = (vectors[missed, None] == vectors[ordinals[: len(best)]]).all(axis=2)
        assert not alike.any(), "a tie with one of the first k is missing"
    for row, distance in zip(ordinals, distances, strict=True):
        same = (vectors[ordinals] == vectors[row]).all(axis=1)
        assert (distances[same] == distance).all()


@given(cases(), st.integers(1, 60))
def test_what_a_scan_says_of_a_row_is_so(fresh, case, depth):
    vectors, query, built, deleted, metric = case
    index = index_of(fresh(), vectors, **built)
    asked = index.ask(query)
    ranked = index.rank(asked, index.clusters)
    for nprobe in range(1, index.clusters + 1):
        lists = index.rank(asked, nprobe)
        assert lists.tolist() == ranked[:nprobe].tolist()
        found = index.scan(asked, lists, 5, metric, depth, index.mask(deleted))
        assert (found.clusters == ranked[found.ranks - 1]).all()
        assert (found.ranks <= nprobe).all()
        assert not np.isin(found.ordinals, deleted).any()
        assert found.reranked <= found.scanned <= found.live
        near = tolerance(vectors, query, metric)
        wanted = brute(vectors, query, metric)[found.ordinals]
        np.testing.assert_allclose(found.distances, wanted, rtol=1e-9, atol=near)
        for ordinal, number in zip(found.ordinals, found.segments, strict=True):
            assert ordinal in index.segments[number].ordinals
            assert np.array_equal(index.vector(int(ordinal)), vectors[ordinal])
    assert found.scanned == found.live
    ordinals, distances = index.among(query, np.array([*deleted, 10_000]), metric)
    assert sorted(ordinals) == sorted(deleted)
    wanted = brute(vectors, query, metric)[ordinals]
    np.testing.assert_allclose(distances, wanted, rtol=1e-9, atol=near)
    assert index.vector(10_000) is None


@given(cases(), st.data())
def test_what_is_included_is_looked_at_wherever_it_is(fresh, case, data):
    vectors, query, built, deleted, metric = case
    index = index_of(fresh(), vectors, **built)
    asked = index.ask(query)
    lists = index.rank(asked, data.draw(st.integers(1, index.clusters)))
    one = data.draw(st.integers(0, len(vectors) - 1))
    include = np.array([one, 10_000])
    found = index.scan(asked, lists, 100, metric, 1, index.mask(deleted), include)
    assert (one in found.ordinals) == (one not in deleted)
    assert len(set(found.ordinals.tolist())) == len(found.ordinals)


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize(("dim", "compiled"), [(30, True), (300, True), (300, False)])
def test_codes_choose_the_rows_that_are_nearest(tmp_path, metric, dim, compiled):
    vectors = clustered(3000, dim)
    index = index_of(tmp_path, vectors, 20, metric, [2000], coded=True, compiled=compiled)
    assert index.is_coded(metric)
    recalls, looked_at = [], 0
    for query in clustered(40, dim, seed=1):
        asked = index.ask(query)
        lists = index.rank(asked, 10)
        every = index.scan(asked, lists, 10, metric)
        found = index.scan(asked, lists, 10, metric, depth=100)
        recalls.append(np.isin(every.ordinals[:10], found.ordinals).mean())
        looked_at += found.reranked / every.reranked
        deeper = index.scan(asked, lists, 10, metric, depth=100_000)
        assert deeper.ordinals.tolist() == every.ordinals.tolist()
    assert np.mean(recalls) > 0.97
    assert looked_at / 40 < 0.5


@pytest.mark.parametrize(("coded_for", "asked_for"), list(itertools.product(Metric, Metric)))
def test_without_compiled_code_another_metric_is_answered_from_the_vectors(
    tmp_path, coded_for, asked_for
):
    vectors = clustered(500, 16)
    index = index_of(tmp_path, vectors, 5, coded_for, coded=True, compiled=False)
    assert index.is_coded(asked_for) == (coded_for is asked_for)
    units = prepared(vectors, Metric.COSINE)
    same = index_of(tmp_path / "unit", units, 5, coded_for, coded=True, compiled=False)
    assert same.is_coded(asked_for)
    asked = index.ask(vectors[3])
    lists = index.rank(asked, 3)
    found = index.scan(asked, lists, 5, asked_for, depth=7)
    assert (found.reranked == 7) == (coded_for is asked_for)


def test_half_the_bytes_store_the_vectors_as_they_round(tmp_path):
    vectors = clustered(200, 16)
    index = index_of(tmp_path, vectors, 4, Metric.L2, [150], dtype="float16")
    assert {segment.vectors.dtype for segment in index.segments} == {np.dtype("<f2")}
    assert np.array_equal(index.vector(170), vectors[170].astype(np.float16).astype(np.float32))


def test_centroids_are_ranked_alike_in_fewer_dimensions(tmp_path):
    vectors = clustered(2000, 400)
    coded = index_of(tmp_path / "a", vectors, 30, Metric.COSINE, coded=True)
    plain = index_of(tmp_path / "b", vectors, 30, Metric.COSINE)
    same = [
        len(np.intersect1d(coded.rank(coded.ask(q), 5), plain.rank(plain.ask(q), 5)))
        for q in clustered(50, 400, seed=1)
    ]
    assert np.mean(same) > 4.9


@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1.0, 1e14])
def test_the_length_of_a_query_does_not_change_what_cosine_finds(tmp_path, scale):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    index = index_of(tmp_path, vectors, 6, Metric.COSINE, [100])
    query = rng.normal(size=8)

    def found(factor):
        asked = index.ask((query * factor).astype(np.float32))
        lists = index.rank(asked, 2)
        return lists.tolist(), index.scan(asked, lists, 10, Metric.COSINE)

    (ranked, one), (scaled_ranked, scaled) = found(1.0), found(scale)
    assert scaled_ranked == ranked
    assert scaled.ordinals[:10].tolist() == one.ordinals[:10].tolist()
    np.testing.assert_allclose(scaled.distances[:10], one.distances[:10], atol=1e-6)


def test_an_index_whose_first_segment_has_no_centroids_is_corrupt(tmp_path):
    index = index_of(tmp_path, np.ones((4, 2), np.float32), 1, Metric.L2, [2])
    with pytest.raises(Corrupt, match="should have the centroids"):
        InvertedIndex(index.segments[1:], Metric.L2)
