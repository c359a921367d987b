"""A hundred new snapshots under sixteen clients: no answer fails, and none is of two snapshots."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.answer import SearchResponse
from shared.contracts.features import FeaturesRequest, VectorItem
from shared.contracts.indexer import BuildSettings
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine

CLIENTS, SWAPS = 16, 100
BASE, DIM, FIRST = 400, 16, 10
# A build or a compaction publishes too, and changes nothing of what is there.
BUILD_EVERY, ROLL_BACK_EVERY = 25, 10


@dataclass(frozen=True)
class Seen:
    """What one search was answered, and how many vectors were acknowledged when it was asked."""

    query: int
    least: int
    answer: SearchResponse


class Swapping:
    """Adds a vector for each new snapshot; keeps from which snapshot on it is there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        rng = np.random.default_rng(7)
        self.rows = rng.normal(size=(BASE + SWAPS, DIM)).astype(np.float32)
        self.queries = rng.normal(size=(64, DIM)).astype(np.float32)
        self.since: dict[int, int] = {}
        self.there = 0

    def add(self, count: int) -> None:
        items = [
            VectorItem(id=f"v{i}", vector=self.rows[i].tolist())
            for i in range(self.there, self.there + count)
        ]
        added = self.engine.indexer.send(
            indexer.add_features(FeaturesRequest(model="test", items=items))
        )
        self.since[added.snapshot] = self.there = self.there + count

    def swap(self, number: int) -> None:
        self.add(1)
        send = self.engine.indexer.send
        if number % BUILD_EVERY == 0:
            self.engine.done(send(indexer.build_index(BuildSettings(clusters=5, transform="none"))))
        if number % ROLL_BACK_EVERY == 0:
            # To another clustering; what was added since stays.
            listed = send(indexer.list_snapshots())
            older = min(one.number for one in listed.snapshots if one.number in self.since)
            send(indexer.activate_snapshot(older))

    def count_at(self, snapshot: int) -> int:
        """How many vectors a snapshot has: it may be one that only clusters them anew."""
        return self.since[max(n for n in self.since if n <= snapshot)]

    def nearest(self, asked: int, count: int) -> list[str]:
        return ranked(self.rows[:count], self.queries[asked])


def ranked(rows: NDArray[np.float32], vector: NDArray[np.float32]) -> list[str]:
    """The nearest by cosine, computed in the plainest way."""
    wide = rows.astype(np.float64)
    cosine = wide @ vector.astype(np.float64) / np.linalg.norm(wide, axis=1)
    return [f"v{i}" for i in np.argsort(-cosine, kind="stable")[:FIRST]]


def asking(swapping: Swapping, url: str, seed: int, ended: threading.Event) -> list[Seen]:
    seen = []
    rng = np.random.default_rng(seed)
    with Client(url) as client:
        while not ended.is_set():
            asked, least = int(rng.integers(len(swapping.queries))), swapping.there
            vector = swapping.queries[asked].tolist()
            answer = client.send(query.search_vector(vector, exact=True, limit=FIRST))
            seen.append(Seen(asked, least, answer))
    return seen


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_swaps_fail_no_search_and_mix_no_answer(start: Start) -> None:
    with start() as engine:
        swapping = Swapping(engine)
        swapping.add(BASE)
        engine.done(
            engine.indexer.send(indexer.build_index(BuildSettings(clusters=4, transform="none")))
        )
        ended = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as clients:
            asked = [
                clients.submit(asking, swapping, engine.query.base_url, seed, ended)
                for seed in range(CLIENTS)
            ]
            try:
                for number in range(1, SWAPS + 1):
                    swapping.swap(number)
            finally:
                ended.set()
            seen = [one for future in asked for one in future.result()]
    numbers = {one.answer.snapshot for one in seen}
    print(f"{len(seen)} answers of {len(numbers)} snapshots")  # noqa: T201
    assert len(numbers) > SWAPS / 2
    for one in seen:
        count = swapping.count_at(one.answer.snapshot)
        # What was acknowledged is seen, and nothing of a snapshot that this one isn't.
        assert count >= one.least
        assert [hit.id for hit in one.answer.hits] == swapping.nearest(one.query, count)
