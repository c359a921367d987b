"""The real services in threads of the tests' process."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from services.embedder.app import create_app as embedder_app
from services.embedder.config import EmbedderSettings
from services.indexer.app import create_app as indexer_app
from services.indexer.config import IndexerSettings
from services.query.app import create_app as query_app
from services.query.config import QuerySettings
from shared.clients import indexer, query
from shared.clients.transport import Call, Client, T
from shared.contracts.answer import SearchResponse
from shared.contracts.indexer import BuildSettings, IngestRequest
from shared.contracts.jobs import Job, JobState
from shared.core import tls
from shared.core.errors import UnknownTerm
from shared.media.identity import content_id
from tests import declared

PATIENCE_S = 60


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Runs an app on a free port until the block ends; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the app did not start; the log says why"
        yield url
        declared.check(app)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def until(condition: Callable[[], Any]) -> Any:
    """Waits for something to be true, and gives it."""
    end = time.monotonic() + PATIENCE_S
    pause_s = 0.01
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(pause_s)
        # Looking takes time from what is waited for.
        pause_s = min(1.3 * pause_s, 0.1)
    return found


class Embedder:
    """The real embedder. It sees the data directory that the present test mounts."""

    def __init__(self, url: str, mount: Path) -> None:
        self.url = url
        self._mount = mount

    def mount(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._mount.unlink(missing_ok=True)
        self._mount.symlink_to(data_dir)


@contextmanager
def running_embedder(mount: Path, **changes: Any) -> Iterator[Embedder]:
    # Its folder is a link, so that one process serves all tests, each with its own data.
    settings = EmbedderSettings(_env_file=None, data_dir=mount, torch_threads=1, **changes)
    with serving(embedder_app(settings)) as url:
        until(lambda: httpx.get(f"{url}/ready", verify=tls.trusted(), trust_env=False).is_success)
        yield Embedder(url, mount)


class Service:
    """An indexer, and a query service beside it when it is asked."""

    def __init__(self, data: Path, embedder_url: str, **changes: Any) -> None:
        self.data = data
        self.settings = IndexerSettings(
            _env_file=None, data_dir=data, embedder_url=embedder_url, **changes
        )
        self.app = indexer_app(self.settings)
        self._stack = ExitStack()
        self._query: Client | None = None

    def __enter__(self) -> "Service":
        self.url = self._stack.enter_context(serving(self.app))
        self.client = self._stack.enter_context(Client(self.url))
        self.http = self._stack.enter_context(
            httpx.Client(
                base_url=self.url, timeout=PATIENCE_S, verify=tls.trusted(), trust_env=False
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def parts(self) -> Any:
        return self.app.state.parts

    @contextmanager
    def embedders(self, *clients: Client) -> Iterator[None]:
        """Other embedders, or none, until the block ends."""
        former = self.parts._embedders.clients
        try:
            self._use_embedders(list(clients))
            yield
        finally:
            self._use_embedders(former)

    def _use_embedders(self, clients: list[Client]) -> None:
        found = self.parts._embedders
        found.clients, found._found = clients, {}

    def send(self, call: Call[T]) -> T:
        return self.client.send(call)

    def add(self, *files: bytes | tuple[str, bytes], **said: Any) -> list[Any]:
        """Uploads; gives what became of each."""
        named = [f if isinstance(f, tuple) else (f"{i}.png", f) for i, f in enumerate(files)]
        return self.send(indexer.add_images(named, **said)).items

    def start_ingest(self, source: Path, **options: Any) -> Job:
        return self.send(indexer.ingest(IngestRequest(source=str(source), **options)))

    def ingest(self, source: Path, **options: Any) -> Job:
        return self.succeeded(self.start_ingest(source, **options))

    def build(self, **settings: Any) -> Job:
        return self.succeeded(self.send(indexer.build_index(BuildSettings(**settings))))

    def ended(self, job: Job) -> Job:
        # By its table: a request at each look would take time from the job.
        until(lambda: self.parts.job_table.get(job.id).state.ended)
        return self.send(indexer.get_job(job.id))

    def succeeded(self, job: Job) -> Job:
        found = self.ended(job)
        assert found.state is JobState.SUCCEEDED, found.error
        return found

    def failed(self, job: Job) -> str:
        found = self.ended(job)
        assert found.state is JobState.FAILED
        assert found.error is not None
        return found.error

    def reasons(self, job: Job) -> dict[str, str]:
        return {f.path: f.reason for f in self.send(indexer.list_job_failures(job.id)).failures}

    def ask(self, call: Call[T]) -> T:
        """Asks the query service over the same data."""
        if self._query is None:
            settings = QuerySettings(
                _env_file=None,
                data_dir=self.data,
                embedder_url=self.settings.embedder_url,
                indexer_url=self.url,
            )
            url = self._stack.enter_context(serving(query_app(settings)))
            self.query_url = url
            self._query = self._stack.enter_context(Client(url))
        return self._query.send(call)

    @property
    def query_http(self) -> httpx.Client:
        """The query service over the same data, as any program asks it."""
        self.ask(query.get_stats())
        return self._stack.enter_context(
            httpx.Client(
                base_url=self.query_url, timeout=PATIENCE_S, verify=tls.trusted(), trust_env=False
            )
        )

    def found(self, data: bytes, **options: Any) -> list[str]:
        """Ids of the hits of a picture."""
        return _ids(self.ask(query.search_image(data, **options)))

    def tagged(self, term: str, **options: Any) -> set[str]:
        """Ids of the images that carry a tag."""
        try:
            answer = self.ask(query.search_term(term, limit=1000, **options))
        except UnknownTerm:
            return set()
        return set(_ids(answer)) if answer.mode == "tag" else set()

    def finds_itself(self, data: bytes) -> bool:
        return self.found(data, limit=1) == [content_id(data)]


def _ids(answer: SearchResponse) -> list[str]:
    return [hit.id for hit in answer.hits]
