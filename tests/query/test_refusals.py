"""What can't be asked is refused with a reason, by every way."""

import base64
import json
import threading

import numpy as np
import pytest

from shared.snapshots.items import Item

JSON = {"Content-Type": "application/json"}

ONE_WAY = [
    {"nprobe": 1, "exact": True},
    {"nprobe": 1, "recall_target": 0.5},
    {"exact": True, "recall_target": 0.5},
]


BAD_OPTIONS = [
    *ONE_WAY,
    {"limit": 0},
    {"limit": 1001},
    {"offset": -1},
    {"offset": 100_001},
    {"nprobe": 0},
    {"recall_target": 0},
    {"recall_target": 1.1},
    {"recall_target": "nan"},
    {"metric": "L1"},
    {"score_threshold": "nan"},
    {"min_probability": 0},
    {"min_probability": 1.1},
    {"min_probability": "nan"},
    {"score_threshold": "inf"},
    {"exact": "perhaps"},
    {"unknown": 1},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=str)
def test_a_bad_option_is_422_by_every_way(filled, options):
    text = {k: str(v).lower() if isinstance(v, bool) else v for k, v in options.items()}
    responses = [
        filled.send("POST", "/v1/search", json={"id": "img-001", **options}),
        filled.send("GET", "/v1/search", params={"term": "dog", **text}),
        filled.send("GET", "/v1/images/img-001/similar", params=text),
        filled.send("POST", "/v1/search/image", files={"file": b"img-001"}, data=text),
    ]
    for response in responses:
        assert response.status_code == 422, response.request.url
        assert response.json()["type"] == "urn:ise:problem:invalid-input"


@pytest.mark.parametrize("slip", [{"limit": "5"}, {"limit": True}, {"exact": 0}, {"exact": "true"}])
def test_json_is_taken_at_its_word_while_a_form_and_a_url_have_texts_alone(filled, slip):
    text = {name: str(value).lower() for name, value in slip.items()}
    refused = filled.send("POST", "/v1/search", json={"id": "img-001", **slip})
    assert refused.status_code == 422
    taken = [
        filled.send("GET", "/v1/images/img-001/similar", params=text),
        filled.send("POST", "/v1/search/image", files={"file": b"img-001"}, data=text),
    ]
    expected = 422 if slip == {"limit": True} else 200
    assert [response.status_code for response in taken] == [expected, expected]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "a", "term": "b"},
        {"image": "aGk=", "vector": [1.0]},
        {"id": ""},
        {"term": " "},
        {"term": "x" * 201},
        {"vector": []},
        {"vector": ["x"]},
        {"vector": None},
        {"image": "not base64!"},
        [],
    ],
    ids=str,
)
def test_a_search_is_by_one_of_image_term_id_and_vector(filled, body):
    response = filled.send("POST", "/v1/search", json=body)
    assert response.status_code == 422


@pytest.mark.parametrize(
    "vector", ["[1]", "[" + "1," * 12 + "1]", "[NaN]", "[Infinity]", "[1e999]", "[1e300]", "[1e30]"]
)
def test_a_vector_that_can_not_be_compared_is_422(filled, vector):
    numbers = vector if vector.count(",") else vector[:-1] + ",0" * 11 + "]"
    if vector == "[1]":
        numbers = vector
    for body in (f'{{"vector": {numbers}}}', f'{{"parts": [{{"vector": {numbers}}}]}}'):
        response = filled.send("POST", "/v1/search", content=body, headers=JSON)
        assert response.status_code == 422
        assert "vector" in response.json()["detail"]
    searches = f'{{"searches": [{{"vector": {numbers}}}]}}'
    response = filled.send("POST", "/v1/search/batch", content=searches, headers=JSON)
    told = response.json()
    if response.status_code == 200:
        (answer,) = told["answers"]
        assert (answer["answer"], answer["problem"]["status"]) == (None, 422)
    else:
        assert response.status_code == 422
    json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    "body", [rb'{"id": "\ud800"}', rb'{"term": "\ud800"}', rb'{"vector": [1' + b"0" * 400 + b"]}"]
)
def test_text_that_is_no_unicode_and_numbers_beyond_measure_are_422(filled, body):
    assert filled.send("POST", "/v1/search", content=body, headers=JSON).status_code == 422


def test_fields_that_are_not_known_are_refused_everywhere(filled):
    for path in ("/v1/tags", "/v1/search?term=dog", "/v1/images/img-001/similar"):
        assert filled.send("GET", path, params={"term": "dog", "filter": "x"}).status_code == 422


def test_a_bad_picture_is_422_with_the_reason(filled):
    for response in (
        filled.send("POST", "/v1/search/image", files={"file": b"no picture"}),
        filled.send("POST", "/v1/search", json={"image": base64.b64encode(b"no").decode()}),
    ):
        assert response.status_code == 422
        assert response.json()["type"] == "urn:ise:problem:bad-image"
        assert response.json()["detail"] == "It is no picture."
    assert filled.send("POST", "/v1/search/image").status_code == 422


def test_a_picture_over_the_limit_is_413_by_upload_and_in_json(filled, serve):
    service = serve(filled.library, filled.models, max_image_bytes=7)
    assert service.upload(b"img-001")["hits"]
    long = b"img-0010"
    for response in (
        service.send("POST", "/v1/search/image", files={"file": long}),
        service.send("POST", "/v1/search", json={"image": base64.b64encode(long).decode()}),
    ):
        assert (response.status_code, response.json()["type"]) == (413, "urn:ise:problem:too-large")


def test_numbers_that_json_lacks_do_not_leak_out_of_metadata(library, serve):
    item = Item(0, "a", [], [], {"width": float("nan"), "ratio": float("inf"), "none": None})
    library.publish([item], visual=library.space(np.ones((1, 4), np.float32)))
    service = serve(library)
    assert service.get("/v1/images/a")["metadata"]["none"] is None
    assert service.search(id="a")["hits"][0]["id"] == "a"


def test_the_key_is_asked_for_but_not_by_the_page(filled, serve):
    service = serve(filled.library, api_key="k")
    assert service.send("GET", "/").status_code == 200
    assert service.send("GET", "/v1/stats").status_code == 401
    headers = {"Authorization": "Bearer k"}
    assert service.send("GET", "/v1/stats", headers=headers).json()["images"] == 200


def test_only_short_searches_keep_the_loop_busy(library, serve, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    told = [Item(i, f"i{i}", ["t"]) for i in range(60)]
    library.publish(told, visual=library.space(vectors, 4))
    service = serve(library)
    asking = service.app.state.asking
    plain, threads = asking._answer_now, []

    def answer_now(*given):
        threads.append(threading.current_thread() is threading.main_thread())
        return plain(*given)

    monkeypatch.setattr(asking, "_answer_now", answer_now)

    def in_the_loop(**body):
        threads.clear()
        assert service.search(**body)["hits"]
        assert len(set(threads)) == 1
        return threads[0]

    # To open a snapshot takes long.
    assert not in_the_loop(id="i3")
    assert in_the_loop(id="i3")
    assert in_the_loop(vector=[1.0, 2, 3, 4])
    thorough = [
        {"exact": True},
        {"nprobe": 4},
        {"recall_target": 1},
        {"limit": 101},
        {"sort": "name"},
        {"filter": {"must": [{"tag": "t"}]}},
    ]
    for options in thorough:
        assert not in_the_loop(id="i3", **options)
    threads.clear()
    body = {"searches": [{"id": "i3"}, {"vector": [1.0, 2, 3, 4]}]}
    assert service.send("POST", "/v1/search/batch", json=body).status_code == 200
    assert not any(threads)
    library.publish(told, visual=library.space(vectors, 4))
    assert not in_the_loop(id="i3")
    # Many vectors that have no codes are compared one by one.
    monkeypatch.setattr("services.query.search.space._SCANNED", 60 * 4 - 1)
    assert not in_the_loop(id="i3")


@pytest.mark.parametrize("number", ["0", "-0.0", "1e-30", "1e-46", "1e-310"])
def test_a_vector_without_direction_is_422_where_angles_count(filled, number):
    vector = f"[{','.join([number] * 12)}]"
    one = f'{{"vector": {vector}}}'
    for body in (
        one,
        f'{{"vector": {vector}, "metric": "cosine"}}',
        f'{{"parts": [{one}]}}',
        f'{{"parts": [{one}, {{"id": "img-001"}}]}}',
    ):
        response = filled.send("POST", "/v1/search", content=body, headers=JSON)
        assert response.status_code == 422
        assert "has no direction" in response.json()["detail"]
    searches = f'{{"searches": [{one}, {{"id": "img-001"}}]}}'
    found = filled.send("POST", "/v1/search/batch", content=searches, headers=JSON).json()
    assert [answer["problem"] is None for answer in found["answers"]] == [False, True]
    assert found["answers"][0]["problem"]["status"] == 422


def test_a_zero_vector_is_answered_where_distances_count(filled):
    found = filled.search(vector=[0.0] * 12, metric="l2", limit=3, exact=True)
    assert [hit["distance"] for hit in found["hits"]] == sorted(
        hit["distance"] for hit in found["hits"]
    )


def test_a_hundred_thousand_unknown_fields_are_told_of_as_one(filled):
    body = json.dumps({f"k{n}": n for n in range(100_000)} | {"id": "img-001"})
    response = filled.send("POST", "/v1/search", content=body, headers=JSON)
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 1
    assert "100,000 errors" in response.json()["detail"]
    assert len(response.content) < 10_000
