"""The JSON API over a snapshot on disk, with an embedder that speaks the real contract."""

import base64
import socket

import numpy as np
import pytest

from shared.clients.transport import AsyncClient
from shared.contracts.answer import SearchResponse
from shared.contracts.facts import FileFacts
from shared.media.identity import content_id
from shared.snapshots.items import Item
from tests.query.answers import ids


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
    reaching = [p for p in curve["points"] + curve["by_reach"] if p["recall"] >= target]
    least = min(reaching, key=lambda point: point["scanned_fraction"])
    assert recall["nprobe"] <= least["nprobe"]
    is_all = recall["nprobe"] == recall["clusters"]
    assert recall["expected"] == (1 if is_all else least["recall"])


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


# By id


def test_an_image_is_told_of_by_its_id(filled):
    assert filled.get("/v1/images/img-001") == {
        "id": "img-001",
        "tags": ["straße", "all"],
        "uri": "folder/1.jpg",
        "uris": ["folder/1.jpg"],
        "metadata": {"number": 1},
        "labels": [],
        "added_at": None,
        "file": dict.fromkeys(FileFacts.model_fields),
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
    told = service.get("/ready")
    assert (told["status"], "warning" in told) == ("ready", False)
    for answer in (
        service.upload(b"x"),
        service.search(vector=[1.0]),
        service.term("dog"),
        service.search(vector=[1.0], exact=True, offset=5, metric="l2"),
    ):
        assert (answer["hits"], answer["complete"], answer["snapshot"]) == ([], True, 0)
    assert service.get("/v1/tags") == {"tags": [], "total": 0, "next": None}
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
    told = service.get("/ready")
    assert told["status"] == "ready"
    assert ("Start the services with `ise up`." in told.get("warning", "")) is (how == "down")


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
        # The indexer, which learns, is not asked here.
        "learning": None,
    }
    assert {(c["space"], c["metric"], c["k"]) for c in curves} == {
        (space, metric, k)
        for space in ("visual", "joint")
        for metric in ("cosine", "l2")
        for k in (10, 30, 100, 199 if space == "joint" else 119)
    }


# What is refused


# JSON
