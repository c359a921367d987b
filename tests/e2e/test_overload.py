"""Ten times as many clients as are let in: each is answered, or told at once to come back."""

import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from shared.clients import indexer
from shared.contracts.features import FeaturesRequest, VectorItem
from tests.e2e.conftest import Start

LIMIT = 4
ROWS, DIM = 20_000, 64
SEARCHES = 40
Answer = tuple[int, float, str | None]


@pytest.mark.slow
@pytest.mark.alone
def test_an_overload_is_turned_away_and_what_is_let_in_is_answered_in_full(start: Start) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(ROWS, DIM)).astype(np.float32)
    with start(ISE_SEARCH_QUEUE=str(LIMIT)) as engine:
        for begin in range(0, ROWS, 1000):
            items = [
                VectorItem(id=f"v{i}", vector=rows[i].tolist()) for i in range(begin, begin + 1000)
            ]
            engine.indexer.send(indexer.add_features(FeaturesRequest(model="test", items=items)))
        url = f"{engine.query.base_url}/v1/search"

        def ask(http: httpx.Client, number: int) -> Answer:
            asked = {"vector": rows[number].tolist(), "exact": True, "limit": 3}
            began = time.perf_counter()
            answer = http.post(url, json=asked)
            seconds = time.perf_counter() - began
            if answer.status_code == 200:
                assert answer.json()["hits"][0]["id"] == f"v{number}"
            return answer.status_code, seconds, answer.headers.get("Retry-After")

        def client(number: int, waits: bool = False) -> list[Answer]:
            found = []
            with httpx.Client(timeout=60, trust_env=False) as http:
                for i in range(SEARCHES):
                    found.append(ask(http, number * SEARCHES + i))
                    if waits and found[-1][2]:
                        time.sleep(float(found[-1][2]))
            return found

        def patient(number: int) -> list[Answer]:
            return client(number, waits=True)

        with apart(engine.group.pids()["query"]), ThreadPoolExecutor(10 * LIMIT) as clients:
            full = list(clients.map(client, range(LIMIT)))
            loud = list(clients.map(client, range(10 * LIMIT)))
            waiting = list(clients.map(patient, range(10 * LIMIT)))
        show("as many clients as are let in", full, 200)
        show("ten times as many, who ask again at once", loud, 200)
        show("turned away of these", loud, 429)
        show("ten times as many, who wait as told", waiting, 200)
        show("turned away of these", waiting, 429)
    assert {status for some in full for status, _, _ in some} == {200}
    for runs in (loud, waiting):
        told = Counter(status for some in runs for status, _, _ in some)
        assert set(told) == {200, 429}
        assert sum(told.values()) == 10 * LIMIT * SEARCHES
        waits = {after for some in runs for status, _, after in some if status == 429}
        assert waits == {"1"}


@contextmanager
def apart(pid: int) -> Iterator[None]:
    """Keeps a process to one processor and ourselves to the others, so that only it is loaded."""
    every = os.sched_getaffinity(0)
    first = {min(every)}
    place(pid, first)
    place(os.getpid(), every - first or every)
    try:
        yield
    finally:
        place(os.getpid(), every)


def place(pid: int, processors: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), processors)


def show(name: str, runs: list[list[Answer]], status: int) -> None:
    ms = [1e3 * seconds for some in runs for found, seconds, _ in some if found == status]
    with suppress(statistics.StatisticsError):
        cuts = statistics.quantiles(ms, n=100)
        print(f"{name}: {len(ms)}, p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")  # noqa: T201
