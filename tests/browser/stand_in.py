"""A stand-in for the query service over a handful of drawn pictures.

It answers the contract's models from memory and keeps what it was asked. It ranks by colour:
pictures whose small versions look alike are alike.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI, File, Query, Request, Response, UploadFile

from services.query import page_files
from services.query.api.search import TextOptions
from shared.contracts.answer import (
    CorrectedTerm,
    Expected,
    Hit,
    Mode,
    Recall,
    SearchResponse,
    TagCount,
)
from shared.contracts.facts import FileFacts
from shared.contracts.indexer import Shapes, ShapesRequest
from shared.contracts.judgements import JudgementRequest, Question
from shared.contracts.query import ImageInfo, Metric, SearchOptions, SearchRequest, Tags, Uploaded
from shared.contracts.stats import Stats
from shared.core.errors import ISEError, NotFound, UnknownTerm
from shared.snapshots.items import tag_key
from shared.web import problem
from shared.web.auth import CallerMiddleware, KeyMiddleware
from shared.web.keys import KeyRing
from tests.browser.looks import cosine, look
from tests.browser.stand_in_gallery import Shelf, install
from tests.browser.stand_in_judging import install_judging
from tests.browser.stand_in_videos import film_answer, install_access

CLUSTERS = 8
READ_AS = {"seas": "sea", "lefa": "leaf"}
"""Terms that no tag equals, and the tags that they are read as."""


def words_from(tag: str) -> list[str]:
    """A tag from each of its words on, in normal form."""
    words = tag_key(tag).split(" ")
    return [" ".join(words[n:]) for n in range(len(words))]


@dataclass(frozen=True)
class Picture:
    id: str
    uri: str
    tags: tuple[str, ...]
    data: bytes
    ratio: float = 1.0
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    taken: str | None = None
    added: str = "2026-11-20T10:00:00+00:00"
    labels: tuple[tuple[str, float], ...] = ()
    at: tuple[float, float] | None = None
    place: tuple[str, str] | None = None
    film: bytes = b""
    """The file of a video, whose poster is `data`."""

    def info(self) -> ImageInfo:
        return ImageInfo(
            id=self.id,
            uri=self.uri,
            uris=[self.uri] if self.uri else [],
            tags=list(self.tags),
            metadata=self.metadata,
        )

    def facts(self) -> dict[str, Any]:
        """The part of an image's record that its file tells."""
        return {
            "added_at": self.added,
            "file": {
                "width": round(1000 * self.ratio),
                "height": 1000,
                "bytes": len(self.data),
                "format": "WebM" if self.film else "JPEG",
                "taken_at": self.taken,
                "camera": "Pentax K-1" if self.taken else None,
                "lens": None,
                "latitude": self.at and self.at[0],
                "longitude": self.at and self.at[1],
                "city": self.place and self.place[0],
                "country": self.place and self.place[1],
            },
            "labels": [{"name": name, "probability": p} for name, p in self.labels],
        }


@dataclass
class StandIn:
    """What the stand-in holds, what it was asked, and what it should fail with."""

    pictures: Sequence[Picture]
    asked: list[tuple[str, SearchOptions]] = field(default_factory=list)
    uploads: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    error: ISEError | None = None
    chance: Callable[[float], float] | None = None
    """What makes a probability of a score, also for terms."""
    hold: threading.Event | None = None
    """Thumbnails wait for it."""
    shelf: Shelf = field(default_factory=Shelf)
    paused: list[str] = field(default_factory=list)
    """What `/ready` says that waits for another service."""
    url: str = ""
    expected: Expected | None = None
    """How many pictures each answer says that match."""
    present: float | None = None
    judged: list[JudgementRequest] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What hits have besides, by the id of the image: `text`, `duplicates`, `time_s`."""
    checking: dict[str, int] = field(default_factory=dict)
    """Files that are being checked, and the seconds after which to ask again."""

    def __post_init__(self) -> None:
        self.vectors = {p.id: look(p.data) for p in self.pictures}

    def by_id(self, image_id: str) -> Picture:
        for picture in (*self.pictures, *self.shelf.trash):
            if picture.id == image_id:
                return picture
        raise NotFound(f"There is no image {image_id}.")

    def uploaded(self, upload_id: str) -> tuple[str, bytes]:
        if upload_id not in self.uploads:
            raise NotFound("The picture of this search has expired.", upload=upload_id)
        return self.uploads[upload_id]

    def answer(
        self,
        path: str,
        options: SearchOptions,
        mode: Mode,
        vector: Sequence[float],
        among: Sequence[Picture],
    ) -> SearchResponse:
        self.asked.append((path, options))
        if self.error is not None:
            raise self.error
        scored = sorted(((cosine(vector, self.vectors[p.id]), p) for p in among), key=_order)
        sort = options.sort.images
        if sort is not None:
            scored.sort(key=lambda one: one[1].taken or one[1].added, reverse=sort.is_descending)
        offset = options.offset or int(options.cursor or 0)
        end = offset + options.limit
        page = scored[offset:end]
        return SearchResponse(
            hits=[
                Hit(
                    score=score,
                    relevance=score,
                    distance=1 - score,
                    probability=self.chance(score)
                    if self.chance is not None
                    else round(score**2, 3)
                    if mode is Mode.IMAGE
                    else None,
                    **(p.info().model_dump(exclude={"file"}) | self.told.get(p.id, {})),
                    file=FileFacts(**p.facts()["file"]),
                )
                for score, p in page
            ],
            limit=options.limit,
            offset=offset,
            next=str(end) if end < len(scored) and sort is None else None,
            complete=True,
            expected=None if options.cursor else self.expected,
            present=None if options.cursor else self.present,
            mode=mode,
            metric=Metric.COSINE,
            snapshot=7,
            version="7.0",
            model="stand-in",
            recall=_recall(mode, options, len(among) / max(1, len(self.pictures))),
            timings_ms={"embed": 8.41, "probe": 0.2, "scan": 2.9},
        )


def _recall(mode: Mode, options: SearchOptions, share: float) -> Recall:
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


def _order(item: tuple[float, Picture]) -> tuple[float, str]:
    return -item[0], item[1].id


def create_app(stand_in: StandIn, key: str | None = None) -> FastAPI:
    app = FastAPI()
    problem.install(app)
    page_files.install(app)

    install(app, stand_in)

    @app.get("/ready")
    def ready() -> dict[str, str | list[str]]:
        return {"status": "ready"} | ({"paused": stand_in.paused} if stand_in.paused else {})

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
    async def tags(prefix: str = "", match: str = "", limit: int = 20) -> Tags:
        counts: dict[str, int] = {}
        for tag in (tag for p in stand_in.pictures for tag in p.tags):
            counts[tag] = counts.get(tag, 0) + 1
        found = [
            t
            for t in counts
            if t.startswith(prefix.lower())
            and any(word.startswith(tag_key(match)) for word in words_from(t))
        ]
        found.sort(key=lambda tag: (-counts[tag], tag))
        covers = {t: next(p.id for p in stand_in.pictures if t in p.tags) for t in found[:limit]}
        return Tags(
            tags=[TagCount(tag=t, count=counts[t], cover=covers[t]) for t in found[:limit]],
            total=len(found),
        )

    install_judging(app, stand_in)

    @app.post("/v1/uploads")
    async def keep(file: Annotated[UploadFile, File()]) -> Uploaded:
        upload_id = f"upload-{len(stand_in.uploads)}"
        stand_in.uploads[upload_id] = (file.filename or "", await file.read())
        return Uploaded(id=upload_id, expires_at="2026-11-22T06:43:50+00:00")

    @app.get("/v1/uploads/{upload_id}")
    async def kept(upload_id: str) -> Response:
        return Response(stand_in.uploaded(upload_id)[1], media_type="application/octet-stream")

    @app.post("/v1/search")
    async def search(body: SearchRequest) -> SearchResponse:
        if body.term is not None:
            return by_term(body.term, body)
        # Of parts, only a cropped upload is asked of the stand-in.
        subject = body.parts[0] if body.parts else body
        assert subject.upload is not None
        name, data = stand_in.uploaded(subject.upload)
        return stand_in.answer(f"upload {name}", body, Mode.IMAGE, look(data), stand_in.pictures)

    def by_term(term: str, options: SearchOptions) -> SearchResponse:
        as_typed, term = term, term if options.exact_term else READ_AS.get(term, term)
        corrected = [CorrectedTerm(term=as_typed, searched_as=term)] if term != as_typed else []
        tagged = [p for p in stand_in.pictures if term.lower() in p.tags]
        if term == "gibberish":
            raise UnknownTerm(
                "No image carries “gibberish”, and the model doesn't know the word. "
                "`GET /v1/tags` lists the tags that images carry."
            )
        mode = Mode.TAG if tagged else Mode.SEMANTIC
        centre = [
            sum(column) for column in zip(*(stand_in.vectors[p.id] for p in tagged), strict=True)
        ] or [1.0] * 48
        among = tagged or ([] if term == "nothing" else stand_in.pictures)
        answer = stand_in.answer(f"term {as_typed}", options, mode, centre, among)
        read = {"searched_as": term if corrected else None, "corrected_terms": corrected}
        return answer.model_copy(update=read)

    @app.post("/v1/images/shapes")
    async def shapes(body: ShapesRequest) -> Shapes:
        return Shapes(ratios=[stand_in.by_id(image_id).ratio for image_id in body.ids])

    @app.get("/v1/images/{image_id}")
    async def image(image_id: str) -> dict[str, Any]:
        picture = stand_in.by_id(image_id)
        return picture.info().model_dump() | picture.facts()

    @app.get("/v1/images/{image_id}/similar")
    async def similar(image_id: str, options: Annotated[TextOptions, Query()]) -> SearchResponse:
        start = stand_in.by_id(image_id)
        others = [p for p in stand_in.pictures if p is not start]
        vector = stand_in.vectors[image_id]
        return stand_in.answer(f"similar {image_id}", options, Mode.IMAGE, vector, others)

    keys = KeyRing(key)
    install_access(app, keys)

    @app.get("/v1/images/{image_id}/thumbnail")
    @app.get("/v1/images/{image_id}/file")
    def picture(request: Request, image_id: str) -> Response:
        if stand_in.hold is not None:
            stand_in.hold.wait(timeout=60)
        if image_id in stand_in.broken:
            raise NotFound("The file is gone.")
        found = stand_in.by_id(image_id)
        if found.film and request.url.path.endswith("/file"):
            return film_answer(found.film, stand_in.checking.get(image_id))
        return Response(found.data, media_type="image/jpeg")

    if key is not None:
        app.add_middleware(KeyMiddleware, open_paths=page_files.open_paths())
        app.add_middleware(CallerMiddleware, keys=keys)
    return app
