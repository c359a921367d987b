"""A collection that goes over to other models while a request asks for the former ones."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from fastapi import FastAPI

from shared.contracts.explanation import Box, Explanation, Heat
from shared.snapshots.items import Item
from tests.query.answers import ids
from tests.query.conftest import Models

PICTURE = b"picture"


@dataclass
class ChangingModels(Models):
    """Models of an embedder that are others from the first question on. change: called then."""

    change: Callable[[], None] = lambda: None

    def app(self) -> FastAPI:
        app = super().app()

        @app.post("/v1/explain/images")
        async def explain() -> Explanation:
            self._check("explain")
            heat = Heat(grid=[[1.0]], seen=Box(left=0, top=0, right=1, bottom=1))
            return Explanation(
                fingerprint=self.visual, cosine=1.0, approximate=False, heats=[heat, heat]
            )

        return app

    def _check(self, what: str) -> None:
        if not self.asked:
            self.change()
        super()._check(what)


@pytest.fixture
def changing(library, serve):
    """A collection of three images; at the first question its models become `-2`."""
    items = [Item(n, f"i{n}") for n in range(3)]

    def publish(number: int) -> None:
        rows = np.roll(np.eye(3, 3 + number, dtype=np.float32), number, axis=1)
        models.visual, models.network = f"model-{number}", f"network-{number}"
        models.images = {PICTURE: rows[1]}
        models.joint = {PICTURE: rows[1]}
        models.terms = {"puppy": rows[1]}
        library.publish(
            items,
            visual=library.space(rows, fingerprint=models.visual),
            joint=library.space(rows, name="joint", fingerprint=models.network),
            matching_fingerprint=models.visual,
        )

    models = ChangingModels(change=lambda: publish(2))
    publish(1)
    return serve(library, models, {f"i{n}": (b"", "image/png") for n in range(3)})


@pytest.mark.parametrize("other", [{"id": "i2", "weight": 0.1}, {"term": "puppy", "weight": 0.1}])
def test_a_search_by_parts_is_answered_by_the_new_models(changing, other):
    image = {"image": base64.b64encode(PICTURE).decode()}
    answer = changing.search(parts=[image, other])
    assert ids(answer)[0] == "i1"
    assert (answer["snapshot"], answer["model"][-2:]) == (2, "-2")


def test_a_search_by_a_word_is_answered_by_the_new_network(changing):
    answer = changing.term("puppy")
    assert (ids(answer)[0], answer["model"]) == ("i1", "network-2")


def test_a_batch_is_answered_by_the_new_network(changing):
    searches = [{"term": "puppy"}, {"id": "i1"}]
    body = changing.send("POST", "/v1/search/batch", json={"searches": searches}).json()
    assert [ids(one["answer"])[0] for one in body["answers"]] == ["i1", "i1"]


def test_an_explanation_is_made_by_the_new_model(changing):
    assert changing.get("/v1/images/i1/why", to="i2")["model"] == "model-2"


def test_an_upload_is_explained_by_the_new_models_vector_of_the_other_image(changing):
    given = {"files": {"file": ("x.png", PICTURE, "image/png")}, "data": {"to": "i1"}}
    answer = changing.send("POST", "/v1/why", **given).json()
    assert (answer["model"], answer["score"]) == ("model-2", pytest.approx(1.0))
