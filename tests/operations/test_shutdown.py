"""SIGTERM while something is under way, to real processes.

What was accepted is finished, what comes later is refused, and what isn't done goes on at the next
start.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.cli.child import Child
from shared.cli.service import local_services
from shared.clients import embedder, indexer, query
from shared.clients.transport import Client
from shared.contracts.embedder import TrainingSettings
from shared.contracts.indexer import BuildSettings, IngestRequest, TrainMatchingRequest
from shared.contracts.jobs import Job, JobState
from shared.core.errors import Unavailable
from shared.core.settings import ServiceSettings
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine
from tests.ports import free_port

pytestmark = pytest.mark.slow

PATIENCE_S = 60


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def child(engine: Engine, service: str) -> Child:
    return next(one for one in engine.group._children if one.name == service)


def refused(url: str) -> bool:
    """Whether nobody takes a new connection any more."""
    at = urlsplit(url)
    try:
        socket.create_connection((at.hostname, at.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


class Halfway:
    """A search by a picture whose head was taken, and whose last bytes are yet to come."""

    def __init__(self, url: str, picture: bytes) -> None:
        at = urlsplit(url)
        body = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
            + picture
            + b"\r\n--x--\r\n"
        )
        head = (
            f"POST /v1/search/image HTTP/1.1\r\nHost: {at.netloc}\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        self._rest = body[-40:]
        self._socket = socket.create_connection((at.hostname, at.port), timeout=PATIENCE_S)
        self._socket.sendall(head + body[:-40])

    def finish(self) -> bytes:
        with self._socket:
            self._socket.sendall(self._rest)
            answer = b""
            while more := self._socket.recv(65536):
                answer += more
        return answer

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def picture(sample: Path) -> bytes:
    return next(sample.parent.glob("castle-*.jpg")).read_bytes()


@pytest.fixture
def pictures(sample: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(sample.parent.glob("*.jpg"))[:100]]


def test_an_accepted_search_is_answered_though_all_services_are_to_end(
    start: Start, picture: bytes
) -> None:
    """Its features are asked for after SIGTERM: the embedder ends after the query service."""
    with start() as engine:
        engine.indexer.send(indexer.add_images([("a.jpg", picture)]))
        url = engine.group.url("query")
        asked = Halfway(url, picture)
        children = {name: child(engine, name) for name in ("query", "indexer", "embedder")}
        # Its head was taken: it is open beside the request for this figure.
        until(lambda: open_requests(engine) >= 2)
        ending = threading.Thread(target=engine.group.stop)
        ending.start()
        until(lambda: refused(url))
        answer = asked.finish()
        ending.join()
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    assert b'"mode":"image"' in answer
    assert {name: one.exit_code for name, one in children.items()} == dict.fromkeys(children, 0)


def open_requests(engine: Engine) -> float:
    text = engine.query._http.get(f"{engine.query.base_url}/metrics").text
    return next(
        float(v.split()[1]) for v in text.splitlines() if v.startswith("ise_requests_open{")
    )


def test_an_accepted_upload_is_kept_and_a_later_one_refused(
    start: Start, pictures: list[tuple[str, bytes]]
) -> None:
    with start() as engine:
        url = engine.group.url("indexer")
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(engine.indexer.send, indexer.add_images(pictures))
            # The embedder has its pictures, so the indexer has taken the call.
            until(lambda: in_hand(engine) > 0 or upload.done())
            child(engine, "indexer").terminate()
            until(lambda: refused(url))
            with pytest.raises(Unavailable), Client(url) as late:
                late.send(indexer.add_images(pictures[:1]))
            items = upload.result().items
        until(lambda: child(engine, "indexer").exit_code is not None)
        assert child(engine, "indexer").exit_code == 0
    assert [item.state.value for item in items] == ["added"] * len(pictures)
    with start() as engine:
        assert engine.ask(query.get_stats()).images == len(pictures)
        assert engine.ask(query.search_id(items[-1].id)).hits[0].id == items[-1].id


def in_hand(engine: Engine) -> float:
    text = engine.embedder._http.get(f"{engine.embedder.base_url}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("ise_embed_images_in_hand{")]
    return sum(float(line.split()[1]) for line in lines)


def under_way(engine: Engine, job_id: str) -> None:
    until(lambda: engine.indexer.send(indexer.get_job(job_id)).progress.stage)


@pytest.mark.timeout(900)
def test_jobs_go_on_at_the_next_start(start: Start, sample: Path) -> None:
    """An ingest, a build and a training, each ended in the middle."""
    long = TrainingSettings(epochs=1000, hidden=1024)
    calls = [
        indexer.ingest(IngestRequest(source=str(sample), clusters=4)),
        indexer.build_index(BuildSettings(clusters=8)),
        indexer.train_matching(TrainMatchingRequest(settings=long)),
    ]
    states: list[JobState] = []
    job: Job | None = None
    for call in [*calls, None]:
        with start() as engine:
            if job is not None:
                again = engine.indexer.send(indexer.get_job(job.id))
                states.append(again.state)
                assert engine.wait(again).state is JobState.SUCCEEDED
                assert engine.ask(query.get_stats()).images == 160
            if call is not None:
                job = engine.indexer.send(call)
                under_way(engine, job.id)
    # A fast machine may be through with one before the signal comes.
    assert {JobState.QUEUED, JobState.RUNNING} & set(states)


@pytest.fixture
def endless(picture: bytes) -> Iterator[Callable[[str], Halfway]]:
    asked: list[Halfway] = []

    def ask(url: str) -> Halfway:
        asked.append(Halfway(url, picture))
        return asked[-1]

    yield ask
    for one in asked:
        one.close()


def test_embeddings_are_answered_and_a_request_that_never_ends_keeps_nobody(
    start: Start, pictures: list[tuple[str, bytes]], endless: Callable[[str], Halfway]
) -> None:
    with start(ISE_SHUTDOWN_SECONDS="15") as engine:
        endless(engine.group.url("query"))
        until(lambda: open_requests(engine) >= 2)
        child(engine, "query").terminate()
        with ThreadPoolExecutor(1) as pool:
            files = [data for _, data in pictures[:32]]
            asked = pool.submit(engine.embedder.send, embedder.embed_images(files))
            until(lambda: in_hand(engine) > 0 or asked.done())
            child(engine, "embedder").terminate()
            rows = asked.result()
        for name in ("query", "embedder"):
            until(lambda name=name: child(engine, name).exit_code is not None)
            assert child(engine, name).exit_code == 0
    assert len(rows.vectors) == len(files)


def test_what_does_not_end_by_itself_is_left_after_the_bound(tmp_path: Path) -> None:
    """A thread that never comes back, as a call into a library may not."""
    script = """
import signal, sys, threading, time
from contextlib import asynccontextmanager
from shared.core.settings import ServiceSettings
from shared.web.running import run
from shared.web.service import create_service

@asynccontextmanager
async def lifespan(app):
    threading.Thread(target=lambda: time.sleep(3600)).start()
    yield

def app(settings):
    return create_service("query", "Hangs.", settings, lifespan, lambda: None)

sys.exit(run("query", ServiceSettings, app))
"""
    settings = ServiceSettings(_env_file=None, data_dir=tmp_path, shutdown_seconds=2)
    env = os.environ | {"ISE_SHUTDOWN_SECONDS": "2", "ISE_QUERY_PORT": str(free_port())}
    lines: list[str] = []
    python = local_services(settings)[0].command[0]
    stuck = Child("query", [python, "-c", script], env, lambda _, line: lines.append(line))
    try:
        until(lambda: any("listening on" in line for line in lines))
        os.kill(stuck.pid, signal.SIGTERM)
        until(lambda: stuck.exit_code is not None)
        assert stuck.exit_code == 0
        assert any("ISE_SHUTDOWN_SECONDS" in line for line in stuck.last_lines())
    finally:
        stuck.kill()
