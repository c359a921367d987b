"""Builders of the indexer's tests: pictures, catalogues, and the three real services."""

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from services.embedder.app import create_app as embedder_app
from services.indexer.catalog.database import Database
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.feature_places import FeaturePlace
from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Place
from services.indexer.publishing import publisher
from services.indexer.workflows import learning
from shared.media.identity import content_id
from tests.indexer import lock_audit
from tests.indexer.copying import Copies
from tests.indexer.members import Member
from tests.indexer.running import Embedder, Service, running_embedder, serving, until
from tests.indexer.s3 import CREDENTIALS, S3Server
from tests.outside import no_settings_from_outside
from tests.postgres import Server, postgres

__all__ = ["postgres"]

lock_audit.install()


@pytest.fixture(autouse=True)
def nothing_waits_under_a_lock() -> Iterator[None]:
    """Fail each test in which a network was called under a lock or in a transaction."""
    lock_audit.found.clear()
    yield
    assert lock_audit.found == []


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


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty catalogue, in each of the two databases."""
    is_file = request.param == "sqlite"
    found = Database(
        f"sqlite:///{tmp_path / 'catalog.sqlite'}"
        if is_file
        else request.getfixturevalue("postgres").new()
    )
    yield found
    found.close()


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.new()


@pytest.fixture
def member(url: str) -> Iterator[Callable[..., Member]]:
    made: list[Member] = []

    def make(lease_s: float = 60) -> Member:
        made.append(Member(url, lease_s))
        return made[-1]

    yield make
    for one in made:
        one.database.close()


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
    with no_settings_from_outside():
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_late() -> Iterator[None]:
    """Has no answer depend on how busy the machine is: nothing old is told after a slow count, and
    a retag waits for an embedder that is merely slow.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(learning, "_COUNT_PAUSE", 0)
        patched.setattr(publisher, "PATIENCE_S", 30.0)
        yield


@pytest.fixture(name="until", scope="session")
def until_fixture() -> Callable[[Callable[[], Any]], Any]:
    return until


@pytest.fixture(name="serving", scope="session")
def serving_fixture() -> Callable[..., Any]:
    return serving


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3-compatible server, and credentials for it in the environment."""
    server = S3Server()
    server.start()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in CREDENTIALS.items():
            patched.setenv(name, value)
        yield server
    server.kill()


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


@pytest.fixture
def copies(tmp_path: Path, s3: S3Server) -> Copies:
    name = tmp_path.name.replace("_", "-").lower()[-60:]
    s3.fill(name, {})
    return Copies(tmp_path, s3, f"s3://{name}/ise")
