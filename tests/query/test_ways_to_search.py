"""Every way to ask gives the same hits, with pages and recall, over a snapshot on disk."""

import base64

import numpy as np
import pytest

from shared.contracts.answer import SearchResponse
from shared.media.identity import content_id
from shared.snapshots.items import Item
from tests.query.answers import ids


def without_times(answer):
    return {key: value for key, value in answer.items() if key != "timings_ms"}


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
