"""The JSON API over a snapshot on disk, with an embedder that speaks the real contract."""

import base64
import json
import socket
import threading

import numpy as np
import pytest

from shared.clients.transport import AsyncClient
from shared.contracts.answer import SearchResponse
from shared.identity import content_id
from shared.snapshots.items import Item


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


def without_times(answer):
    return {key: value for key, value in answer.items() if key != "timings_ms"}


@pytest.fixture(scope="session")
def nowhere():
    """A client of a service that is down."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return AsyncClient(f"http://127.0.0.1:{port}")


# Ways to ask


def test_every_way_to_ask_for_an_image_gives_the_same_hits(filled):
    data, vector = b"img-042", filled.app.state.visual[42]
    answers = [
        filled.upload(data, exact="true"),
        filled.search(image=base64.b64encode(data).decode(), exact=True),
        filled.search(id="img-042", exact=True),
        filled.search(vector=vector.tolist(), exact=True),
    ]
    for answer in answers:
        SearchResponse.model_validate(answer)
        assert answer["hits"] == answers[0]["hits"]
        assert (answer["mode"], answer["model"], answer["metric"]) == ("image", "model-1", "cosine")
        assert (answer["limit"], answer["offset"], answer["snapshot"]) == (10, 0, 1)
        assert answer["complete"]
    first = answers[0]["hits"][0]
    assert (first["id"], first["metadata"]) == ("img-042", {"number": 42})
    assert first["score"] == pytest.approx(1, abs=1e-5)
    assert first["uri"] == "folder/42.jpg"
    assert first["explain"] is first["vector"] is first["probability"] is None


def test_an_upload_without_a_place_is_told_by_an_empty_uri(filled):
    assert filled.search(id="img-000")["hits"][0]["uri"] == ""


def test_similar_leaves_the_image_itself_out_and_nothing_else(filled):
    whole = filled.search(id="img-042", exact=True, limit=11)
    similar = filled.get("/v1/images/img-042/similar", exact=True)
    assert ids(similar) == ids(whole)[1:]
    assert filled.get("/v1/images/img-003/similar", limit=1)["hits"][0]["id"] == "img-150"
    everything = filled.get("/v1/images/img-042/similar", exact=True, limit=1000)
    assert len(everything["hits"]) == 199
    assert everything["recall"]["scanned_fraction"] == 1


def test_each_of_two_equal_images_is_its_own_first_hit(filled):
    for own, other in (("img-003", "img-150"), ("img-150", "img-003")):
        assert ids(filled.search(id=own, limit=2)) == [own, other]
        assert ids(filled.search(id=own, limit=1)) == [own]


def test_an_upload_of_an_indexed_picture_is_its_own_first_hit_even_a_bit_off(library, serve):
    files = [f"file {i}".encode() for i in range(4)]
    vectors = np.tile(np.arange(1, 9, dtype=np.float32), (4, 1))
    items = [Item(i, content_id(data)) for i, data in enumerate(files)]
    library.publish(items, visual=library.space(vectors))
    off = np.random.default_rng(0).normal(size=(4, 8)) * 1e-6
    service = serve(library)
    service.models.images = dict(zip(files, (vectors * (1 + off)).astype(np.float32), strict=True))
    for data in files:
        for limit in (1, 4):
            hit = service.upload(data, limit=limit)["hits"][0]
            assert hit["id"] == content_id(data)
            assert hit["score"] >= 0.999


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_scores_and_distances_are_those_of_the_stored_vectors(filled, metric):
    visual = filled.app.state.visual.astype(np.float64)
    answer = filled.search(
        id="img-007", metric=metric, exact=True, limit=200, with_vector=True, rerank="none"
    )
    assert answer["metric"] == metric
    assert len(answer["hits"]) == 200
    for hit in answer["hits"]:
        stored = visual[int(hit["id"][4:])]
        assert hit["vector"] == stored.tolist()
        if metric == "l2":
            wanted = np.linalg.norm(stored - visual[7])
            assert hit["distance"] == pytest.approx(wanted, rel=1e-9)
            assert hit["score"] == pytest.approx(1 / (1 + wanted), rel=1e-9)
        else:
            cosine = stored @ visual[7] / np.linalg.norm(stored) / np.linalg.norm(visual[7])
            assert hit["score"] == pytest.approx(cosine, abs=1e-12)
            assert hit["distance"] == pytest.approx(1 - cosine, abs=1e-12)
    order = [(hit["distance"], hit["id"]) for hit in answer["hits"]]
    assert order == sorted(order)


# How to probe


@pytest.mark.parametrize("extra", [{}, {"metric": "l2"}, {"explain": True, "with_vector": True}])
def test_probing_every_cluster_answers_as_exact_does_field_for_field(filled, extra):
    exact = filled.search(id="img-001", exact=True, **extra)
    for nprobe in (8, 9, 1000):
        probed = filled.search(id="img-001", nprobe=nprobe, **extra)
        assert without_times(probed) == without_times(exact)
    assert exact["recall"] == {
        "target": None,
        "expected": 1.0,
        "nprobe": 8,
        "clusters": 8,
        "scanned_fraction": 1.0,
        "reranked": 200,
    }


def test_fewer_probes_scan_less_and_find_part_of_the_exact_answer(filled):
    exact = filled.search(id="img-001", exact=True, limit=200)
    distances = {hit["id"]: hit["distance"] for hit in exact["hits"]}
    one = filled.search(id="img-001", nprobe=1, limit=100, explain=True)
    assert one["recall"]["nprobe"] == 1
    assert one["recall"]["scanned_fraction"] == len(one["hits"]) / 200 < 1
    assert one["recall"]["expected"] < 1
    assert not one["complete"]
    assert all(distances[hit["id"]] == hit["distance"] for hit in one["hits"])
    assert {hit["explain"]["cluster_rank"] for hit in one["hits"]} == {1}
    assert len({hit["explain"]["cluster"] for hit in one["hits"]}) == 1


@pytest.mark.parametrize("target", [0.3, 0.6, 0.95, 1.0])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_a_recall_target_is_expected_to_be_reached(filled, target, metric):
    recall = filled.search(id="img-005", recall_target=target, metric=metric)["recall"]
    assert recall["target"] == target
    assert recall["expected"] >= target
    curves = filled.get("/v1/stats")["recall_curve"]
    curve = next(c for c in curves if (c["space"], c["metric"], c["k"]) == ("visual", metric, 10))
    points = {p["nprobe"]: p["recall"] for p in curve["points"]}
    assert recall["expected"] == points[recall["nprobe"]]


def test_the_default_target_is_the_setting_and_as_many_hits_as_asked_come(library, serve, filled):
    assert filled.search(id="img-005")["recall"]["target"] == 0.95
    lax = serve(filled.library, recall_target=0.1)
    answer = lax.search(id="img-005", limit=150)
    assert answer["recall"]["target"] == 0.1
    assert len(answer["hits"]) == 150
    assert answer["complete"]


def test_an_explanation_names_a_cluster_its_rank_and_a_segment(filled):
    manifest = filled.library.snapshots.current()
    names = {file.name for file in manifest.visual.postings}
    hits = filled.search(id="img-001", exact=True, limit=200, explain=True)["hits"]
    assert {hit["explain"]["segment"] for hit in hits} == names
    assert {hit["explain"]["cluster_rank"] for hit in hits} == set(range(1, 9))


# Pages and thresholds


@pytest.mark.parametrize("how", [{"id": "img-003"}, {"term": "all"}, {"term": "puppy"}])
def test_pages_are_disjoint_and_complete(filled, how):
    whole = filled.search(**how, exact=True, limit=1000)
    pages = [filled.search(**how, exact=True, limit=30, offset=o) for o in range(0, 240, 30)]
    assert [hit for page in pages for hit in page["hits"]] == whole["hits"]
    assert len(set(ids(whole))) == 200
    assert all(page["complete"] for page in pages)


def test_past_the_end_there_is_nothing(filled):
    for how in ({"id": "img-003"}, {"term": "dog"}, {"term": "puppy"}):
        answer = filled.search(**how, offset=100_000)
        assert (answer["hits"], answer["complete"]) == ([], True)


def test_a_threshold_cuts_off_what_scores_less_and_the_answer_is_complete(filled):
    whole = filled.search(id="img-003", exact=True, limit=200)["hits"]
    limit = whole[20]["score"]
    cut = filled.search(id="img-003", exact=True, limit=100, score_threshold=limit)
    assert cut["hits"] == [hit for hit in whole if hit["score"] >= limit]
    assert cut["complete"]
    assert filled.search(id="img-003", score_threshold=1.1)["hits"] == []


# Tags


@pytest.mark.parametrize(
    ("term", "number"),
    [
        ("Dog", 0),
        ("dOG", 0),
        (" dog\t", 0),
        ("STRASSE", 1),
        ("straße", 1),
        ("A_b", 2),
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
    for term in ("do", "dogs", "a b", "a-b"):
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
    body = filled.send("GET", "/v1/search", params={"term": term}).json()
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
    assert service.send("GET", "/v1/search?term=castel").json()["suggestions"] == ["castle"]
    library.tombstones.add([0])
    assert service.send("GET", "/v1/search?term=castel").json()["suggestions"] == []


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


# By id


def test_an_image_is_told_of_by_its_id(filled):
    assert filled.get("/v1/images/img-001") == {
        "id": "img-001",
        "tags": ["straße", "all"],
        "uri": "folder/1.jpg",
        "uris": ["folder/1.jpg"],
        "metadata": {"number": 1},
    }


@pytest.mark.parametrize("path", ["/v1/images/{}", "/v1/images/{}/similar", "/v1/images/{}/file"])
@pytest.mark.parametrize("image_id", ["none", "IMG-001", "a%2Fb", "%00", "%ff", "..%2f..%2fetc"])
def test_an_id_that_is_not_there_is_404(filled, path, image_id):
    response = filled.send("GET", path.format(image_id))
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"


def test_ids_may_have_any_characters(library, serve):
    odd = ["a/b", "a?b", "..", "a b", "ü", "%2F", "#", "x" * 200, "a/file/b"]
    vectors = np.random.default_rng(0).normal(size=(len(odd), 4)).astype(np.float32)
    library.publish([Item(i, o) for i, o in enumerate(odd)], visual=library.space(vectors))
    service = serve(library)
    for image_id in odd:
        assert ids(service.search(id=image_id))[0] == image_id
        path = "/v1/images/" + "".join(f"%{byte:02X}" for byte in image_id.encode())
        assert service.get(path)["id"] == image_id
        similar = service.get(path + "/similar")
        assert set(ids(similar)) == set(odd) - {image_id}


def test_files_and_thumbnails_come_from_the_indexer_fenced_in(filled):
    for kind in ("file", "thumbnail"):
        response = filled.send("GET", f"/v1/images/img-001/{kind}")
        assert response.content == f"{kind}-bytes".encode()
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        missing = filled.send("GET", f"/v1/images/img-002/{kind}")
        assert (missing.status_code, missing.json()["type"]) == (404, "urn:ise:problem:not-found")


# What is not there


def test_an_empty_collection_is_ready_and_answers_no_hits(library, serve):
    service = serve(library)
    service.models.images[b"x"] = np.ones(4, np.float32)
    assert service.get("/ready") == {"status": "ready"}
    for answer in (
        service.upload(b"x"),
        service.search(vector=[1.0]),
        service.term("dog"),
        service.search(vector=[1.0], exact=True, offset=5, metric="l2"),
    ):
        assert (answer["hits"], answer["complete"], answer["snapshot"]) == ([], True, 0)
    assert service.get("/v1/tags") == {"tags": []}
    stats = service.get("/v1/stats")
    assert (stats["images"], stats["clusters"], stats["model"]) == (0, 0, None)
    assert service.send("GET", "/v1/images/x").status_code == 404
    assert service.send("POST", "/v1/search", json={"id": "x"}).status_code == 404


def test_a_collection_of_deleted_images_is_an_empty_one(library, serve):
    service = serve(library)
    service.models.images[b"x"] = np.ones(9, np.float32)
    service.models.visual = "model-2"
    library.publish([Item(0, "a", ["t"])], visual=library.space(np.ones((1, 4), np.float32)))
    library.tombstones.add([0])
    for answer in (service.upload(b"x"), service.term("t"), service.search(vector=[1.0] * 4)):
        assert (answer["hits"], answer["complete"]) == ([], True)


def test_deletions_and_retags_are_seen_by_the_next_request(library, serve):
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    first = library.publish(
        [Item(i, f"i{i}", ["Cat"]) for i in range(6)], visual=library.space(vectors, 2)
    )
    service = serve(library)
    assert service.get("/v1/tags")["tags"] == [{"tag": "Cat", "count": 6}]
    library.tombstones.add([2])
    assert "i2" not in ids(service.search(vector=vectors[2].tolist(), exact=True))
    assert len(ids(service.term("cat"))) == 5
    assert service.get("/v1/tags")["tags"] == [{"tag": "Cat", "count": 5}]
    assert service.get("/v1/stats")["images"] == 5
    assert service.send("GET", "/v1/images/i2").status_code == 404
    assert service.send("POST", "/v1/search", json={"id": "i2"}).status_code == 404
    retag = library.segments.items([Item(4, "i4", ["Dog"])])
    library.publish(items=[*first.items, retag], visual=first.visual)
    assert ids(service.term("dog")) == ["i4"]
    assert service.get("/v1/tags")["tags"] == [
        {"tag": "Cat", "count": 4},
        {"tag": "Dog", "count": 1},
    ]
    assert service.get("/v1/stats")["tags"] == 2
    library.tombstones.add([4])
    assert service.get("/v1/tags", prefix="d")["tags"] == []


def test_a_model_other_than_the_index_is_409_that_names_both_and_the_way_out(filled, serve):
    service = serve(filled.library)
    service.models.visual, service.models.network = "model-9", "network-9"
    service.models.images[b"x"] = np.ones(3, np.float32)
    service.models.terms["puppy"] = np.ones(6, np.float32)
    image = service.send("POST", "/v1/search/image", files={"file": b"x"})
    term = service.send("GET", "/v1/search", params={"term": "puppy"})
    for response, index, embedder in (
        (image, "model-1", "model-9"),
        (term, "network-1", "network-9"),
    ):
        body = response.json()
        assert response.status_code == 409
        assert body["type"] == "urn:ise:problem:fingerprint-mismatch"
        assert (body["index"], body["embedder"]) == (index, embedder)
        assert index in body["detail"]
        assert embedder in body["detail"]
        assert "`ise build`" in body["detail"]


@pytest.mark.parametrize("how", ["down", "loading"])
def test_without_the_embedder_all_that_needs_none_still_answers(filled, serve, nowhere, how):
    service = serve(filled.library, embedders=[nowhere] if how == "down" else [])
    service.models.loading = True
    for response in (
        service.send("POST", "/v1/search/image", files={"file": b"img-001"}),
        service.send("GET", "/v1/search", params={"term": "puppy"}),
    ):
        assert response.status_code == 503
        assert response.headers["Retry-After"] == ("5" if how == "down" else "7")
        assert response.headers["Content-Type"] == "application/problem+json"
    vector = filled.app.state.visual[4].tolist()
    assert ids(service.search(id="img-004"))[0] == "img-004"
    assert ids(service.search(vector=vector))[0] == "img-004"
    assert ids(service.term("dog", limit=1)) == ["img-000"]
    assert service.get("/ready") == {"status": "ready"}


def test_without_the_indexer_files_are_503(filled, serve, nowhere):
    response = serve(filled.library, indexer=nowhere).send("GET", "/v1/images/img-001/file")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_a_snapshot_that_can_not_be_read_is_not_ready_and_says_so(library, serve):
    library.publish([Item(0, "a")], visual=library.space(np.ones((1, 4), np.float32)))
    library.snapshots.path(1).write_text("{")
    service = serve(library)
    ready = service.send("GET", "/ready")
    assert ready.status_code == 503
    assert "manifest.json" in ready.json()["detail"]
    assert service.send("GET", "/v1/stats").json()["type"] == "urn:ise:problem:corrupt"


def test_the_figures_of_a_collection(filled):
    stats = filled.get("/v1/stats")
    curves = stats.pop("recall_curve")
    assert stats == {
        "images": 200,
        "clusters": 8,
        "tags": 6,
        "snapshot": 1,
        "model": "model-1",
        "network": "network-1",
        "metric": "cosine",
        "dim": 12,
        "calibration": [],
        "live_recall": None,
        "drift": None,
    }
    assert {(c["space"], c["metric"], c["k"]) for c in curves} == {
        (space, metric, k)
        for space in ("visual", "joint")
        for metric in ("cosine", "l2")
        for k in (10, 30, 100, 199 if space == "joint" else 119)
    }


# What is refused

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
    response = filled.send("POST", "/v1/search", content=f'{{"vector": {numbers}}}')
    assert response.status_code == 422
    json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    "body", [rb'{"id": "\ud800"}', rb'{"term": "\ud800"}', rb'{"vector": [1' + b"0" * 400 + b"]}"]
)
def test_text_that_is_no_unicode_and_numbers_beyond_measure_are_422(filled, body):
    headers = {"Content-Type": "application/json"}
    assert filled.send("POST", "/v1/search", content=body, headers=headers).status_code == 422


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


# JSON


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
    plain, threads = asking.searcher_now, []

    def searcher_now():
        threads.append(threading.current_thread() is threading.main_thread())
        return plain()

    monkeypatch.setattr(asking, "searcher_now", searcher_now)

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
