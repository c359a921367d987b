"""Scanning a space against brute force in float64."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.clustering import assign, train_centroids
from services.query.search.space import Space
from shared.contracts.query import Metric
from shared.errors import BadVector, Corrupt
from shared.ivf.reader import Postings
from shared.ivf.writer import PostingsWriter

KINDS = ("random", "duplicates", "zeros", "scaled", "huge", "tiny", "near", "skewed")


def vectors_of(kind, rows, dim, rng):
    base = rng.normal(size=(rows, dim))
    if kind == "duplicates":
        base = base[rng.integers(0, max(1, rows // 4), rows)]
    elif kind == "zeros":
        base[rng.random(rows) < 0.5] = 0
    elif kind == "scaled":
        base = base[rng.integers(0, max(1, rows // 4), rows)] * 2.0 ** rng.integers(
            -9, 9, (rows, 1)
        )
    elif kind == "huge":
        base = base * 1e14
    elif kind == "tiny":
        base = base * 1e-24
    elif kind == "near":
        base = base[:1] * 100 + base * 1e-4
    elif kind == "skewed":
        base = base * 10.0 ** rng.integers(-6, 6, (rows, 1))
    return base.astype(np.float32)


def brute(vectors, query, metric):
    points, point = vectors.astype(np.float64), query.astype(np.float64)
    if metric is Metric.L2:
        return np.linalg.norm(points - point, axis=1)
    lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(point)
    with np.errstate(invalid="ignore"):
        return 1 - np.where(lengths > 0, points @ point / lengths, 0)


def tolerance(vectors, query, metric):
    """Rounding in float64: of a cosine, absolute; of an L2 distance, relative to the lengths."""
    if metric is Metric.COSINE:
        return 1e-12
    return 1e-12 * (np.abs(vectors).max(initial=0) + np.abs(query).max())


def space_of(folder, vectors, clusters, metric, cuts):
    bounds = [0, *sorted(cuts), len(vectors)]
    centroids = train_centroids(vectors, clusters, metric, seed=0)
    segments = []
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        block = vectors[start:end]
        lists = assign([(0, block)] if len(block) else [], len(block), centroids, metric)
        path = folder / f"{number}.hdf5"
        first = centroids if number == 0 else None
        ordinals = np.arange(start, end)
        writer = PostingsWriter(path, vectors.shape[1], lists, ordinals, clusters, first)
        writer.put(0, block)
        writer.close()
        segments.append(Postings(path))
    return Space("model", metric, segments)


@st.composite
def cases(draw):
    rows = draw(st.integers(1, 50))
    dim = draw(st.sampled_from([1, 2, 7, 33]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    vectors = vectors_of(draw(st.sampled_from(KINDS)), rows, dim, rng)
    query = vectors[rng.integers(rows)]
    if draw(st.booleans()):
        query = (query + rng.normal(size=dim) * (np.abs(query).max() + 1e-30)).astype(np.float32)
    clusters = draw(st.integers(1, min(rows, 6)))
    cuts = draw(st.lists(st.integers(0, rows), max_size=3))
    dead = np.flatnonzero(rng.random(rows) < draw(st.sampled_from([0, 0.3, 1])))
    metrics = st.sampled_from(Metric)
    return vectors, query, clusters, cuts, dead, draw(metrics), draw(metrics)


@given(cases(), st.integers(1, 60))
def test_with_all_clusters_probed_the_nearest_are_those_of_brute_force(fresh_library, case, k):
    vectors, query, clusters, cuts, dead, built_for, metric = case
    library = fresh_library()
    library.folder.mkdir()
    space = space_of(library.folder, vectors, clusters, built_for, cuts)
    ranked = space.ranked_clusters(query)
    assert sorted(ranked) == list(range(clusters))
    found = space.scan(query, ranked, clusters + 3, k, metric, dead)
    alive = np.setdiff1d(np.arange(len(vectors)), dead)
    assert (found.nprobe, found.scanned, found.live) == (clusters, len(alive), len(alive))
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


@given(cases())
def test_what_a_scan_says_of_a_row_is_so(fresh_library, case):
    vectors, query, clusters, cuts, dead, built_for, metric = case
    library = fresh_library()
    library.folder.mkdir()
    space = space_of(library.folder, vectors, clusters, built_for, cuts)
    ranked = space.ranked_clusters(query)
    for nprobe in range(1, clusters + 1):
        found = space.scan(query, ranked, nprobe, 5, metric, dead)
        assert (found.clusters == ranked[found.ranks - 1]).all()
        assert (found.ranks <= nprobe).all()
        for ordinal, number in zip(found.ordinals, found.segments, strict=True):
            assert ordinal in space.segments[number].ordinals
            assert np.array_equal(space.vector(int(ordinal)), vectors[ordinal])
    assert found.scanned == found.live
    ordinals, distances = space.among(query, np.array([*dead, 10_000]), metric)
    assert sorted(ordinals) == sorted(dead)
    near = tolerance(vectors, query, metric)
    wanted = brute(vectors, query, metric)[ordinals]
    np.testing.assert_allclose(distances, wanted, rtol=1e-9, atol=near)
    assert space.vector(10_000) is None


@given(cases(), st.integers(1, 60))
def test_probes_to_hold_are_the_fewest_that_have_enough_rows(fresh_library, case, wanted):
    vectors, query, clusters, cuts, _, built_for, metric = case
    library = fresh_library()
    library.folder.mkdir()
    space = space_of(library.folder, vectors, clusters, built_for, cuts)
    ranked = space.ranked_clusters(query)
    none = np.empty(0, np.int64)
    held = [space.scan(query, ranked, n, 1, metric, none).scanned for n in range(1, clusters + 1)]
    fewest = next((n for n, rows in enumerate(held, 1) if rows >= wanted), clusters)
    assert space.probes_to_hold(ranked, wanted) == fewest


@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1.0, 1e14])
def test_the_length_of_a_query_does_not_change_what_cosine_finds(tmp_path, scale):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    space = space_of(tmp_path, vectors, 6, Metric.COSINE, [100])
    query = rng.normal(size=8)
    none = np.empty(0, np.int64)

    def found(factor):
        given = space.checked(query * factor)
        ranked = space.ranked_clusters(given)
        return ranked.tolist(), space.scan(given, ranked, 2, 10, Metric.COSINE, none)

    (ranked, one), (scaled_ranked, scaled) = found(1.0), found(scale)
    assert scaled_ranked == ranked
    assert scaled.ordinals[:10].tolist() == one.ordinals[:10].tolist()
    np.testing.assert_allclose(scaled.distances[:10], one.distances[:10], atol=1e-6)


@pytest.mark.parametrize(
    "bad", [[1.0], [1.0] * 3, [], [np.nan, 1.0], [np.inf, 0.0], [1e300, 0.0], [-1e16, 1.0]]
)
def test_a_query_of_another_length_or_out_of_range_is_refused_without_a_warning(tmp_path, bad):
    space = space_of(tmp_path, np.ones((2, 2), np.float32), 1, Metric.L2, [])
    with pytest.raises(BadVector):  # Warnings are errors here.
        space.checked(np.array(bad))


def test_a_space_whose_first_segment_has_no_centroids_is_corrupt(tmp_path):
    space = space_of(tmp_path, np.ones((4, 2), np.float32), 1, Metric.L2, [2])
    with pytest.raises(Corrupt, match="should have the centroids"):
        Space("model", Metric.L2, space.segments[1:])
