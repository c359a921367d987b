"""Searches by a term: the tags that images carry, and what has a meaning."""

import json

import numpy as np
import pytest

from shared.engines.ivf.index import InvertedIndex
from shared.snapshots.items import Item
from tests.query.answers import ids


@pytest.mark.parametrize(
    ("term", "number"),
    [
        ("Dog", 0),
        ("dOG", 0),
        (" dog\t", 0),
        ("STRASSE", 1),
        ("straße", 1),
        ("A_b", 2),
        ("a-B", 2),
        (" a  b_", 2),
        ("x/y?z&", 3),
        ("EMOJI 🐶", 4),
    ],
)
def test_a_tag_finds_all_who_carry_it_ignoring_case(filled, term, number):
    carriers = {f"img-{i:03d}" for i in range(number, 200, 5)}
    asked = list(filled.models.asked)
    for answer in (filled.term(term, limit=100), filled.search(term=term, limit=100)):
        assert answer["mode"] == "tag"
        assert answer["model"] == "network-1"
        assert set(ids(answer)) == carriers
        assert answer["complete"]
        assert answer["recall"]["scanned_fraction"] == 40 / 200
    assert filled.models.asked == asked, "the embedder was asked"


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_carriers_are_ranked_by_the_tags_own_joint_vector(filled, metric):
    joint = filled.app.state.joint.astype(np.float64)
    hits = filled.term("dog", limit=100, metric=metric)["hits"]
    for hit in hits:
        stored = joint[int(hit["id"][4:])]
        if metric == "l2":
            wanted = np.linalg.norm(stored - joint[0])
        else:
            wanted = 1 - stored @ joint[0] / np.linalg.norm(stored) / np.linalg.norm(joint[0])
        assert hit["distance"] == pytest.approx(wanted, abs=1e-9)
    order = [(hit["distance"], hit["id"]) for hit in hits]
    assert order == sorted(order)
    assert hits[0]["id"] == "img-000"


def test_a_tag_without_a_vector_is_ranked_by_the_mean_of_its_images(filled):
    joint = filled.app.state.joint[1::5].astype(np.float64)
    unit = joint / np.linalg.norm(joint, axis=1, keepdims=True)
    mean = unit.mean(axis=0)
    wanted = sorted(unit @ mean / np.linalg.norm(mean), reverse=True)
    hits = filled.term("straße", limit=100)["hits"]
    np.testing.assert_allclose([hit["score"] for hit in hits], wanted, atol=1e-6)


def test_a_term_that_no_image_carries_is_searched_by_meaning(filled):
    answer = filled.term("puppy", exact=True)
    assert (answer["mode"], answer["model"]) == ("semantic", "network-1")
    assert ids(answer)[0] == "img-007"
    assert answer["recall"]["nprobe"] == 4


def test_part_of_a_tag_is_not_the_tag(filled):
    for term in ("do", "do g", "a b c", "straßen bahn"):
        response = filled.send("GET", "/v1/search", params={"term": term})
        assert response.json()["type"] == "urn:ise:problem:unknown-term"


def test_an_unknown_term_is_422_with_what_the_embedder_suggests(filled):
    response = filled.send("GET", "/v1/search", params={"term": "qwxz"})
    assert response.status_code == 422
    assert response.json()["type"] == "urn:ise:problem:unknown-term"
    assert response.json()["suggestions"] == ["dog"]
    assert "`GET /v1/tags`" in response.json()["detail"]


@pytest.mark.parametrize(
    ("term", "close"),
    [("strase", ["straße", "dog"]), ("DOOG", ["Dog"]), ("emojii 🐶", ["emoji 🐶", "dog"])],
)
def test_an_unknown_term_is_422_that_names_tags_spelt_like_it(filled, term, close):
    asked = {"term": term, "exact_term": True}
    body = filled.send("GET", "/v1/search", params=asked).json()
    assert body["type"] == "urn:ise:problem:unknown-term"
    assert body["detail"] == (
        f"No image carries the tag {term!r}, and word2vec doesn't know it. "
        f"Did you mean {', '.join(close)}? `GET /v1/tags` lists the tags that images carry."
    )
    assert body["suggestions"] == close


def test_a_deleted_images_tag_is_not_suggested(library, serve):
    vectors = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    items = [Item(0, "a", ["castle"]), Item(1, "b", ["house"])]
    library.publish(items, visual=library.space(vectors))
    service = serve(library)
    asked = "/v1/search?term=castel&exact_term=true"
    assert service.send("GET", asked).json()["suggestions"] == ["castle"]
    library.tombstones.add([0])
    assert service.send("GET", asked).json()["suggestions"] == []


def test_before_any_training_a_tag_is_ranked_in_the_visual_space(library, serve):
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    items = [Item(i, f"i{i}", ["cat"] if i % 2 else []) for i in range(6)]
    library.publish(items, visual=library.space(vectors))
    service = serve(library)
    answer = service.term("Cat")
    assert (answer["mode"], answer["model"]) == ("tag", "model-1")
    assert set(ids(answer)) == {"i1", "i3", "i5"}
    response = service.send("GET", "/v1/search", params={"term": "dog"})
    assert (response.status_code, response.json()["type"]) == (422, "urn:ise:problem:unknown-term")
    assert "`ise build`" in response.json()["detail"]


def test_a_tag_whose_images_are_not_in_the_joint_space_still_answers(library, serve):
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    items = [Item(i, f"i{i}", ["late"] if i == 5 else []) for i in range(6)]
    joint = library.space(vectors[:5], name="joint", fingerprint="network-1")
    library.publish(items, visual=library.space(vectors), joint=joint)
    answer = serve(library).term("late")
    assert (ids(answer), answer["mode"], answer["model"]) == (["i5"], "tag", "model-1")


def test_tags_are_completed_by_prefix_the_most_frequent_first(filled):
    everything = filled.get("/v1/tags")["tags"]
    assert everything[0] == {"tag": "all", "count": 200}
    assert [tag["tag"] for tag in everything[1:]] == ["a_b", "Dog", "emoji 🐶", "straße", "x/y?z&"]
    for prefix, found in {
        "D": ["Dog"],
        " stras": ["straße"],
        "a": ["all", "a_b"],
        "zz": [],
    }.items():
        assert [t["tag"] for t in filled.get("/v1/tags", prefix=prefix)["tags"]] == found
    assert len(filled.get("/v1/tags", limit=2)["tags"]) == 2


def test_words_that_are_no_tags_share_the_mask_of_their_index(filled, monkeypatch):
    made = []
    mask = InvertedIndex.mask
    monkeypatch.setattr(InvertedIndex, "mask", lambda *given: made.append(given) or mask(*given))
    some = json.dumps({"must": [{"key": "number", "lt": 3}]})
    for _ in range(3):
        filled.term("puppy")
        filled.term("puppy", filter=some)
    assert len(made) <= 2
