"""The order of hits, their scores and their pages, over collections drawn at random."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query.search.collection import Collection, SegmentCache
from services.query.search.query import Query
from services.query.search.searcher import Searcher
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Mode
from shared.contracts.query import Metric, SearchOptions
from shared.snapshots.items import Item

pytestmark = pytest.mark.floats


@st.composite
def cases(draw):
    rows = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    vectors = rng.normal(size=(rows, 3))
    kind = draw(st.sampled_from(["random", "duplicates", "zeros", "scaled"]))
    if kind == "zeros":
        vectors[:] = 0
    elif kind != "random":
        vectors = vectors[rng.integers(0, max(1, rows // 3), rows)]
    if kind == "scaled":
        vectors *= rng.uniform(0.1, 9, (rows, 1))
    ids = draw(st.lists(st.text("abAB/?é", min_size=1), min_size=rows, max_size=rows, unique=True))
    clusters, first = draw(st.integers(1, min(3, rows))), draw(st.integers(0, rows))
    return vectors.astype(np.float32), ids, clusters, [max(first, clusters)]


def searcher_of(library, case, metric):
    vectors, ids, clusters, sizes = case
    space = library.space(vectors, clusters, metric, sizes)
    manifest = library.publish([Item(n, i) for n, i in enumerate(ids)], visual=space)
    cache = SegmentCache(library.snapshots)
    return Searcher(Collection(manifest, cache), np.empty(0, np.int64), 0.95)


def nearest(searcher, vector, itself=None, **options):
    query = Query(vector, Mode.IMAGE, itself)
    given = SearchOptions(**options)
    return searcher.nearest(searcher.collection.visual, query, given, Stopwatch())


@given(cases(), st.sampled_from(Metric), st.integers(1, 12))
def test_pages_are_disjoint_complete_and_in_the_order_of_distance_and_id(
    fresh_library, case, metric, limit
):
    vectors, ids, *_ = case
    searcher = searcher_of(fresh_library(), case, metric)
    query = np.ones(3, np.float32)
    hits = []
    for offset in range(0, len(ids) + limit, limit):
        page = nearest(searcher, query, limit=limit, offset=offset, exact=True, rerank="none")
        assert page.complete
        hits += page.hits
    assert sorted(hit.id for hit in hits) == sorted(ids)
    assert hits == sorted(hits, key=lambda hit: (hit.distance, hit.id))
    for hit in hits:
        point, wanted = vectors[ids.index(hit.id)].astype(np.float64), np.ones(3)
        if metric is Metric.L2:
            np.testing.assert_allclose(hit.distance, np.linalg.norm(point - wanted), rtol=1e-9)
            assert hit.score == 1 / (1 + hit.distance)
        else:
            length = np.linalg.norm(point) * np.sqrt(3)
            cosine = point @ wanted / length if length else 0
            np.testing.assert_allclose(hit.score, cosine, rtol=1e-9, atol=1e-12)
            assert hit.distance == 1 - hit.score or abs(hit.distance - 1 + hit.score) < 1e-15
            assert -1 <= hit.score <= 1


@given(cases(), st.sampled_from(Metric), st.data())
def test_an_indexed_image_is_its_own_first_hit_on_a_page_of_any_length(
    fresh_library, case, metric, data
):
    vectors, ids, *_ = case
    searcher = searcher_of(fresh_library(), case, metric)
    number = data.draw(st.integers(0, len(ids) - 1))
    limit = data.draw(st.integers(1, len(ids)))
    noise = data.draw(st.sampled_from([0, 1e-7]))
    given_vector = (vectors[number] * np.float32(1 + noise)).astype(np.float32)
    longest = nearest(searcher, given_vector, number, limit=len(ids), exact=True).hits
    hits = nearest(searcher, given_vector, number, limit=limit, exact=True).hits
    if metric is Metric.L2 or np.any(vectors[number]):
        assert hits[0].id == ids[number]
        assert hits[0].distance < 1e-5
    assert hits == longest[:limit]
    second = nearest(searcher, given_vector, number, limit=limit, offset=1, exact=True).hits
    assert second == longest[1 : limit + 1]


@given(cases(), st.sampled_from(Metric), st.integers(1, 5))
def test_scanning_every_cluster_answers_as_exact_does(fresh_library, case, metric, limit):
    searcher = searcher_of(fresh_library(), case, metric)
    clusters = searcher.collection.visual.index.clusters
    query, options = case[0][0], {"limit": limit, "explain": True, "with_vector": True}
    exact = nearest(searcher, query, exact=True, **options)
    assert exact.recall.expected == exact.recall.scanned_fraction == 1
    for nprobe in (clusters, clusters + 5, 10**9):
        assert nearest(searcher, query, nprobe=nprobe, **options) == exact


def test_copies_of_a_picture_go_by_id_whatever_embedded_them(fresh_library):
    """Their features differ in the last bits, as those of two engines do."""
    rng = np.random.default_rng(5)
    pictures = rng.normal(size=(60, 16)) * 3
    copies = np.repeat(pictures[:6], 4, axis=0)
    copies += (
        2e-6 / 4 * np.linalg.norm(copies, axis=1, keepdims=True) * rng.normal(size=copies.shape)
    )
    vectors = np.concatenate([pictures, copies]).astype(np.float32)
    ids = [f"{number:03}" for number in rng.permutation(len(vectors))]
    library = fresh_library()
    space = library.space(vectors, 3, Metric.COSINE)
    joint = library.space(vectors, 3, Metric.COSINE, name="joint", fingerprint="network-1")
    items = [Item(number, one, ["all"]) for number, one in enumerate(ids)]
    manifest = library.publish(items, visual=space, joint=joint)
    searcher = Searcher(
        Collection(manifest, SegmentCache(library.snapshots)), np.empty(0, np.int64), 0.95
    )
    copied = [{ids[n], *ids[60 + 4 * n : 64 + 4 * n]} for n in range(6)]
    for number in range(6):
        # Asked by something near a picture, so that none is the query itself.
        near = (pictures[number] + 0.3 * rng.normal(size=16)).astype(np.float32)
        for options in ({"rerank": "none"}, {"rerank": "none", "metric": "l2"}, {}):
            hits = [hit.id for hit in nearest(searcher, near, limit=84, exact=True, **options).hits]
            assert [hit for hit in hits if hit in copied[number]] == sorted(copied[number])
            paged = [
                hit.id
                for start in range(0, 84, 7)
                for hit in nearest(
                    searcher, near, limit=7, offset=start, exact=True, **options
                ).hits
            ]
            assert paged == hits
    found = searcher.tagged("all", SearchOptions(limit=84), Stopwatch())
    hits = [hit.id for hit in found.hits]
    for group in copied:
        assert [hit for hit in hits if hit in group] == sorted(group)
