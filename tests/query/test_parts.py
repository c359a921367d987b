"""Searches of several parts: what each contributes, what is excluded, in which space."""

import base64

import numpy as np
import pytest

from shared.contracts.crop import Crop
from shared.contracts.query import Metric
from shared.snapshots.items import Item


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


def unit(vectors):
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def encoded(data):
    return base64.b64encode(data).decode()


def test_hits_are_those_nearest_to_the_weighted_sum_of_directions(filled):
    visual = unit(filled.app.state.visual)
    parts = [
        {"id": "img-004"},
        {"image": encoded(b"img-009"), "weight": 2},
        {"vector": filled.app.state.visual[17].tolist(), "weight": 0.5},
    ]
    answer = filled.search(parts=parts, exact=True, limit=200)
    query = unit(visual[4] + 2 * visual[9] + 0.5 * visual[17])
    wanted = visual @ query
    assert (answer["mode"], answer["metric"], answer["model"]) == ("image", "cosine", "model-1")
    assert len(answer["hits"]) == 200
    assert ids(answer)[:20] == [f"img-{i:03d}" for i in np.argsort(-wanted)[:20]]
    for hit in answer["hits"]:
        number = int(hit["id"][4:])
        assert hit["score"] == pytest.approx(wanted[number], abs=1e-6)
        assert sum(hit["contributions"]) == pytest.approx(hit["score"], abs=1e-6)
        assert len(hit["contributions"]) == 3
        assert hit["probability"] is None


def test_a_part_contributes_its_weighted_cosine(filled):
    visual = unit(filled.app.state.visual)
    length = np.linalg.norm(visual[4] - 0.5 * visual[9])
    parts = [{"id": "img-004"}, {"id": "img-009", "weight": -0.5}]
    for hit in filled.search(parts=parts, exact=True, limit=50)["hits"]:
        number = int(hit["id"][4:])
        wanted = [visual[number] @ visual[4] / length, -0.5 * visual[number] @ visual[9] / length]
        assert hit["contributions"] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("away", [{"id": "img-009"}, {"image": encoded(b"img-009")}])
def test_what_is_excluded_is_no_hit_and_its_neighbours_sink(library, serve, away):
    rng = np.random.default_rng(0)
    middles = unit(rng.normal(size=(2, 16)))
    # Two classes that lie near to each other.
    middles[1] = unit(middles[0] + 0.6 * middles[1])
    rows = np.repeat(middles, 10, axis=0) + rng.normal(size=(20, 16)) * 0.08
    items = [Item(i, f"i{i}") for i in range(20)]
    library.publish(items, visual=library.space(rows.astype(np.float32), 2))
    service = serve(library)
    alone = service.search(id="i0", limit=15, exact=True)
    assert any(int(i[1:]) >= 10 for i in ids(alone))
    parts = [{"id": "i0"}, {"id": "i15", "weight": -1}]
    without = service.search(parts=parts, limit=19, exact=True)
    assert "i15" not in ids(without)
    assert len(ids(without)) == 19
    assert {int(i[1:]) for i in ids(without)[:10]} == set(range(10))


def test_an_excluded_upload_of_an_indexed_picture_is_no_hit(library, serve):
    from shared.media.identity import content_id

    files = [f"file {i}".encode() for i in range(6)]
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    library.publish(
        [Item(i, content_id(data)) for i, data in enumerate(files)], visual=library.space(vectors)
    )
    service = serve(library)
    service.models.images = dict(zip(files, vectors, strict=True))
    parts = [{"image": encoded(files[0])}, {"image": encoded(files[1]), "weight": -0.1}]
    answer = service.search(parts=parts, exact=True)
    assert set(ids(answer)) == {content_id(data) for data in files} - {content_id(files[1])}


def test_a_picture_and_a_term_meet_in_the_joint_space(filled):
    joint = unit(filled.app.state.joint)
    parts = [{"image": encoded(b"img-009")}, {"term": "puppy", "weight": 0.7}]
    answer = filled.search(parts=parts, exact=True)
    wanted = joint @ unit(joint[9] + 0.7 * joint[7])
    assert (answer["mode"], answer["model"]) == ("mixed", "network-1")
    assert ids(answer) == [f"img-{i:03d}" for i in np.argsort(-wanted)[:10]]
    by_id = filled.search(parts=[{"id": "img-009"}, parts[1]], exact=True)
    assert ids(by_id) == ids(answer)


def test_terms_alone_are_weighed_by_meaning_also_where_images_carry_them(filled):
    joint = unit(filled.app.state.joint)
    answer = filled.search(parts=[{"term": "Dog"}, {"term": "puppy", "weight": 2}], exact=True)
    wanted = joint @ unit(joint[0] + 2 * joint[7])
    assert answer["mode"] == "semantic"
    assert ids(answer) == [f"img-{i:03d}" for i in np.argsort(-wanted)[:10]]


def test_images_that_carry_an_excluded_term_are_no_hits(filled):
    parts = [{"id": "img-004"}, {"term": "DOG", "weight": -0.01}]
    answer = filled.search(parts=parts, exact=True, limit=200)
    assert {int(i[4:]) % 5 for i in ids(answer)} == {1, 2, 3, 4}
    assert (len(ids(answer)), answer["complete"]) == (160, True)
    kept = filled.search(
        parts=parts, limit=200, filter={"must_not": [{"key": "number", "gte": 100}]}
    )
    assert set(ids(kept)) == {i for i in ids(answer) if int(i[4:]) < 100}


def test_what_is_excluded_is_no_hit_of_a_sorted_search_either(filled):
    parts = [{"id": "img-004"}, {"term": "DOG", "weight": -0.01}]
    sorted_ids = ids(filled.search(parts=parts, sort="name", limit=1000))
    assert {int(i[4:]) % 5 for i in sorted_ids} == {1, 2, 3, 4}


def test_a_sorted_search_by_parts_is_by_cosine_as_any_by_parts_is(library, serve):
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    told = [Item(i, f"i{i}") for i in range(20)]
    library.publish(told, visual=library.space(rows, metric=Metric.L2))
    parts = [{"id": "i0"}, {"id": "i1"}]
    assert serve(library).search(parts=parts, sort="name", limit=5)["metric"] == "cosine"


def test_one_part_is_asked_as_if_it_came_alone(filled):
    for part in ({"id": "img-003"}, {"term": "Dog"}, {"term": "puppy"}):
        alone, as_part = filled.search(**part), filled.search(parts=[part])
        assert as_part["mode"] == alone["mode"]
        assert ids(as_part) == ids(alone)
        assert all(hit["contributions"] == [hit["score"]] for hit in as_part["hits"])


def test_a_crop_is_embedded_as_such(filled):
    crop = {"x": 0.25, "y": 0, "width": 0.5, "height": 1}
    box = Crop(**crop).text().encode()
    filled.models.images[b"img-009" + box] = filled.app.state.visual[30]
    answer = filled.search(parts=[{"image": encoded(b"img-009"), "crop": crop}], exact=True)
    assert ids(answer)[0] == "img-030"
    assert answer["hits"][0]["contributions"] == pytest.approx([1], abs=1e-6)


def test_a_crop_of_an_indexed_image_is_embedded_from_its_file(filled):
    crop = {"x": 0, "y": 0.5, "width": 1, "height": 0.5}
    box = Crop(**crop).text().encode()
    # What the indexer of these tests gives for the file of img-001.
    file = b"file-bytes"
    filled.models.images[file + box] = filled.app.state.visual[40]
    filled.models.joint[file + box] = filled.app.state.joint[41]
    answer = filled.search(parts=[{"id": "img-001", "crop": crop}], exact=True)
    assert ids(answer)[0] == "img-040"
    beside_a_word = [{"id": "img-001", "crop": crop}, {"term": "puppy", "weight": 0.001}]
    assert ids(filled.search(parts=beside_a_word, exact=True))[0] == "img-041"
    batch = {"searches": [{"parts": [{"id": "img-001", "crop": crop}]}, {"id": "img-001"}]}
    told = filled.send("POST", "/v1/search/batch", json=batch).json()["answers"]
    assert [ids(one["answer"])[0] for one in told] == ["img-040", "img-001"]
    gone = {"parts": [{"id": "img-002", "crop": crop}]}
    assert filled.send("POST", "/v1/search", json=gone).status_code == 404


def test_pages_of_parts_share_no_hit(filled):
    parts = [{"id": "img-004"}, {"id": "img-009", "weight": -0.5}]
    whole = filled.search(parts=parts, exact=True, limit=30)
    first = filled.search(parts=parts, exact=True, limit=15)
    second = filled.search(parts=parts, exact=True, limit=15, cursor=first["next"])
    assert ids(first) + ids(second) == ids(whole)
    other = [parts[0], {"id": "img-009", "weight": -0.4}]
    response = filled.send(
        "POST", "/v1/search", json={"parts": other, "limit": 15, "cursor": first["next"]}
    )
    assert response.status_code == 422


def test_parts_of_an_empty_collection_find_nothing(library, serve):
    answer = serve(library).search(parts=[{"term": "a"}, {"term": "b"}])
    assert (answer["hits"], answer["complete"]) == ([], True)


def test_words_beside_pictures_before_any_training_are_409(library, serve):
    library.publish([Item(0, "a", ["t"])], visual=library.space(np.ones((1, 4), np.float32)))
    body = {"parts": [{"id": "a"}, {"term": "t"}]}
    response = serve(library).send("POST", "/v1/search", json=body)
    assert response.status_code == 409
    assert "`ise build`" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"parts": []}, "parts"),
        ({"parts": [{"id": "img-001", "weight": -1}]}, "weight over 0"),
        ({"parts": [{"id": "img-001", "weight": 0}]}, "weight of 0"),
        ({"parts": [{"id": "img-001", "term": "dog"}]}, "a part is one of"),
        ({"parts": [{"id": "img-001"}], "term": "dog"}, "Give one of"),
        ({"parts": [{"term": " "}]}, "blank"),
        ({"parts": [{"id": "img-001"}], "metric": "l2"}, "cosine"),
        ({"parts": [{"id": "img-001"}, {"id": "img-002"}], "min_probability": 0.5}, "threshold"),
        ({"parts": [{"term": "dog", "crop": {"x": 0, "y": 0, "width": 1, "height": 1}}]}, "crop"),
        (
            {
                "parts": [
                    {"image": "aGk=", "crop": {"x": 0.5, "y": 0, "width": 0.6, "height": 1}},
                ]
            },
            "within the picture",
        ),
        ({"parts": [{"id": "img-001"}, {"id": "img-001", "weight": -1}]}, "cancel"),
        ({"parts": [{"vector": [1.0] * 12}, {"term": "puppy"}]}, "space of pictures"),
        ({"parts": [{"vector": [1.0]}, {"id": "img-001"}]}, "numbers"),
        ({"parts": [{"term": "qwxz"}, {"id": "img-001"}]}, "No image carries"),
        ({"parts": [{"image": "aGk="}, {"id": "img-001"}]}, "no picture"),
    ],
    ids=str,
)
def test_parts_that_can_not_be_asked_are_422_that_say_why(filled, body, told):
    response = filled.send("POST", "/v1/search", json=body)
    assert response.status_code == 422
    assert told in response.json()["detail"]


def test_a_part_that_is_not_there_is_404(filled):
    body = {"parts": [{"id": "img-001"}, {"id": "none"}]}
    assert filled.send("POST", "/v1/search", json=body).status_code == 404
