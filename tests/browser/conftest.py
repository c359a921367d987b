"""A real browser, and a stand-in for the query service over a handful of drawn pictures.

The stand-in answers the contract's models from memory and keeps what it was asked. It ranks by
colour: pictures whose small versions look alike are alike.
"""

import io
import math
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import BaseModel

from services.query import page_files
from shared import problem
from shared.contracts.query import (
    Hit,
    ImageInfo,
    Metric,
    Mode,
    Recall,
    SearchResponse,
    Stats,
    TagCount,
    Tags,
)
from shared.errors import BadImage, ISEError, NotFound, UnknownTerm
from shared.web.auth import KeyMiddleware
from tests.e2e.conftest import pytest_runtest_makereport
from tests.e2e.engine import find_chromium

__all__ = ["pytest_runtest_makereport"]

CLUSTERS = 8


@dataclass(frozen=True)
class Picture:
    id: str
    uri: str
    tags: tuple[str, ...]
    data: bytes
    ratio: float = 1.0

    def info(self) -> ImageInfo:
        return ImageInfo(
            id=self.id,
            uri=self.uri,
            uris=[self.uri] if self.uri else [],
            tags=list(self.tags),
            metadata={},
        )


class Options(BaseModel):
    """What a search takes. The stand-in's cursor is the number of hits so far."""

    limit: int = 10
    cursor: str | None = None
    exact: bool = False

    @property
    def offset(self) -> int:
        return int(self.cursor or 0)


@dataclass
class StandIn:
    """What the stand-in holds, what it was asked, and what it should fail with."""

    pictures: Sequence[Picture]
    asked: list[tuple[str, Options]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    error: ISEError | None = None
    url: str = ""

    def __post_init__(self) -> None:
        self.vectors = {p.id: look(p.data) for p in self.pictures}

    def by_id(self, image_id: str) -> Picture:
        for picture in self.pictures:
            if picture.id == image_id:
                return picture
        raise NotFound(f"There is no image {image_id}.")

    def answer(
        self,
        path: str,
        options: Options,
        mode: Mode,
        vector: Sequence[float],
        among: Sequence[Picture],
    ) -> SearchResponse:
        self.asked.append((path, options))
        if self.error is not None:
            raise self.error
        scored = sorted(((cosine(vector, self.vectors[p.id]), p) for p in among), key=_order)
        end = options.offset + options.limit
        page = scored[options.offset : end]
        return SearchResponse(
            hits=[
                Hit(
                    score=score,
                    distance=1 - score,
                    probability=round(score**2, 3) if mode is Mode.IMAGE else None,
                    **p.info().model_dump(),
                )
                for score, p in page
            ],
            limit=options.limit,
            offset=options.offset,
            next=str(end) if end < len(scored) else None,
            complete=True,
            mode=mode,
            metric=Metric.COSINE,
            snapshot=7,
            model="stand-in",
            recall=_recall(mode, options, len(among) / len(self.pictures)),
            timings_ms={"embed": 8.41, "probe": 0.2, "scan": 2.9},
        )


def _recall(mode: Mode, options: Options, share: float) -> Recall:
    if mode is Mode.TAG:
        return Recall(
            target=None,
            expected=1.0,
            nprobe=0,
            scanned_fraction=share,
            clusters=CLUSTERS,
            reranked=0,
        )
    if options.exact:
        return Recall(
            target=None,
            expected=1.0,
            nprobe=CLUSTERS,
            scanned_fraction=1.0,
            clusters=CLUSTERS,
            reranked=0,
        )
    return Recall(
        target=0.95, expected=0.972, nprobe=3, scanned_fraction=0.384, clusters=CLUSTERS, reranked=0
    )


def look(data: bytes) -> list[float]:
    """A picture's small version as a vector, its mean taken off."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            small = image.convert("RGB").resize((4, 4)).tobytes()
    except OSError as error:
        raise BadImage("The file is not a picture that can be read.") from error
    mean = sum(small) / len(small)
    return [value - mean + 1e-3 for value in small]


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return min(1.0, dot / (math.hypot(*a) * math.hypot(*b)))


def _order(item: tuple[float, Picture]) -> tuple[float, str]:
    return -item[0], item[1].id


def create_app(stand_in: StandIn, key: str | None = None) -> FastAPI:
    app = FastAPI()
    problem.install(app)
    page_files.install(app)

    @app.get("/v1/stats")
    async def stats() -> Stats:
        pictures = stand_in.pictures
        return Stats(
            images=len(pictures),
            clusters=CLUSTERS if pictures else 0,
            tags=len({tag for p in pictures for tag in p.tags}),
            snapshot=7,
            model="stand-in",
            network=None,
            metric=Metric.COSINE,
            dim=48,
            recall_curve=[],
        )

    @app.get("/v1/tags")
    async def tags(prefix: str = "", limit: int = 20) -> Tags:
        counts: dict[str, int] = {}
        for tag in (tag for p in stand_in.pictures for tag in p.tags):
            counts[tag] = counts.get(tag, 0) + 1
        found = [t for t in counts if t.startswith(prefix.lower())]
        found.sort(key=lambda tag: (-counts[tag], tag))
        return Tags(tags=[TagCount(tag=t, count=counts[t]) for t in found[:limit]])

    @app.get("/v1/search")
    async def by_term(
        term: str, limit: int = 10, cursor: str | None = None, exact: bool = False
    ) -> SearchResponse:
        options = Options(limit=limit, cursor=cursor, exact=exact)
        tagged = [p for p in stand_in.pictures if term.lower() in p.tags]
        if term == "gibberish":
            raise UnknownTerm("No image carries “gibberish”, and the model doesn't know the word.")
        mode = Mode.TAG if tagged else Mode.SEMANTIC
        centre = [
            sum(column) for column in zip(*(stand_in.vectors[p.id] for p in tagged), strict=True)
        ] or [1.0] * 48
        among = tagged or ([] if term == "nothing" else stand_in.pictures)
        return stand_in.answer(f"term {term}", options, mode, centre, among)

    @app.post("/v1/search/image")
    async def by_image(
        file: Annotated[UploadFile, File()],
        limit: Annotated[int, Form()] = 10,
        cursor: Annotated[str | None, Form()] = None,
        exact: Annotated[bool, Form()] = False,
    ) -> SearchResponse:
        options = Options(limit=limit, cursor=cursor, exact=exact)
        vector = look(await file.read())
        path = f"upload {file.filename}"
        return stand_in.answer(path, options, Mode.IMAGE, vector, stand_in.pictures)

    @app.get("/v1/images/{image_id}")
    async def image(image_id: str) -> ImageInfo:
        return stand_in.by_id(image_id).info()

    @app.get("/v1/images/{image_id}/similar")
    async def similar(
        image_id: str, limit: int = 10, cursor: str | None = None, exact: bool = False
    ) -> SearchResponse:
        options = Options(limit=limit, cursor=cursor, exact=exact)
        start = stand_in.by_id(image_id)
        others = [p for p in stand_in.pictures if p is not start]
        vector = stand_in.vectors[image_id]
        return stand_in.answer(f"similar {image_id}", options, Mode.IMAGE, vector, others)

    @app.get("/v1/images/{image_id}/thumbnail")
    @app.get("/v1/images/{image_id}/file")
    async def picture(request: Request, image_id: str) -> Response:
        if image_id in stand_in.broken:
            raise NotFound("The file is gone.")
        return Response(stand_in.by_id(image_id).data, media_type="image/jpeg")

    if key is not None:
        app.add_middleware(KeyMiddleware, key=key, open_paths=page_files.open_paths())
    return app


def draw(tags: tuple[str, ...], number: int) -> Picture:
    """A shape on a ground; the tag says which, the number moves it about."""
    width, height = ((320, 240), (240, 320), (400, 200))[number % 3]
    ground, ink = {
        "sun": ("#f6d6a8", "#e2703a"),
        "sea": ("#cfe3ee", "#1f5f8b"),
        "leaf": ("#e2ead0", "#3f7a3a"),
    }[tags[0]]
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    x, y = 20 + 12 * number, 30 + 8 * number
    if tags[0] == "sun":
        pen.ellipse((x, y, x + 120, y + 120), fill=ink)
    elif tags[0] == "sea":
        pen.rectangle((0, height // 2 + y // 3, width, height), fill=ink)
    else:
        pen.polygon([(x, y), (x + 120, y + 40), (x + 40, y + 130)], fill=ink)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    name = f"{tags[0]}-{number:02d}"
    # An id may hold what an address must quote.
    return Picture(f"{tags[0]}&{number:02d}", f"drawn/{name}.jpg", tags, file.getvalue())


def draw_all() -> list[Picture]:
    counts = {("sun", "warm"): 36, ("sea", "cold", "water"): 5, ("leaf", "green"): 4}
    return [draw(tags, number) for tags, many in counts.items() for number in range(many)]


@dataclass
class Visit:
    """A browser page, with what it complained of and whom it asked beside its own host."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        host = urlsplit(url).netloc
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("blob:", "data:"))
                or urlsplit(request.url).netloc == host
                else self.foreign.append(request.url)
            ),
        )
        self.page.goto(url)
        return self.page

    def _on_console(self, message: object) -> None:
        text, kind = getattr(message, "text", ""), getattr(message, "type", "")
        if kind in ("error", "warning"):
            self.complaints.append(text)


Start = Callable[..., StandIn]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts stand-ins on free ports and ends them after the test."""
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def run(pictures: Sequence[Picture], key: str | None = None) -> StandIn:
        stand_in = StandIn(pictures)
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(stand_in, key), log_level="error", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread, listener))
        stand_in.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        return stand_in

    yield run
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return draw_all()


@pytest.fixture
def stand_in(start: Start, pictures: list[Picture]) -> StandIn:
    return start(pictures)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, start: Start) -> Iterator[Visit]:
    """A fresh visit. A test that provokes no failure must leave no complaint behind.

    It ends before the servers do, hence `start`.
    """
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(10_000)
    visit = Visit(context.new_page())
    yield visit
    context.close()
    assert visit.foreign == []
    assert visit.complaints == []
