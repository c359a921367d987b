"""Builders of the indexer's tests: pictures, catalogues, and the three real services."""

import io
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy
import uvicorn
from fastapi import FastAPI
from PIL import Image

from services.embedder.app import create_app as embedder_app
from services.embedder.config import EmbedderSettings
from services.indexer.app import create_app as indexer_app
from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Entry, FeaturePlace, Images, Place
from services.indexer.config import IndexerSettings
from services.query.app import create_app as query_app
from services.query.config import QuerySettings
from shared.clients import indexer, query
from shared.clients.transport import Call, Client, T
from shared.contracts.answer import SearchResponse
from shared.contracts.indexer import BuildSettings, IngestRequest
from shared.contracts.jobs import Job, JobState
from shared.errors import UnknownTerm
from shared.identity import content_id
from tests import declared

PATIENCE_S = 60


# --- pictures ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """A PNG of coloured blocks, another one for each seed."""

    def draw(seed: int = 0, kind: str = "PNG", size: tuple[int, int] = (48, 36)) -> bytes:
        blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(buffer, kind)
        return buffer.getvalue()

    return draw


@pytest.fixture(scope="session")
def huge_picture() -> bytes:
    """A PNG of 30,000 x 30,000 black pixels, one bit each, in about 110 kB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    side = (30_000).to_bytes(4, "big")
    packer = zlib.compressobj(9)
    row = bytes(1 + 30_000 // 8)
    packed = b"".join(packer.compress(row) for _ in range(30_000)) + packer.flush()
    header = chunk(b"IHDR", side + side + b"\x01\0\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.fixture
def folder_of(tmp_path: Path, picture: Callable[..., bytes]) -> Callable[..., Path]:
    """A folder of pictures from {path within it: seed or bytes}."""

    def make(files: dict[str, int | bytes], name: str = "source") -> Path:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for path, content in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture(content) if isinstance(content, int) else content)
        return root

    return make


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a folder or file one that may not be read, also for root."""
    denied: set[Path] = set()

    def guarded(name: str) -> None:
        former = getattr(Path, name)

        def checked(path: Path) -> Any:
            if path in denied:
                raise PermissionError(13, "Permission denied", str(path))
            return former(path)

        monkeypatch.setattr(Path, name, checked)

    for name in ("iterdir", "is_file"):
        guarded(name)
    return denied.add


# --- the catalogue ----------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    yield found
    found.close()


@pytest.fixture
def images(database: Database) -> Images:
    return Images(database)


@pytest.fixture(scope="session")
def entry() -> Callable[..., Entry]:
    """An image as it came in; its bytes are `content`."""

    def make(content: str = "a", path: str = "", **said: Any) -> Entry:
        where = path or f"/{content}.jpg"
        place = Place(where, where.rsplit("/", 1)[-1], said.pop("mtime_ns", 1), len(content))
        image_id = content_id(content.encode())
        return Entry(image_id, image_id * 2, place, **said)

    return make


@pytest.fixture(scope="session")
def feature_place() -> Callable[..., FeaturePlace]:
    return lambda shard=1, row=0, fingerprint="m": FeaturePlace(fingerprint, shard, row)


# --- services ---------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("ISE_")}
    yield
    os.environ.update(kept)


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
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


@pytest.fixture(name="until", scope="session")
def until_fixture() -> Callable[[Callable[[], Any]], Any]:
    return until


@pytest.fixture(name="serving", scope="session")
def serving_fixture() -> Callable[..., Any]:
    return serving


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
        until(lambda: httpx.get(f"{url}/ready", trust_env=False).is_success)
        yield Embedder(url, mount)


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    with running_embedder(tmp_path_factory.mktemp("embedder") / "mounted") as found:
        yield found


@pytest.fixture
def embedder_with(tmp_path: Path) -> Callable[..., Any]:
    """An embedder with settings of its own: `with embedder_with(max_body_bytes=1) as embedder:`."""
    return lambda **changes: running_embedder(tmp_path / "mounted", **changes)


PACKAGED_WEIGHTS = Path(embedder_app.__code__.co_filename).parent / "assets" / "mini.safetensors"


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model: the packaged network, its weights a little different."""
    weights = safetensors.numpy.load_file(PACKAGED_WEIGHTS)
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    changed = {name: np.ascontiguousarray(w * w.dtype.type(1.01)) for name, w in weights.items()}
    safetensors.numpy.save_file(changed, path)
    return path


@pytest.fixture(scope="session")
def other_embedder(other_weights: Path) -> Iterator[Embedder]:
    """An embedder with the other model."""
    with running_embedder(other_weights.with_name("mounted"), weights=str(other_weights)) as found:
        yield found


@pytest.fixture
def embedder_of_two(embedder_with: Callable[..., Any], other_weights: Path) -> Iterator[Embedder]:
    """An embedder with the other model for image -> image, and the usual one for matching."""
    models = {"weights": str(other_weights), "matching_weights": str(PACKAGED_WEIGHTS)}
    with embedder_with(**models) as found:
        yield found


@pytest.fixture
def embedder_of_other_words(
    embedder_with: Callable[..., Any], tmp_path: Path
) -> Iterator[Embedder]:
    lines = ["3 4", "dog 1 0 0 0", "puppy 0.9 0.1 0 0", "car 0 0 1 0"]
    (tmp_path / "words.txt").write_text("\n".join(lines))
    with embedder_with(words=str(tmp_path / "words.txt")) as found:
        yield found


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
            httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False)
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def parts(self) -> Any:
        return self.app.state.parts

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
        return self.succeeded(self.send(indexer.build(BuildSettings(**settings))))

    def ended(self, job: Job) -> Job:
        return until(lambda: (j := self.send(indexer.job(job.id))).state.ended and j)

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
        return {f.path: f.reason for f in self.send(indexer.failures(job.id)).failures}

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


@pytest.fixture
def service(embedder: Embedder, tmp_path: Path) -> Iterator[Service]:
    """The indexer on an empty data directory."""
    embedder.mount(tmp_path / "data")
    with Service(tmp_path / "data", embedder.url) as found:
        yield found


@pytest.fixture(scope="session")
def service_at() -> type[Service]:
    """An indexer on a data directory: `with service_at(folder, embedder.url) as service:`."""
    return Service


@pytest.fixture
def start(embedder: Embedder, tmp_path: Path) -> Callable[..., Service]:
    """An indexer to be started with changed settings: `with start(embed_batch=1) as service:`."""

    def make(of: Embedder = embedder, **changes: Any) -> Service:
        of.mount(tmp_path / "data")
        return Service(tmp_path / "data", of.url, **changes)

    return make
