"""An image, its file and its figures are read by its id."""

import numpy as np
import pytest

from shared.contracts.facts import FileFacts
from shared.snapshots.items import Item
from tests.query.answers import ids


def test_an_image_is_told_of_by_its_id(filled):
    assert filled.get("/v1/images/img-001") == {
        "id": "img-001",
        "tags": ["straße", "all"],
        "uri": "folder/1.jpg",
        "uris": ["folder/1.jpg"],
        "metadata": {"number": 1},
        "labels": [],
        "text": [],
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
