"""Few judgements measure the precision of the collection's first hits."""

from collections.abc import Sequence

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from services.query.search.survey import Surveys
from shared.clients.transport import AsyncClient
from shared.contracts.judgements import Judgement, JudgementRequest, Judgements
from shared.maths.survey import Survey, estimate
from shared.snapshots.items import Item

KINDS, SIZE, DIM = 12, 14, 24
LABELS = np.repeat(np.arange(KINDS), SIZE)


class Kept:
    """The part of an indexer that keeps judgements."""

    def __init__(self) -> None:
        self.all: list[Judgement] = []
        self.app = FastAPI()

        @self.app.post("/v1/judgements")
        async def judge(request: JudgementRequest) -> Judgement:
            given = request.model_dump() | {"judged_at": "2026-11-22T05:43:50+00:00"}
            self.all.append(Judgement.model_validate(given))
            return self.all[-1]

        @self.app.get("/v1/judgements")
        async def listed(limit: int) -> Judgements:
            return Judgements(judgements=self.all[:limit], total=len(self.all))

    def client(self) -> AsyncClient:
        return AsyncClient("http://indexer", None, httpx.ASGITransport(self.app), within=True)


@pytest.fixture
def world(library, serve):
    """Pictures of kinds that lie near each other, without tags."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(KINDS, DIM))
    vectors = (centres[LABELS] + rng.normal(size=(len(LABELS), DIM)) * 1.2).astype(np.float32)
    items = [Item(i, f"img-{i:03d}", [], [f"{i}.jpg"], {}) for i in range(len(LABELS))]
    library.publish(items, visual=library.space(vectors, 4))
    kept = Kept()
    return serve(library, indexer=kept.client()), kept


def _kind(image_id: str) -> int:
    return int(LABELS[int(image_id.removeprefix("img-"))])


def test_answers_measure_the_precision_and_no_question_comes_twice(world):
    service, _ = world
    assert service.get("/v1/judgements/precision")["precision_at_10"] is None
    asked: list[tuple[str, str]] = []
    for _ in range(3):
        page = service.get("/v1/judgements/questions", limit=20)
        assert page["judged"] == len(asked)
        for one in page["questions"]:
            pair = one["search"]["id"], one["id"]
            asked.append(pair)
            right = _kind(pair[0]) == _kind(pair[1])
            body = {key: one[key] for key in ("search", "id", "draw")} | {"right": right}
            body["search"] = {"id": pair[0]}
            assert service.send("POST", "/v1/judgements", json=body).status_code == 200
    assert len(set(asked)) == len(asked) == 60
    measured = service.get("/v1/judgements/precision")
    assert measured["judged"] == 60
    truth = np.mean([_precision(service, number) for number in range(0, len(LABELS), 4)])
    assert measured["low"] - 0.05 <= truth <= measured["high"] + 0.05
    assert measured["high"] - measured["low"] < 0.35


def _precision(service, number: int) -> float:
    hits = service.get(f"/v1/images/img-{number:03d}/similar", limit=10)["hits"]
    return float(np.mean([_kind(hit["id"]) == LABELS[number] for hit in hits]))


def test_deleted_pictures_are_asked_about_no_more(world):
    service, _ = world
    page = service.get("/v1/judgements/questions", limit=5)["questions"]
    gone = {page[0]["search"]["id"], page[1]["id"]}
    service.library.tombstones.add(sorted(int(one.removeprefix("img-")) for one in gone))
    left = service.get("/v1/judgements/questions", limit=100)["questions"]
    assert len(left) == 100
    assert not gone & {one for each in left for one in (each["search"]["id"], each["id"])}


def test_a_collection_too_small_to_ask_of_asks_nothing(library, serve):
    vectors = np.eye(4, 8, dtype=np.float32)
    items = [Item(i, str(i), [], [], {}) for i in range(4)]
    library.publish(items, visual=library.space(vectors))
    service = serve(library, indexer=Kept().client())
    assert service.get("/v1/judgements/questions") == {"questions": [], "judged": 0}
    assert Surveys().of(service.app.state.asking.searcher_now()) is None


def _errors(predicted: np.ndarray, truth: np.ndarray) -> Sequence[float]:
    survey, found = Survey(predicted), []
    for number in range(100):
        drawn = survey.draw(60, number / 100)
        told = estimate(
            predicted, truth.ravel()[drawn], predicted.ravel()[drawn], survey.weights(drawn)
        )
        assert told is not None
        found.append(told.value - truth.mean())
    return found


def test_the_measure_is_right_on_average_and_good_probabilities_save_answers():
    rng = np.random.default_rng(0)
    chances = rng.beta(0.3, 0.1, (300, 10))
    truth = rng.random(chances.shape) < chances
    good, none = _errors(chances, truth), _errors(np.full(chances.shape, 0.5), truth)
    wrong = _errors(1 - chances, truth)
    for errors in (good, none, wrong):
        assert abs(np.mean(errors)) < 0.03
    assert np.std(good) < np.std(none)


def test_few_answers_measure_nothing():
    few = np.array([True] * 19)
    assert estimate(np.full((20, 10), 0.5), few, np.full(19, 0.5), np.ones(19)) is None
