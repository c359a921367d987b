"""Pages by cursor, while the collection changes between them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.query import Metric
from shared.snapshots.items import Item
from tests.query.answers import ids
from tests.query.conftest import Models

pytestmark = pytest.mark.floats

DIM = 6


def item(number, tags=("all",)):
    # Ids in another order than ordinals, so that ties show which of both decides.
    return Item(number, f"{(number * 7919) % 1000:03d}-{number}", list(tags))


class Growing:
    """A collection that additions, deletions and retags come to, served all the time."""

    def __init__(self, library, serve, rng, count, duplicates=False):
        self.library, self.rng, self.first = library, rng, count
        self.vectors = rng.normal(size=(count, DIM)).astype(np.float32)
        if duplicates:
            self.vectors = self.vectors[rng.integers(0, max(1, count // 3), count)]
        self.items = [library.segments.items([item(n) for n in range(count)])]
        self.sizes = [count]
        self.publish()
        self.service = serve(library)

    def publish(self):
        clusters = min(8, self.first)
        space = self.library.space(self.vectors, clusters, sizes=self.sizes)
        self.library.publish(visual=space, items=self.items, images=len(self.vectors))

    def add(self, count, near):
        """Additions, half of them nearer to a vector than anything else."""
        new = self.rng.normal(size=(count, DIM))
        new[::2] = near + 1e-3 * new[::2]
        told = [item(n) for n in range(len(self.vectors), len(self.vectors) + count)]
        self.items.append(self.library.segments.items(told))
        self.vectors = np.concatenate([self.vectors, new.astype(np.float32)])
        self.sizes.append(count)
        self.publish()

    def retag(self, number, tags):
        self.items.append(self.library.segments.items([item(number, tags)]))
        self.publish()

    def delete(self, numbers):
        self.library.tombstones.add(numbers)


def number_of(hit):
    return int(hit["id"].split("-")[1])


def query_of(kind, near):
    return {
        "vector": {"vector": near.tolist()},
        "id": {"id": item(0).id},
        "term": {"term": "all"},
        "filter": {"vector": near.tolist(), "filter": {"should": [{"tag": "all"}]}},
    }[kind]


@settings(max_examples=8)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["vector", "id", "term", "filter"]),
    st.booleans(),
    st.booleans(),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["add", "delete", "both", "none"]))),
)
def test_pages_share_nothing_and_skip_nothing_whatever_comes_between(
    fresh_library, serve, seed, kind, exact, duplicates, steps
):
    rng = np.random.default_rng(seed)
    collection = Growing(fresh_library(), serve, rng, 40, duplicates)
    asked = query_of(kind, near := rng.normal(size=DIM))
    # What comes and goes moves what it is near to, so of the order only `none` can be held to.
    asked |= {"rerank": "none"}
    how = {"exact": True} if exact else {"recall_target": 0.3}
    whole = collection.service.search(**asked, exact=True, limit=1000)["hits"]
    seen, deleted, cursor = [], set(), None
    for limit, change in [*steps, *[(9, "none")] * 6]:
        answer = collection.service.search(**asked, **how, limit=limit, cursor=cursor)
        assert answer["offset"] == len(seen)
        seen += answer["hits"]
        cursor = answer["next"]
        if cursor is None:
            break
        if change in ("add", "both"):
            collection.add(int(rng.integers(1, 30)), near)
        if change in ("delete", "both"):
            # Of an id that is asked for, not itself.
            gone = set(map(int, rng.choice(np.arange(1, 40), 3, replace=False))) - deleted
            collection.delete(sorted(gone))
            deleted |= gone
    assert cursor is None
    shown = [number_of(hit) for hit in seen]
    assert len(set(shown)) == len(shown)
    # Of what was there at the first page, all that is left is shown; of what came later, nothing.
    assert set(shown) <= {number_of(hit) for hit in whole}
    assert set(shown) >= {number_of(hit) for hit in whole} - deleted
    # Without a network a tag's vector is the mean of its images: deletions move it.
    if exact and kind != "term":
        order = [hit["id"] for hit in whole]
        assert ids({"hits": seen}) == [one for one in order if one in set(ids({"hits": seen}))]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vector", "id", "term", "filter"])
def test_pages_hold_while_1000_images_are_added_and_snapshots_come_and_go(library, serve, kind):
    rng = np.random.default_rng(1)
    collection = Growing(library, serve, rng, 300)
    asked = query_of(kind, near := rng.normal(size=DIM))
    whole = collection.service.search(**asked, limit=20)
    first = collection.service.search(**asked, limit=10)
    for _ in range(20):
        collection.add(50, near)
    second = collection.service.search(**asked, limit=10, cursor=first["next"])
    assert second["snapshot"] == first["snapshot"] + 20
    assert {*ids(first), *ids(second)} == {*ids(whole)}
    assert not {*ids(first)} & {*ids(second)}
    # What was added is nearer than all of this: it's there for whoever begins anew.
    if "vector" in asked:
        assert number_of(collection.service.search(**asked, limit=2)["hits"][1]) >= 300


def test_a_rebuild_between_pages_loses_nothing(library, serve):
    rng = np.random.default_rng(2)
    collection = Growing(library, serve, rng, 60)
    asked = query_of("vector", near := rng.normal(size=DIM))
    whole = collection.service.search(**asked, exact=True, limit=60)
    first = collection.service.search(**asked, recall_target=0.5, limit=7)
    collection.add(40, near)
    collection.sizes, collection.first = [100], 100
    collection.publish()
    rest = collection.service.search(**asked, exact=True, limit=60, cursor=first["next"])
    assert rest["next"] is None
    assert sorted(ids(first) + ids(rest)) == sorted(ids(whole))


def test_an_image_that_is_retagged_between_pages_follows_the_filter(library, serve):
    collection = Growing(library, serve, np.random.default_rng(3), 30)
    asked = {**query_of("vector", np.ones(DIM)), "filter": {"must": [{"tag": "all"}]}}
    asked |= {"rerank": "none"}
    whole = ids(collection.service.search(**asked, limit=30))
    first = collection.service.search(**asked, limit=10)
    shown, coming = (int(whole[place].split("-")[1]) for place in (0, 15))
    collection.retag(shown, ["other"])
    collection.retag(coming, ["other"])
    second = collection.service.search(**asked, limit=30, cursor=first["next"])
    assert ids(second) == [one for one in whole[10:] if one != whole[15]]


def test_limits_and_how_hard_to_look_may_change_between_pages(filled):
    whole = filled.search(id="img-003", exact=True, limit=200)
    first = filled.search(id="img-003", exact=True, limit=3)
    second = filled.search(id="img-003", nprobe=8, limit=5, cursor=first["next"], explain=True)
    third = filled.search(id="img-003", limit=192, exact=True, cursor=second["next"])
    assert ids(first) + ids(second) + ids(third) == ids(whole)
    assert (second["offset"], third["offset"], third["next"]) == (3, 8, None)


@pytest.mark.parametrize("how", [{"exact": True}, {"recall_target": 0.5}])
def test_a_long_way_shares_nothing_and_its_cursor_stays_short(library, serve, how):
    collection = Growing(library, serve, np.random.default_rng(4), 1400)
    asked, seen, cursor = query_of("vector", np.ones(DIM)), [], None
    for _ in range(5):
        answer = collection.service.search(**asked, **how, limit=240, cursor=cursor)
        seen += ids(answer)
        cursor = answer["next"]
        assert len(cursor) < 6000
    assert len(set(seen)) == len(seen) == 1200
    if "exact" in how:
        whole = collection.service.search(**asked, **how, limit=200, offset=1000)
        assert ids(whole) == seen[1000:]


@pytest.mark.parametrize(
    ("cursor", "said"),
    [
        ("x", "`cursor` is not the `next` of an answer."),
        ("é", "`cursor` is not the `next` of an answer."),
        ("eJwDAAAAAAE=", "`cursor` is not the `next` of an answer."),
    ],
)
def test_what_is_no_cursor_is_refused(filled, cursor, said):
    response = filled.send("POST", "/v1/search", json={"id": "img-003", "cursor": cursor})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(said)


@pytest.mark.parametrize(
    "other",
    [
        {"id": "img-004"},
        {"term": "all"},
        {"id": "img-003", "metric": "l2"},
        {"id": "img-003", "score_threshold": 0.1},
        {"id": "img-003", "filter": {"must": [{"tag": "all"}]}},
    ],
)
def test_a_cursor_of_another_search_is_refused(filled, other):
    cursor = filled.search(id="img-003", limit=3)["next"]
    response = filled.send("POST", "/v1/search", json={**other, "cursor": cursor})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("`cursor` belongs to another search.")


def test_a_cursor_and_an_offset_are_not_given_both(filled):
    cursor = filled.search(id="img-003", limit=3)["next"]
    body = {"id": "img-003", "cursor": cursor, "offset": 3}
    response = filled.send("POST", "/v1/search", json=body)
    assert response.status_code == 422
    assert "either cursor or offset" in response.json()["detail"]


def refusal_of_the_rest(service, asked, cursor):
    """Why the last page, which ends the list, is refused."""
    body = {**asked, "limit": 50, "cursor": cursor}
    response = service.send("POST", "/v1/search", json=body)
    assert response.status_code == 422, response.text
    return response.json()["detail"]


def test_a_last_page_by_another_metric_says_so(library, serve):
    vectors = np.random.default_rng(6).normal(size=(20, DIM)).astype(np.float32)
    told = [item(n) for n in range(20)]
    library.publish(told, visual=library.space(vectors))
    service, asked = serve(library), {"id": item(0).id}
    first = service.search(**asked, limit=5)
    library.publish(told, visual=library.space(vectors, metric=Metric.L2))
    detail = refusal_of_the_rest(service, asked, first["next"])
    assert "cosine" in detail
    assert "l2" in detail


def test_a_last_page_of_what_became_a_tag_says_so(library, serve):
    vectors = np.random.default_rng(6).normal(size=(20, DIM)).astype(np.float32)
    spaces = {
        "visual": library.space(vectors),
        "joint": library.space(vectors, name="joint", fingerprint="network-1"),
        "matching_fingerprint": "model-1",
    }
    library.publish([item(n) for n in range(20)], **spaces)
    service, asked = serve(library, Models(terms={"puppy": vectors[3]})), {"term": "puppy"}
    first = service.search(**asked, limit=5)
    assert first["mode"] == "semantic"
    library.publish([item(n, ["puppy"] if n < 3 else ["all"]) for n in range(20)], **spaces)
    assert "mode tag" in refusal_of_the_rest(service, asked, first["next"])


def test_a_last_page_of_a_term_that_is_read_otherwise_says_so(library, serve):
    vectors = np.random.default_rng(6).normal(size=(20, DIM)).astype(np.float32)
    space = library.space(vectors)
    library.publish([item(n, ["cat"]) for n in range(20)], visual=space)
    service, asked = serve(library), {"term": "cats"}
    first = service.search(**asked, limit=5)
    assert first["searched_as"] == "cat"
    library.publish([item(n, ["cat", "cats"][n % 2 :]) for n in range(20)], visual=space)
    assert "read the term otherwise" in refusal_of_the_rest(service, asked, first["next"])


def test_a_page_after_everything_was_deleted_is_empty(library, serve):
    vectors = np.random.default_rng(6).normal(size=(8, DIM)).astype(np.float32)
    library.publish([item(n) for n in range(8)], visual=library.space(vectors))
    service, asked = serve(library), {"vector": vectors[0].tolist()}
    first = service.search(**asked, limit=5)
    library.tombstones.add(list(range(8)))
    assert service.search(**asked, limit=5, cursor=first["next"])["hits"] == []
