"""The services' HTTP contract, answered by a small program that remembers what it was asked.

One app answers for all services. `python fake_services.py PORT` runs it as a process.
"""

import asyncio
import hashlib
import os
import sys
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Request, Response, UploadFile
from fastapi import Query as FromQuery

from shared.contracts.answer import CorrectedTerm, CutOff, Hit, Recall, SearchResponse, TagCount
from shared.contracts.browsing import Images, PlaceCount, PlaceKind, Places
from shared.contracts.indexer import Added, AddedItem, Deleted, Image, Snapshots
from shared.contracts.jobs import Failure, Failures, Job, Jobs
from shared.contracts.labels import LabelCount, LabelCounts, LabelsQuery
from shared.contracts.query import ImageInfo, Tags
from shared.contracts.stats import Stats
from shared.core.errors import BadImage, NotFound, UnknownTerm
from shared.web import problem

SNAPSHOT = {
    "number": 4,
    "created_at": "2025-01-02T03:04:05Z",
    "reason": "build",
    "images": 1234,
    "clusters": 16,
    "model": "mini:1",
    "network": "net:1",
    "current": True,
}

PICTURES = {hashlib.sha256(data).hexdigest(): data for data in (b"%d" % n for n in range(1234))}
"""The pictures' bytes by id, which is their hash."""


def job(job_id: str = "7", **changes: Any) -> Job:
    progress = {"stage": "reading", "done": 0, "total": 40, "failed": 0}
    return Job.model_validate(
        {
            "id": job_id,
            "kind": "ingest",
            "state": "running",
            "created_at": "2025-01-02T03:04:05Z",
            **changes,
            "progress": {**progress, **changes.get("progress", {})},
        }
    )


@dataclass
class Fake:
    """What the services will say, and what they were asked."""

    key: str | None = None
    steps: list[Job] = field(default_factory=lambda: [job(), job(state="succeeded")])
    failures: list[Failure] = field(default_factory=list)
    probability: float | None = 0.75
    hits: int = 2
    below: int | None = None
    own_first: bool = True
    knows_words: bool = True
    thumbnail: bytes | None = None
    missing: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=lambda: ["dog", "cat"])
    ids: set[str] = field(default_factory=set)
    """Of images whose id has a `^`; all others are there."""
    searched_as: str | None = None
    places: dict[str, int] = field(default_factory=dict)
    labelled: int = 1234
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def next_step(self) -> Job:
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def answer(self, own: str, mode: str, tags: list[str], limit: int = 10) -> SearchResponse:
        names = [own, *(f"other-{n}" for n in range(1, self.hits))][: self.hits]
        if not self.own_first:
            names.reverse()
        found = [
            Hit(
                id=name,
                score=1 - n / 10,
                relevance=1 - n / 10,
                distance=n / 10,
                probability=self.probability,
                tags=tags if n < 2 else ["elsewhere"],
                uri=f"photos/[red]{n}.jpg",
                uris=[],
                metadata={},
            )
            for n, name in enumerate(names)
        ]
        return SearchResponse(
            hits=found[:limit],
            limit=limit,
            offset=0,
            complete=len(found) >= min(2, limit),
            cut_off=None if self.below is None else CutOff(confident=bool(found), below=self.below),
            mode=mode,
            searched_as=self.searched_as,
            corrected_terms=[]
            if self.searched_as is None
            else [CorrectedTerm(term=own, searched_as=self.searched_as)],
            metric="cosine",
            snapshot=4,
            version="4.0",
            model="mini:1",
            recall=Recall(
                target=0.95, expected=0.97, nprobe=3, clusters=16, scanned_fraction=0.25, reranked=9
            ),
            timings_ms={"embed": 1.5, "total": 2.25},
        )


def create_app(fake: Fake) -> FastAPI:
    app = FastAPI()
    problem.install(app)

    @app.get("/ready")
    async def ready() -> dict[str, object]:
        return {"status": "ready"} | ({"missing": fake.missing} if fake.missing else {})

    @app.post("/v1/search/image")
    async def search_image(request: Request, file: UploadFile) -> SearchResponse:
        data = await file.read()
        form = {k: v for k, v in (await request.form()).items() if k != "file"}
        fake.asked.append(("image", form))
        if data == b"broken":
            raise BadImage("The picture can't be decoded.")
        own = hashlib.sha256(data).hexdigest()
        return fake.answer(own, "image", ["cat"], int(form["limit"]))

    @app.get("/v1/search")
    async def search_term(request: Request, term: str, limit: int) -> SearchResponse:
        fake.asked.append(("term", dict(request.query_params)))
        fake.asked.append(("authorization", request.headers.get("authorization")))
        known = term in ("cat", "dog")
        if not known and not fake.knows_words:
            raise UnknownTerm(f"Nothing knows {term}.")
        return fake.answer("x", "tag" if known else "semantic", [term] if known else ["cat"], limit)

    @app.post("/v1/search")
    async def search(request: Request) -> SearchResponse:
        body = await request.json()
        fake.asked.append(("search", body))
        if "parts" in body:
            return fake.answer("x", "mixed", ["cat"], body["limit"])
        if "id" in body:
            return fake.answer(body["id"], "image", ["cat"])
        # The nth by likeness to a vector is the nth picture, even of services that are wrong.
        own = list(PICTURES)[body["offset"]]
        return replace(fake, own_first=True).answer(own, "image", ["cat"], body["limit"])

    @app.get("/v1/tags")
    async def tags(
        prefix: str = "", match: str = "", sort: str = "count", limit: int = 20, cursor: str = "0"
    ) -> Tags:
        found = [
            TagCount(tag=tag, count=9 - n)
            for n, tag in enumerate(fake.tags)
            if tag.startswith(prefix) and any(word.startswith(match) for word in tag.split("_"))
        ]
        if sort == "name":
            found.sort(key=lambda one: one.tag)
        end = int(cursor) + limit
        return Tags(
            tags=found[int(cursor) : end],
            total=len(found),
            next=str(end) if end < len(found) else None,
        )

    @app.get("/v1/places")
    async def places(name: str) -> Places:
        found = [one for one in fake.places if one.lower() == name.lower()]
        named = [PlaceCount(name=n, kind=PlaceKind.CITY, count=fake.places[n]) for n in found]
        return Places(places=named)

    @app.get("/v1/images")
    async def images(request: Request) -> Images:
        fake.asked.append(("images", dict(request.query_params)))
        one = ImageInfo(id="x", tags=["dog"], uri="trips/1.jpg", uris=[], metadata={})
        return Images(images=[one], total=28)

    @app.get("/v1/stats")
    async def stats() -> Stats:
        point = {"nprobe": 3, "recall": 0.971, "scanned_fraction": 0.25}
        curve = {"space": "visual", "metric": "cosine", "k": 10, "queries": 50, "points": [point]}
        told = {
            **{"space": "joint", "metric": "cosine", "scores": [0.1, 0.9], "matched": [0.1]},
            **{"probabilities": [0.1, 0.9], "queries": 9, "pairs": 90, "predicted": [0.1]},
            **{"expected_error": 0.02, "brier": 0.11, "base_rate_brier": 0.22},
        }
        return Stats.model_validate(
            {
                **{"images": 1234, "clusters": 16, "tags": 2, "snapshot": 4, "dim": 64},
                **{"model": "mini:1", "network": "net:1", "metric": "cosine"},
                "recall_curve": [curve],
                "calibration": [told],
            }
        )

    def starts(name: str, path: str) -> None:
        async def start(request: Request) -> Job:
            fake.asked.append((name, await request.json()))
            return fake.next_step()

        app.post(path)(start)

    starts("ingest", "/v1/ingest")
    starts("build", "/v1/index/build")
    starts("reembed", "/v1/index/reembed")
    starts("migrate", "/v1/index/migrate")
    starts("train", "/v1/matching/train")
    starts("accept", "/v1/labels/accept")

    @app.post("/v1/labels")
    async def compute_labels() -> Job:
        fake.asked.append(("label", None))
        fake.labelled = 1234
        return fake.next_step()

    @app.get("/v1/labels")
    async def labels(asked: Annotated[LabelsQuery, FromQuery()]) -> LabelCounts:
        counted = [
            LabelCount(name="beagle", synset="n02088364", images=31, untagged=6),
            LabelCount(name="tench", synset="n01440764", images=4, untagged=4),
        ]
        only = {name.lower() for name in asked.name}
        found = [one for one in counted if asked.match in one.name and only <= {one.name}]
        return LabelCounts(
            least=asked.least,
            model="lite:1",
            source="imagenet-1k",
            labelled=fake.labelled,
            images=1234,
            total=len(found),
            shown=35,
            untagged=sum(one.untagged for one in found),
            labels=found[: asked.limit],
        )

    @app.get("/v1/jobs")
    async def jobs() -> Jobs:
        return Jobs(jobs=[job("6", state="failed", error="The disk is full."), job("7")])

    @app.get("/v1/jobs/{job_id}")
    async def one_job(job_id: str) -> Job:
        if job_id != "7":
            raise NotFound(f"There is no job {job_id}.")
        return fake.next_step()

    @app.delete("/v1/jobs/{job_id}")
    async def cancel(job_id: str) -> Job:
        return job(job_id, state="cancelled")

    @app.get("/v1/jobs/{job_id}/failures")
    async def failures(job_id: str, limit: int = 1000) -> Failures:
        return Failures(failures=fake.failures[:limit], total=len(fake.failures))

    @app.get("/v1/snapshots")
    async def snapshots() -> Snapshots:
        return Snapshots.model_validate({"snapshots": [SNAPSHOT]})

    @app.post("/v1/snapshots/{number}/activate")
    async def activate(number: int) -> Snapshots:
        return Snapshots.model_validate({"snapshots": [{**SNAPSHOT, "number": number}]})

    @app.post("/v1/images")
    async def add(request: Request, files: list[UploadFile]) -> Added:
        form = await request.form()
        fake.asked.append(("add", (len(files), form["tags"])))
        items = []
        for file in files:
            if await file.read() == b"broken":
                why = "It can't be decoded."
                items.append(AddedItem(name=file.filename, id=None, state="failed", error=why))
            else:
                items.append(AddedItem(name=file.filename, id="a1", state="added"))
        return Added(items=items, snapshot=5)

    @app.get("/v1/images/{image_id}")
    async def image(image_id: str) -> Image | ImageInfo:
        if "^" in image_id:
            if image_id not in fake.ids:
                raise NotFound(f"There is no image {image_id}.")
            return ImageInfo(id=image_id, tags=[], uri="", uris=[], metadata={})
        return Image(
            **{"id": image_id, "sha256": image_id, "tags": [], "uris": [], "metadata": {}},
            **{"bytes": 1, "created_at": "2025-01-02T03:04:05Z"},
        )

    @app.get("/v1/images/{image_id}/file")
    async def image_file(image_id: str) -> Response:
        return Response(PICTURES[image_id], media_type="image/jpeg")

    @app.get("/v1/images/{image_id}/thumbnail")
    async def thumbnail(image_id: str) -> Response:
        if fake.thumbnail is None:
            raise NotFound("It came as a vector.")
        return Response(fake.thumbnail, media_type="image/jpeg")

    @app.delete("/v1/images/{image_id}")
    async def delete(image_id: str) -> Deleted:
        if image_id == "absent":
            raise NotFound("There is no image absent.")
        return Deleted(id=image_id, deleted=True)

    return app


class Server(uvicorn.Server):
    """The app on a free port of loopback, in the thread that calls `run`."""

    def __init__(self, fake: Fake, port: int = 0) -> None:
        config = uvicorn.Config(
            create_app(fake), port=port, log_level="warning", lifespan="off", ws="none"
        )
        super().__init__(config)

    @property
    def url(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"


if __name__ == "__main__":
    made = Fake(
        own_first="FAKE_WRONG" not in os.environ,
        knows_words="FAKE_WORDLESS" not in os.environ,
    )
    broken = int(os.environ.get("FAKE_BROKEN", "0"))
    made.failures = [Failure(path=f"cats/{n}.jpg", reason="It is empty.") for n in range(broken)]
    made.steps = [job(state="succeeded", progress={"failed": broken})]
    asyncio.run(Server(made, int(sys.argv[1])).serve())
