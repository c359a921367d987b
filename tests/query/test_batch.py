"""Many searches in one call: each is answered as if it came alone."""

import base64
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clients.failures import raise_for_problem
from shared.core.errors import NotFound
from shared.evaluation import measure
from shared.snapshots.items import Item
from tests.query import every_way


def encoded(data):
    return base64.b64encode(data).decode()


def without_times(answer):
    return {key: value for key, value in answer.items() if key != "timings_ms"}


def batch(service, *searches):
    response = service.send("POST", "/v1/search/batch", json={"searches": searches})
    assert response.status_code == 200, response.text
    return response.json()["answers"]


def test_each_is_answered_as_alone_in_their_order(filled):
    searches = [
        {"id": "img-003", "limit": 3},
        {"term": "Dog", "offset": 2},
        {"image": encoded(b"img-009"), "nprobe": 2},
        {"term": "puppy", "metric": "l2"},
        {"vector": filled.app.state.visual[5].tolist(), "explain": True},
        {"parts": [{"image": encoded(b"img-009")}, {"term": "puppy", "weight": -1}]},
    ]
    answers = batch(filled, *searches)
    assert len(answers) == len(searches)
    for search, found in zip(searches, answers, strict=True):
        assert found["problem"] is None
        assert without_times(found["answer"]) == without_times(filled.search(**search))


def options():
    """Options of searches; some don't go with some subjects, and are refused."""
    return st.fixed_dictionaries(
        {"limit": st.sampled_from([1, 3, 25])},
        optional={
            "offset": st.sampled_from([0, 2, 70]),
            "metric": st.sampled_from(["cosine", "l2"]),
            "exact": st.booleans(),
            "nprobe": st.sampled_from([1, 3]),
            "rerank": st.sampled_from(["none", "neighbours"]),
            "filter": st.sampled_from([every_way.FOLDER, every_way.MAP]),
            "sort": st.sampled_from(["name", "-added"]),
            "score_threshold": st.sampled_from([-0.5, 0.2]),
            "min_probability": st.sampled_from([0.3, 0.6]),
            "guarantee": st.just(0.9),
            "exact_term": st.booleans(),
            "explain": st.booleans(),
            "group_duplicates": st.booleans(),
            "facets": st.just(3),
            "with_vector": st.booleans(),
        },
    )


def searches():
    ways = st.sampled_from([*every_way.WAYS.values(), {"id": "none"}, {"term": "qwxz"}])
    return st.lists(st.builds(lambda way, more: more | way, ways, options()), min_size=1)


@settings(max_examples=15)
@given(searches())
def test_whatever_is_searched_for_a_batch_answers_as_each_alone(rich, asked):
    """What is no search is refused before any is answered; so those go alone."""
    alone = [rich.send("POST", "/v1/search", json=search) for search in asked]
    good = [
        (search, told)
        for search, told in zip(asked, alone, strict=True)
        if told.status_code != 422 or told.json()["type"] != "urn:ise:problem:invalid-input"
    ]
    if not good:
        return
    unplaced = {"instance": None, "request_id": None}
    for (_, told), found in zip(good, batch(rich, *(one for one, _ in good)), strict=True):
        if told.status_code == 200:
            assert found["problem"] is None
            assert without_times(found["answer"]) == without_times(told.json())
        else:
            assert found["answer"] is None
            assert found["problem"] | unplaced == told.json() | unplaced


def test_one_that_fails_is_told_in_its_place(filled):
    good = {"image": encoded(b"img-009"), "limit": 2}
    bad = [{"id": "none"}, {"image": encoded(b"no picture")}, {"term": "qwxz"}]
    answers = batch(filled, good, *bad, good)
    for found in (answers[0], answers[-1]):
        assert found["answer"]["hits"][0]["id"] == "img-009"
    for search, found in zip(bad, answers[1:-1], strict=True):
        alone = filled.send("POST", "/v1/search", json=search).json()
        unplaced = {"instance": None, "request_id": None}
        assert found["problem"] | unplaced == alone | unplaced
        assert found["answer"] is None


def test_pictures_of_all_searches_go_to_the_embedder_in_one_call(filled):
    asked = len(filled.models.asked)
    answers = batch(filled, *({"image": encoded(f"img-{i:03d}".encode())} for i in range(40)))
    assert all(found["answer"]["hits"] for found in answers)
    assert filled.models.asked[asked:] == ["images"]
    batch(filled, *[{"image": encoded(b"img-001"), "limit": n} for n in range(1, 9)])
    assert filled.models.asked[asked + 1 :] == ["images"]


def test_terms_that_no_image_carries_go_to_the_embedder_in_one_call(filled, monkeypatch):
    for near in ("whelp", "doggy"):
        monkeypatch.setitem(filled.models.terms, near, filled.models.terms["puppy"])
    asked = len(filled.models.asked)
    terms = ["puppy", "whelp", "doggy"]
    answers = batch(filled, *({"term": term, "exact_term": True} for term in terms))
    assert [found["answer"]["mode"] for found in answers] == ["semantic"] * 3
    assert filled.models.asked[asked:] == ["terms"]


def test_without_the_embedder_the_others_are_answered(filled, serve):
    service = serve(filled.library)
    service.models.loading = True
    first, second = batch(service, {"image": encoded(b"img-001")}, {"id": "img-001"})
    assert first["problem"]["status"] == 503
    assert second["answer"]["hits"][0]["id"] == "img-001"


def test_more_than_the_setting_allows_are_413(filled, serve):
    service = serve(filled.library, max_searches=2)
    searches = [{"id": "img-001"}] * 3
    response = service.send("POST", "/v1/search/batch", json={"searches": searches})
    assert (response.status_code, response.json()["type"]) == (413, "urn:ise:problem:too-large")
    assert "ISE_MAX_SEARCHES" in response.json()["detail"]


def test_what_is_no_search_is_422_for_the_whole(filled):
    for searches in ([], [{"id": "img-001"}, {"colour": "red"}]):
        response = filled.send("POST", "/v1/search/batch", json={"searches": searches})
        assert response.status_code == 422


def test_a_damaged_record_fails_only_the_searches_that_show_it(fresh_library, serve):
    library = fresh_library()
    vectors = np.eye(6, dtype=np.float32)
    items = [Item(i, f"img-{i}", [], [f"{i}.jpg"], {"mark": f"mark-{i}"}) for i in range(6)]
    library.publish(items, visual=library.space(vectors, 1))
    service = serve(library)
    assert service.search(id="img-0")["hits"]
    for file in (library.folder / "segments").iterdir():
        data = file.read_bytes()
        with file.open("r+b") as damaged:
            for found in re.finditer(b'"img-5"', data):
                damaged.seek(found.start())
                damaged.write(b"x")
    near = [{"vector": vectors[i].tolist(), "limit": 1} for i in (0, 5, 1)]
    first, bad, last = batch(service, *near)
    assert bad["problem"]["status"] == 500
    assert [one["answer"]["hits"][0]["id"] for one in (first, last)] == ["img-0", "img-1"]


class OverASGI:
    """A client of a service in this process."""

    def __init__(self, service):
        self.service = service
        self.calls = 0

    def send(self, call):
        self.calls += 1
        response = self.service.send(call.method, call.path, json=call.json)
        raise_for_problem(response)
        return call.read(response)


def test_an_evaluation_asks_many_searches_a_call_and_fewer_of_a_service_that_takes_fewer(
    filled, serve
):
    asked = [{"id": f"img-{number:03d}", "limit": 4, "nprobe": 2} for number in range(12)]
    alone = [without_times(filled.search(**one)) for one in asked]
    client = OverASGI(filled)
    told = measure.asked_together(client, asked)
    assert [without_times(answer.model_dump(mode="json")) for answer in told] == alone
    assert client.calls == 1
    fewer = OverASGI(serve(filled.library, max_searches=4))
    told = measure.asked_together(fewer, asked)
    assert [[hit.id for hit in answer.hits] for answer in told] == [
        [hit["id"] for hit in answer["hits"]] for answer in alone
    ]
    assert fewer.calls > 3


def test_an_evaluation_raises_what_one_of_its_searches_is_refused_for(filled):
    asked = [{"id": "img-001", "limit": 2}, {"id": "none", "limit": 2}]
    with pytest.raises(NotFound, match="none"):
        measure.asked_together(OverASGI(filled), asked)


def test_similar_images_are_answered_with_304_until_the_collection_changes(library, serve):
    vectors = np.eye(6, dtype=np.float32)
    items = [Item(i, f"img-{i}", [], [f"{i}.jpg"], {}) for i in range(6)]
    space = library.space(vectors, 1)
    library.publish(items, visual=space)
    service = serve(library)
    path = "/v1/images/img-0/similar"
    etag = service.send("GET", path).headers["etag"]
    known = {"If-None-Match": etag}
    assert service.send("GET", path, headers=known).status_code == 304
    assert service.send("GET", path + "?limit=2", headers=known).status_code == 200
    library.publish(items, visual=space)
    changed = service.send("GET", path, headers=known)
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
