"""An empty collection, another model, a service that is down, a damaged snapshot."""

import socket

import numpy as np
import pytest

from shared.clients.transport import AsyncClient
from shared.snapshots.items import Item
from tests.query.answers import ids


@pytest.fixture(scope="session")
def nowhere():
    """A client of a service that is down."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return AsyncClient(f"http://127.0.0.1:{port}")


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
