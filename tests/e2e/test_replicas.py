"""Three query services and two embedders under load; one of each is killed and brought back."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from shared.cli.group import ServiceGroup
from shared.cli.service import environment
from shared.clients import query
from shared.clients.transport import Call, Client
from shared.contracts.answer import SearchResponse
from shared.core.errors import Unavailable
from shared.core.settings import ServiceSettings
from tests.e2e.engine import Engine
from tests.e2e.replica import Replica
from tests.floats import assert_same_hits
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CLIENTS = 8
ANSWERS = 60
"""How many more there are between one event and the next."""
LIMIT = 5

Truth = list[tuple[str, float]]


@dataclass(frozen=True)
class Failure:
    begun: float
    reason: str


class Load:
    """Clients that search until told to stop; each answer is compared with the truth."""

    def __init__(self, urls: list[str], pictures: list[bytes], truth: list[Truth]) -> None:
        self.url = "|".join(urls)
        self._pictures = pictures
        self._truth = truth
        self._ended = threading.Event()
        self.answers = 0
        self.wrong: list[str] = []
        self.failures: list[Failure] = []
        self._lock = threading.Lock()

    def run(self, seed: int) -> None:
        with Client(self.url) as client:
            number = seed
            while not self._ended.is_set():
                number = (number + 1) % len(self._pictures)
                begun = time.monotonic()
                try:
                    found = client.send(asked(self._pictures[number]))
                except Unavailable as error:
                    with self._lock:
                        self.failures.append(Failure(begun, error.detail))
                    continue
                with self._lock:
                    self.answers += 1
                    if not same(hits(found), self._truth[number]):
                        self.wrong.append(f"picture {number}: {hits(found)}")

    def more(self) -> None:
        """Waits for a number of further answers."""
        enough, end = self.answers + ANSWERS, time.monotonic() + 240
        while self.answers < enough:
            assert time.monotonic() < end, f"{self.answers} answers; {self.failures[-3:]}"
            time.sleep(0.02)

    def stop(self) -> None:
        self._ended.set()


def asked(picture: bytes) -> Call[SearchResponse]:
    return query.search_image(picture, exact=True, limit=LIMIT)


def hits(answer: SearchResponse) -> Truth:
    return [(hit.id, hit.distance) for hit in answer.hits]


def same(found: Truth, truth: Truth) -> bool:
    try:
        assert_same_hits(found, truth)
    except AssertionError:
        return False
    return True


def answered_by(url: str, route: str) -> int:
    """How many requests of a route a process has served."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    lines = re.findall(r"^ise_requests_total\{(.*)\} ([\d.e+]+)$", text, re.MULTILINE)
    served = [count for labels, count in lines if route in labels and 'status="200"' in labels]
    return int(sum(map(float, served)))


@contextmanager
def under(load: Load) -> Iterator[None]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        working = [clients.submit(load.run, seed * 7) for seed in range(CLIENTS)]
        try:
            yield
        finally:
            load.stop()
        for one in working:
            one.result()


@pytest.fixture
def replicated(tmp_path: Path, sample: Path) -> Iterator[tuple[Engine, list[Replica], Replica]]:
    """An engine with a collection, one more embedder, and two more query services."""
    data, logs = tmp_path / "data", tmp_path / "logs"
    second = Replica("embedder", {"ISE_DATA_DIR": str(data)}, tmp_path / "embedder-2.log")
    settings = ServiceSettings(
        _env_file=None,
        data_dir=data,
        query_port=free_port(),
        indexer_port=free_port(),
        embedder_port=free_port(),
    )
    told = environment(settings)
    told["ISE_EMBEDDER_URL"] += f"|{second.url}"
    queries = [Replica("query", told, tmp_path / f"query-{n}.log") for n in (2, 3)]
    started: list[Replica] = []
    with ServiceGroup.local(settings, env=told, log_dir=logs) as group:
        group.wait_ready(timeout=300)
        engine = Engine(group, data, logs)
        try:
            for one in (second, *queries):
                one.start()
                started.append(one)
            engine.ingest(sample, clusters=8)
            yield engine, queries, second
        finally:
            for one in started:
                one.kill()
            engine.close()


def test_one_of_each_is_killed_and_brought_back(
    replicated: tuple[Engine, list[Replica], Replica], sample: Path
) -> None:
    engine, queries, embedder = replicated
    pictures = [path.read_bytes() for path in sorted(sample.parent.rglob("*.jpg"))[:24]]
    truth = [hits(engine.ask(asked(picture))) for picture in pictures]
    load = Load([engine.query.base_url, *(one.url for one in queries)], pictures, truth)
    killed: list[tuple[str, float]] = []

    def fell(name: str, kill: Callable[[], None]) -> None:
        load.more()
        kill()
        killed.append((name, time.monotonic()))
        load.more()

    with under(load):
        fell("query", queries[0].kill)
        queries[0].start()
        load.more()
        fell("embedder", embedder.kill)
        embedder.start()
        for one, route in ((embedder, "/v1/embed/images"), (queries[0], "/v1/search/image")):
            end = time.monotonic() + 60
            while not answered_by(one.url, route):
                assert time.monotonic() < end, f"{one.url} is not asked again"
                time.sleep(0.1)
    (_, query_gone), _ = killed
    print(  # noqa: T201
        f"{load.answers} answers, {len(load.wrong)} wrong, {len(load.failures)} failed"
    )
    print({one.reason for one in load.failures})  # noqa: T201
    assert not load.wrong
    # One request of each client was in hand at most; of an embedder's death none hears.
    assert len(load.failures) <= CLIENTS
    assert all(one.begun < query_gone for one in load.failures), load.failures
    # The connection broke off; no query service that lived has refused one.
    assert all(f"Nothing answers at {load.url} " in one.reason for one in load.failures)
