"""Re-ranking by neighbours: what it brings forward, and what it must leave as it is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.ivf.rerank import CANDIDATES, averaged_distances
from shared.snapshots.items import Item

pytestmark = pytest.mark.floats

DIM = 16


def two_curves(count: int = 40) -> NDArray[np.float32]:
    """Two classes, each strung out along an arc of its own: the arcs' ends lie near each other."""
    along = np.linspace(0, 1.6, count)
    rng = np.random.default_rng(4)
    first = np.stack([np.cos(along), np.sin(along), 0 * along], axis=1)
    second = np.stack([np.cos(along), 0 * along, np.sin(along)], axis=1)
    points = np.zeros((2 * count, DIM))
    points[:, :3] = np.concatenate([first, second])
    return (points + rng.normal(scale=0.1, size=points.shape)).astype(np.float32)


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


@pytest.fixture
def served(library, serve):
    def make(vectors, sizes=(), fingerprint="model-1", clusters=1):
        told = [
            Item(n, f"{n:04d}", tags=["even" if n % 2 == 0 else "odd"]) for n in range(len(vectors))
        ]
        space = library.space(vectors, clusters, sizes=sizes, fingerprint=fingerprint)
        library.publish(told, visual=space)
        return serve(library)

    return make


@pytest.mark.parametrize("metric", list(Metric))
def test_what_is_near_to_the_querys_own_comes_forward(served, metric):
    vectors = two_curves()
    service = served(vectors)
    right = {"none": 0, "neighbours": 0}
    for query in range(4, 40, 3):
        for rerank in right:
            answer = service.search(id=f"{query:04d}", limit=30, rerank=rerank, metric=metric)
            right[rerank] += sum(int(found) < 40 for found in ids(answer))
    assert right["neighbours"] > right["none"]


def test_scores_and_distances_stay_those_of_the_stored_vectors(served):
    service = served(two_curves())
    plain = service.search(id="0012", limit=80, rerank="none")
    moved = service.search(id="0012", limit=80)
    assert ids(moved) != ids(plain)
    assert sorted(ids(moved)) == sorted(ids(plain))
    by_id = {hit["id"]: hit for hit in plain["hits"]}
    for hit in moved["hits"]:
        assert {**hit, "relevance": None} == {**by_id[hit["id"]], "relevance": None}
    assert moved["timings_ms"]["rerank"] > 0
    assert "rerank" not in plain["timings_ms"]
    assert moved["recall"] == plain["recall"]


@pytest.mark.parametrize("metric", list(Metric))
def test_relevance_orders_the_hits_and_is_the_score_where_nothing_was_reranked(served, metric):
    service = served(np.concatenate([two_curves(CANDIDATES), two_curves(20)]))
    plain = service.search(id="0012", limit=300, rerank="none", metric=metric)
    moved = service.search(id="0012", limit=300, metric=metric)
    scores, relevances = ([hit[name] for hit in moved["hits"]] for name in ("score", "relevance"))
    assert scores != sorted(scores, reverse=True)
    assert relevances == sorted(relevances, reverse=True)
    assert len(set(relevances[1:100])) > 90, "each of the re-ranked has a number of its own"
    for hit in plain["hits"]:
        assert hit["relevance"] == pytest.approx(hit["score"], abs=1e-5)


def test_relevance_is_one_order_over_pages(served):
    service = served(two_curves())
    whole = [hit["relevance"] for hit in service.search(id="0012", limit=40)["hits"]]
    paged = [
        hit["relevance"]
        for offset in (0, 10, 20, 30)
        for hit in service.search(id="0012", limit=10, offset=offset)["hits"]
    ]
    assert paged == pytest.approx(whole, abs=1e-5)


def test_an_image_and_its_duplicates_stay_first(served):
    vectors = two_curves()
    vectors[[50, 60]] = vectors[12]
    service = served(vectors)
    for asked in ({"id": "0050"}, {"vector": vectors[12].tolist()}):
        found = ids(service.search(**asked, limit=3))
        assert sorted(found) == ["0012", "0050", "0060"]
    assert ids(service.search(id="0050", limit=1)) == ["0050"]


def test_it_is_one_order_over_segments_and_clusters_pages_and_exact(served):
    vectors = np.random.default_rng(1).normal(size=(400, DIM)).astype(np.float32)
    asked = {"vector": vectors[7].tolist(), "exact": True}
    service = served(vectors, sizes=(300, 60), clusters=4)
    whole = ids(service.search(**asked, limit=400))
    assert ids(service.search(vector=asked["vector"], nprobe=4, limit=400)) == whole
    paged, cursor = [], None
    for limit in (1, 30, 118, 2, 49, 200):
        answer = service.search(**asked, limit=limit, cursor=cursor)
        by_offset = service.search(**asked, limit=limit, offset=len(paged))
        assert ids(by_offset) == ids(answer)
        paged, cursor = paged + ids(answer), answer["next"]
    assert paged == whole
    assert cursor is None
    plain = ids(service.search(**asked, limit=400, rerank="none"))
    assert sorted(whole[:CANDIDATES]) == sorted(plain[:CANDIDATES])
    assert whole[CANDIDATES:] == plain[CANDIDATES:]


def test_filters_deletions_and_cut_offs_hold(served, library):
    service = served(two_curves())
    library.tombstones.add([14, 16])
    wanted = {"filter": {"must": [{"tag": "even"}]}, "limit": 80}
    found = ids(service.search(id="0012", **wanted))
    assert sorted(found) == [f"{n:04d}" for n in range(0, 80, 2) if n not in (14, 16)]
    plain = service.search(id="0012", **wanted, rerank="none")
    threshold = plain["hits"][9]["score"]
    cut = service.search(id="0012", **wanted, score_threshold=threshold)
    assert sorted(ids(cut)) == sorted(ids(plain)[:10])
    assert ids(cut) == [one for one in found if one in set(ids(cut))]


def test_vectors_from_outside_are_ranked_by_distance_unless_asked(served):
    service = served(two_curves(), fingerprint="external:mine-16")
    asked = {"id": "0012", "limit": 80}
    plain = ids(service.search(**asked, rerank="none"))
    assert ids(service.search(**asked)) == plain
    assert ids(service.search(**asked, rerank="neighbours")) != plain


def test_equal_vectors_tie_by_id_and_nothing_divides_by_zero(served):
    service = served(np.tile(np.float32([1, 2, 3, 4]), (500, 4)))
    found = ids(service.search(vector=[1.0, 0.0] * 8, limit=500, exact=True))
    assert found == sorted(found)
    assert np.isfinite(averaged_distances(np.zeros((30, 4), np.float32), Metric.COSINE)).all()
