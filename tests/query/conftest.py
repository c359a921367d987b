"""Fixtures of the query service's tests: snapshots on disk as the indexer makes them, the app."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request, Response
from hypothesis import settings
from numpy.typing import NDArray

from services.indexer.clustering.streaming import assign, train_centroids
from services.indexer.measuring.recall import measure
from services.indexer.segments.store import SegmentStore
from services.query.app import create_app
from services.query.config import QuerySettings
from services.query.embedders import Embedders
from shared.clients.transport import AsyncClient
from shared.contracts.embedder import (
    DIM_HEADER,
    FINGERPRINT_HEADER,
    INSTANCE_HEADER,
    RAW_MEDIA_TYPE,
    EmbedTermsRequest,
    TermSpace,
)
from shared.contracts.framing import unframed
from shared.contracts.query import Metric
from shared.core.errors import BadImage, NotFound, Unavailable, UnknownTerm
from shared.engines.ivf.codec import Codec
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.maths.distances import prepared
from shared.media.fetching import Fetcher
from shared.snapshots.items import Item
from shared.snapshots.manifest import Manifest, SpaceManifest
from shared.snapshots.store import SnapshotStore
from shared.snapshots.tombstones import Tombstones
from shared.web import problem
from tests import declared

settings.register_profile("query", deadline=None, max_examples=18)
settings.load_profile("query")
faiss.omp_set_num_threads(1)  # Threads cost more than they bring on sets this small.

Floats = NDArray[np.float32]


class Library:
    """A data directory, written by the parts that the indexer writes it with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.snapshots = SnapshotStore(folder)
        self.segments = SegmentStore(folder)
        self.tombstones = Tombstones(folder)

    def space(
        self,
        vectors: Floats,
        clusters: int = 1,
        metric: Metric = Metric.COSINE,
        sizes: Sequence[int] = (),
        name: str = "visual",
        fingerprint: str = "model-1",
        coded: bool = False,
    ) -> SpaceManifest:
        """Rows numbered from 0; `sizes`: of the first segments, where there is more than one."""
        codec = Codec.train(prepared(vectors, metric), seed=0) if coded else None
        cuts = [0, *np.cumsum(sizes, dtype=int), len(vectors)]
        centroids = train_centroids(vectors[: cuts[1]], clusters, metric, seed=0)
        files = []
        for start, end in itertools.pairwise(cuts):
            block = [(0, vectors[start:end])]
            lists = assign(block, end - start, centroids, metric)
            partition = Partition(centroids, metric, codec)
            ordinals = np.arange(start, end)
            files.append(
                self.segments.postings(name, partition, block, lists, ordinals, is_first=start == 0)
            )
        index = InvertedIndex([Postings(self.segments.path(files[0]))], metric)
        return SpaceManifest(
            fingerprint=fingerprint,
            dim=vectors.shape[1],
            metric=metric,
            clusters=clusters,
            seed=0,
            postings=files,
            recall=measure(index, name, seed=0),
        )

    def publish(self, told: Sequence[Item] = (), /, **fields: Any) -> Manifest:
        """The next snapshot; `told` becomes its one items file, unless `fields` names others."""
        number = (self.snapshots.current_number() or 0) + 1
        given = {"created_at": "now", "reason": "test", "revision": number, "images": len(told)}
        if told:
            given["items"] = [self.segments.items(told)]
        manifest = Manifest(number=number, **(given | fields))
        self.snapshots.publish(manifest)
        return manifest


@dataclass
class Models:
    """What the embedder of a test knows, over the embedder's own wire contract."""

    images: dict[bytes, Floats] = field(default_factory=dict)
    joint: dict[bytes, Floats] = field(default_factory=dict)
    terms: dict[str, Floats] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    """Terms without a word vector that name classes; only the joint space knows them."""
    visual: str = "model-1"
    network: str = "network-1"
    loading: bool = False
    instance: str = "process-1"
    asked: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        problem.install(app)

        def rows(vectors: list[Floats], fingerprint: str) -> Response:
            headers = {
                DIM_HEADER: str(len(vectors[0])),
                FINGERPRINT_HEADER: fingerprint,
                INSTANCE_HEADER: self.instance,
            }
            return Response(np.stack(vectors).astype("<f4").tobytes(), headers=headers)

        @app.post("/v1/embed/images")
        async def images(request: Request) -> Response:
            self._check("images")
            if request.headers["Content-Type"] == RAW_MEDIA_TYPE:
                files = unframed(await request.body(), 1000)
            else:
                async with request.form() as form:
                    files = [await part.read() for part in form.getlist("files")]
            # A crop of a picture is known by the picture's bytes, and what the crop is.
            crops = request.query_params.getlist("crop") or [""] * len(files)
            files = [data + crop.encode() for data, crop in zip(files, crops, strict=True)]
            joint = request.query_params["space"] == "joint"
            known = self.joint if joint else self.images
            bad = [i for i, data in enumerate(files) if data not in known]
            if bad:
                items = [{"index": i, "error": "It is no picture."} for i in bad]
                raise BadImage("Some files can't be used.", items=items)
            return rows([known[data] for data in files], self.network if joint else self.visual)

        @app.post("/v1/embed/terms")
        async def terms(body: EmbedTermsRequest) -> Response:
            self._check("terms")
            known = {*self.terms, *(self.named if body.space is TermSpace.JOINT else ())}
            if any(term not in known for term in body.terms):
                named = all(term in self.terms or term in self.named for term in body.terms)
                raise UnknownTerm(f"word2vec lacks {body.terms}.", suggestions=["dog"], named=named)
            first = next(iter(self.terms.values()))
            return rows([self.terms.get(term, first) for term in body.terms], self.network)

        return app

    def _check(self, what: str) -> None:
        self.asked.append(what)
        if self.loading:
            raise Unavailable("The models are being loaded.", retry_after=7)


def files_app(files: dict[str, tuple[bytes, str]]) -> FastAPI:
    """The part of the indexer that query asks: files and thumbnails by id."""
    app = FastAPI()
    problem.install(app)

    @app.get("/v1/images/{image_id}/{kind}")
    async def get(image_id: str, kind: str) -> Response:
        if image_id not in files:
            raise NotFound(f"There is no image {image_id!r}.")
        data, media_type = files[image_id]
        return Response(kind.encode() + data, media_type=media_type)

    return app


@dataclass
class Service:
    """The query app over a library, with its embedder and indexer, asked over ASGI."""

    library: Library
    models: Models
    app: FastAPI

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.request(method, path, **request)

        return asyncio.run(answer())

    def get(self, path: str, **params: Any) -> Any:
        return self._good(self.send("GET", path, params=params))

    def search(self, **body: Any) -> Any:
        return self._good(self.send("POST", "/v1/search", json=body))

    def upload(self, data: bytes, **form: Any) -> Any:
        files = {"file": ("x.jpg", data, "image/jpeg")}
        return self._good(self.send("POST", "/v1/search/image", files=files, data=form))

    def term(self, term: str, **params: Any) -> Any:
        return self.get("/v1/search", term=term, **params)

    @staticmethod
    def _good(response: httpx.Response) -> Any:
        assert response.status_code == 200, response.text
        return response.json(parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ISE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def fresh_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Library]:
    """Gives a new library at each call, for tests that run many examples."""
    root, count = tmp_path_factory.mktemp("libraries"), itertools.count()
    return lambda: Library(root / str(next(count)))


@pytest.fixture
def library(fresh_library: Callable[[], Library]) -> Library:
    return fresh_library()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., Service]]:
    """Builds the query service over a library."""
    apps = []

    def build(
        library: Library,
        models: Models | None = None,
        files: dict[str, tuple[bytes, str]] | None = None,
        embedders: Sequence[AsyncClient] = (),
        fetcher: Fetcher | None = None,
        indexer: AsyncClient | None = None,
        **settings: Any,
    ) -> Service:
        models = models or Models()
        embedder_app = httpx.ASGITransport(models.app(), raise_app_exceptions=False)
        indexer_app = httpx.ASGITransport(files_app(files or {}), raise_app_exceptions=False)
        given = QuerySettings(_env_file=None, data_dir=library.folder, **settings)
        app = create_app(
            given,
            Embedders(embedders or [AsyncClient("http://embedder", transport=embedder_app)]),
            indexer or AsyncClient("http://indexer", transport=indexer_app),
            fetcher,
        )
        apps.append(app)
        return Service(library, models, app)

    yield build
    for app in apps:
        declared.check(app)


TAGGED = ["Dog", "straße", "a_b", "x/y?z&", "emoji 🐶"]


@pytest.fixture(scope="session")
def filled(fresh_library: Callable[[], Library], serve: Callable[..., Service]) -> Service:
    """200 images in 8 clusters and 3 segments, tagged, with a joint space. Only to be read.

    Image `i` is `img-iii`; its file is `b"img-iii"`; its tags are TAGGED[i % 5], and `all`.
    """
    rng = np.random.default_rng(5)
    library = fresh_library()
    visual = rng.normal(size=(200, 12)).astype(np.float32) * 20
    joint = rng.normal(size=(200, 6)).astype(np.float32)
    visual[150] = visual[3]  # a duplicate, in another segment
    items = [
        Item(
            i,
            f"img-{i:03d}",
            [TAGGED[i % 5], "all"],
            [f"folder/{i}.jpg"] if i else [],
            {"number": i},
        )
        for i in range(200)
    ]
    vectors = {"dog": joint[0], "all": np.ones(6, np.float32)}
    library.publish(
        items,
        visual=library.space(visual, 8, sizes=(120, 60)),
        joint=library.space(joint, 4, name="joint", fingerprint="network-1"),
        matching_fingerprint="model-1",
        tag_vectors=[library.segments.tag_vectors(vectors)],
    )
    models = Models(
        images={f"img-{i:03d}".encode(): visual[i] for i in range(200)},
        joint={f"img-{i:03d}".encode(): joint[i] for i in range(200)},
        terms={"puppy": joint[7]},
    )
    service = serve(library, models, files={"img-001": (b"-bytes", "image/png")})
    service.app.state.visual, service.app.state.joint = visual, joint
    return service


@pytest.fixture(scope="session")
def rich(fresh_library: Callable[[], Library], serve: Callable[..., Service]) -> Service:
    """Pictures and videos that are found in every way; see `every_way.py`. Only to be read."""
    from tests.query import every_way

    library = fresh_library()
    return serve(library, every_way.models(*every_way.publish(library)))
