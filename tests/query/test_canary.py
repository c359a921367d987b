"""A model that answers otherwise than when the index was made is told of, and not served."""

import httpx
import numpy as np
import pytest

from shared.clients.transport import AsyncClient
from shared.models import canary
from shared.snapshots.items import Item
from tests.query.conftest import Models

PICTURE = canary.picture()
THEN = np.array([3, 4, 0, 0], np.float32)
DRIFTED = np.array([3, 4, 0.5, 0], np.float32)
"""Its cosine distance is 0.005."""


@pytest.fixture
def library_with_canary(library):
    visual = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    items = [Item(i, f"img-{i}", ["dog"], [], {}) for i in range(12)]
    library.vectors = visual
    library.publish(
        items, visual=library.space(visual), canaries={"model-1": THEN.astype(float).tolist()}
    )
    return library


def models(library, now, **said):
    return Models(images={b"img-0": library.vectors[0], PICTURE: now}, **said)


def upload(service):
    files = {"file": ("x.jpg", b"img-0", "image/jpeg")}
    return service.send("POST", "/v1/search/image", files=files)


def test_the_picture_is_always_the_same():
    from hashlib import sha256

    from shared.media.images import decode

    pixels = decode(PICTURE).tobytes()
    assert sha256(pixels).hexdigest()[:16] == "eb0e17e3c06a34c2"


def test_a_model_that_drifted_is_not_served(library_with_canary, serve):
    service = serve(library_with_canary, models(library_with_canary, DRIFTED))
    answer = upload(service)
    assert answer.status_code == 409
    body = answer.json()
    assert body["type"] == "urn:ise:problem:model-drift"
    assert body["drift"] == pytest.approx(0.005, abs=1e-4)
    assert "0.005" in body["detail"]
    assert "ISE_INFERENCE=eager" in body["detail"]


def test_searches_that_need_no_features_go_on_and_the_figures_tell(library_with_canary, serve):
    service = serve(library_with_canary, models(library_with_canary, DRIFTED))
    assert service.get("/v1/stats")["drift"] is None
    assert "warning" not in service.get("/ready")
    upload(service)
    assert service.search(id="img-3")["hits"][0]["id"] == "img-3"
    assert service.search(vector=[1, 2, 3, 4])["hits"]
    assert service.term("dog")["mode"] == "tag"
    assert service.get("/v1/stats")["drift"] == {
        "model": "model-1",
        "distance": pytest.approx(0.005, abs=1e-4),
        "served": False,
    }
    assert "have moved by 0.005" in service.get("/ready")["warning"]


def test_a_process_is_asked_once(library_with_canary, serve):
    told = models(library_with_canary, THEN)
    service = serve(library_with_canary, told)
    for _ in range(3):
        assert upload(service).status_code == 200
    assert told.asked == ["images"] * 4
    assert service.get("/v1/stats")["drift"]["served"]
    # A new process may run by something else.
    told.instance, told.images[PICTURE] = "process-2", DRIFTED
    assert upload(service).status_code == 409
    assert upload(service).status_code == 409
    assert told.asked == ["images"] * 7
    told.instance = "process-1"
    assert upload(service).status_code == 200


def test_a_little_is_no_drift(library_with_canary, serve):
    near = THEN + np.array([0, 0, 0.1, 0], np.float32)
    assert 1e-4 < canary.drift(near, THEN) < canary.LARGEST_DRIFT
    service = serve(library_with_canary, models(library_with_canary, near))
    assert upload(service).status_code == 200


def test_a_snapshot_of_before_has_none_to_compare(library, serve):
    visual = np.eye(4, dtype=np.float32)
    library.publish(
        [Item(i, f"img-{i}", [], [], {}) for i in range(4)], visual=library.space(visual)
    )
    library.vectors = visual
    told = models(library, DRIFTED)
    service = serve(library, told)
    assert upload(service).status_code == 200
    assert told.asked == ["images"]


class TestSeveralEmbedders:
    """The one that fits is asked."""

    @pytest.fixture
    def ask(self, library_with_canary, serve):
        def build(*told):
            transports = [
                httpx.ASGITransport(one.app(), raise_app_exceptions=False) for one in told
            ]
            clients = [
                AsyncClient(f"http://{i}", transport=transport)
                for i, transport in enumerate(transports)
            ]
            return serve(library_with_canary, embedders=clients)

        return build

    def test_the_one_that_fits_answers_and_goes_first_then(self, ask, library_with_canary):
        other = models(library_with_canary, THEN, visual="model-2")
        right = models(library_with_canary, THEN)
        service = ask(other, right)
        assert upload(service).status_code == 200
        asked = len(other.asked)
        assert upload(service).status_code == 200
        assert len(other.asked) == asked

    def test_one_that_is_away_costs_nothing_where_another_fits(self, ask, library_with_canary):
        away = models(library_with_canary, THEN, loading=True)
        assert upload(ask(away, models(library_with_canary, THEN))).status_code == 200

    def test_one_that_is_away_may_be_the_one_that_fits(self, ask, library_with_canary):
        away = models(library_with_canary, THEN, loading=True)
        other = models(library_with_canary, THEN, visual="model-2")
        assert upload(ask(other, away)).status_code == 503

    def test_where_none_fits_it_is_said(self, ask, library_with_canary):
        two, three = (models(library_with_canary, THEN, visual=f"model-{n}") for n in (2, 3))
        answer = upload(ask(two, three))
        assert answer.status_code == 409
        assert answer.json()["index"] == "model-1"
