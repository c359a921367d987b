"""Fixtures of the embedder's tests: pictures, and the real app on a loop of its own."""

import asyncio
import importlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors
from PIL import Image

from services.embedder.app import create_app
from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.config import EmbedderSettings
from services.embedder.preprocess import Preprocessing
from services.embedder.registry import load_backbone
from services.embedder.words.vectors import Words
from shared.clients.transport import AsyncClient, Call
from tests import declared
from tests.outside import no_settings_from_outside

T = TypeVar("T")
REPOSITORY = Path(__file__).parents[2]
_REFERENCE_DATA = os.environ.get("ISE_REFERENCE_DATA", "")


class Service:
    """The app, its lifespan running, asked over ASGI from any thread."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self.settings = settings
        self.failed = threading.Event()
        self.app = create_app(settings, on_failure=lambda *_: self.failed.set())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> "Service":
        self._thread.start()
        self.wait(self._stack.enter_async_context(self.app.router.lifespan_context(self.app)))
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)
        self.client = AsyncClient("http://localhost", transport=transport)
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self.http.aclose())
        self.wait(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def send(self, call: Call[T]) -> T:
        """By the typed client."""
        return self.wait(self.client.send(call))

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.wait(self.http.request(method, path, **options))

    def together(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Sends requests at the same time."""

        async def gather() -> list[httpx.Response]:
            calls = [self.http.request(method, path, **o) for method, path, o in requests]
            return await asyncio.gather(*calls)

        return self.wait(gather())

    def until_ready(self) -> "Service":
        end = time.monotonic() + 60
        while (answer := self.request("GET", "/ready")).status_code != 200:
            assert time.monotonic() < end, answer.text
            assert not self.failed.is_set(), answer.text
            time.sleep(0.05)
        return self


def settings_for(data_dir: Path, **changes: Any) -> EmbedderSettings:
    """The defaults, whatever this machine's environment says."""
    return EmbedderSettings(_env_file=None, data_dir=data_dir, **changes)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with no_settings_from_outside():
        # One for all tests, so that engines are measured once.
        os.environ["ISE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
        yield
        del os.environ["ISE_CACHE_DIR"]


@pytest.fixture(scope="session", autouse=True)
def _one_thread_a_pass() -> None:
    """The networks here are small; threads that wait for each other on busy cores cost more."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    given = _REFERENCE_DATA or REPOSITORY.parent / "shared" / "data"
    folder = Path(given)
    if not folder.is_dir():
        pytest.skip("the reference data isn't here (ISE_REFERENCE_DATA)")
    return folder


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    """Starts the app with the given changes to the settings: `with start(tmp_path) as service:`."""

    @contextmanager
    def started(data_dir: Path, ready: bool = True, **changes: Any) -> Iterator[Service]:
        with Service(settings_for(data_dir, **changes)) as service:
            yield service.until_ready() if ready else service
            declared.check(service.app)

    return started


@pytest.fixture(scope="session")
def service(
    start: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The app with its default models and an empty data volume."""
    with start(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture(scope="session")
def picture() -> Callable[..., Image.Image]:
    """An RGB picture with structure, another one for each seed."""

    def draw(seed: int = 0, size: tuple[int, int] = (97, 64)) -> Image.Image:
        rng = np.random.default_rng(seed)
        small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        return small.resize(size, Image.Resampling.BICUBIC)

    return draw


@pytest.fixture(scope="session")
def encoded(picture: Callable[..., Image.Image]) -> Callable[..., bytes]:
    """A picture as a file's bytes."""

    def encode(
        kind: str = "JPEG", image: Image.Image | None = None, seed: int = 0, **o: Any
    ) -> bytes:
        buffer = io.BytesIO()
        (image or picture(seed)).save(buffer, kind, **o)
        return buffer.getvalue()

    return encode


@pytest.fixture(scope="session")
def small_words() -> Words:
    """Forty words `w0`... with random 16-d vectors, and some to test spellings with."""
    names = [f"w{i}" for i in range(40)] + ["elephant", "New_York", "Paris", "wild", "cat"]
    keyed = KeyedVectors(16)
    keyed.add_vectors(names, np.random.default_rng(0).normal(size=(len(names), 16)).astype("f4"))
    return Words(keyed)


@pytest.fixture(scope="session")
def torchvision_models() -> Any:
    """`torchvision.models`, also where torchvision's compiled operators can't be loaded."""
    ensure_torchvision_ops()
    return importlib.import_module("torchvision.models")


@pytest.fixture(scope="session")
def timm() -> Any:
    """The timm package; it imports torchvision."""
    ensure_torchvision_ops()
    importlib.import_module("timm.data")
    return importlib.import_module("timm")


@pytest.fixture(scope="session")
def mini() -> Backbone:
    """The backbone of tests and tiny machines."""
    return load_backbone("mini")


@pytest.fixture(scope="session")
def small_resnet(timm: Any) -> Backbone:
    """A small network of another kind, with random weights."""
    torch.manual_seed(0)
    module = timm.create_model("resnet10t", num_classes=0)
    return Backbone("resnet10t", module, Preprocessing((96, 96), (96, 96)), "avg")


@pytest.fixture(params=["mini", "small_resnet"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    found: Backbone = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def files(encoded: Callable[..., bytes]) -> list[bytes]:
    """Seven pictures as JPEG."""
    return [encoded(seed=seed, quality=90) for seed in range(7)]
