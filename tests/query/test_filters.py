"""Filters over the JSON API: which images are hits, in every kind of search."""

import json

import pytest

from tests.query.answers import ids

SMALL = {"must": [{"key": "number", "gte": 40, "lt": 45}]}


def test_every_kind_of_search_takes_a_filter(filled):
    wanted = {f"img-{n:03d}" for n in range(40, 45)}
    vector = filled.app.state.visual[42].tolist()
    text = json.dumps(SMALL)
    for answer in (
        filled.search(id="img-042", filter=SMALL),
        filled.search(vector=vector, filter=SMALL),
        filled.search(term="all", filter=SMALL),
        filled.search(term="puppy", filter=SMALL),
        filled.upload(b"img-042", filter=text),
        filled.term("all", filter=text),
        filled.term("puppy", filter=text),
    ):
        assert set(ids(answer)) == wanted
        assert answer["complete"]
        assert answer["next"] is None
        assert answer["recall"]["expected"] == 1
    similar = filled.get("/v1/images/img-042/similar", filter=text)
    assert set(ids(similar)) == wanted - {"img-042"}
    assert similar["complete"]
    assert similar["next"] is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"must": [{"tagg": "dog"}]}, "`filter.must.0.tagg` is not a field of this request; did"),
        ({"musst": []}, "`filter.musst` is not a field of this request; did you mean `must`?"),
        ({"must": {"tag": "dog"}}, "`filter.must` must be a list"),
        ({"must": ["dog"]}, "`filter.must.0` must be a JSON object"),
        (
            {"must": [{}]},
            "`filter.must.0`: a condition is one of a `tag`, a `label`, a `key` and a filter",
        ),
        ({"must": [{"tag": "a", "key": "b", "match": 1}]}, "a condition is one of"),
        ({"must": [{"tag": "a", "match": 1}]}, "`filter.must.0`: `match` goes with a `key`"),
        ({"must": [{"key": "a"}]}, "a `key` takes one of `match`, `any`, bounds and `exists`"),
        ({"must": [{"key": "a", "match": 1, "exists": True}]}, "a `key` takes one of"),
        ({"must": [{"key": "a", "gt": 1, "gte": 1}]}, "one lower and one upper bound at most"),
        ({"must": [{"key": "a", "gt": 1, "lt": "5"}]}, "bounds are numbers or texts"),
        ({"must": [{"key": "a", "gt": True}]}, "`filter.must.0.gt` must be a number or text"),
        ({"must": [{"key": "a", "match": [1]}]}, "`filter.must.0.match` must be true or false or"),
        ({"must": [{"key": "a", "any": []}]}, "`filter.must.0.any` must not be empty"),
        ({"must": [{"tag": ""}]}, "`filter.must.0.tag` must not be empty"),
        ({"must": [{"tag": "a"}] * 257}, "`filter.must` must have at most 256 entries"),
        ({"must": [{"tag": "a"}] * 200, "should": [{"tag": "a"}] * 57}, "at most 256 conditions"),
    ],
)
def test_what_is_wrong_with_a_filter_is_said_in_a_sentence(filled, given, said):
    text = json.dumps(given)
    for response in (
        filled.send("POST", "/v1/search", json={"term": "all", "filter": given}),
        filled.send("GET", "/v1/search", params={"term": "all", "filter": text}),
    ):
        assert response.status_code == 422
        assert said in response.json()["detail"]


def nested(levels):
    return {"must": [nested(levels - 1)]} if levels > 1 else {"must": [{"tag": "Dog"}]}


def test_a_filter_has_at_most_eight_levels(filled):
    assert filled.search(term="all", filter=nested(8), limit=100)["hits"]
    for levels in (9, 30, 200):
        response = filled.send("POST", "/v1/search", json={"term": "all", "filter": nested(levels)})
        assert response.status_code == 422
        assert "levels" in response.json()["detail"]


@pytest.mark.parametrize("text", ["{", "dog", "[]", '{"must": [{"tag": "Dog"}'])
def test_a_filter_in_a_url_that_is_no_json_is_told_of_by_name(filled, text):
    response = filled.send("GET", "/v1/search", params={"term": "all", "filter": text})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("`filter` ")
