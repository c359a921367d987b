"""A collection goes to Milvus and back, killed at each step, and is searched all the while."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.sample import draw_sample
from services.query.search.query import Query
from services.query.search.result import SearchResult
from services.query.search.searcher import Searcher
from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.stopwatch import Stopwatch
from shared.clients import indexer
from shared.contracts.answer import Mode
from shared.contracts.indexer import IngestRequest
from shared.contracts.jobs import Job, JobKind, JobState
from shared.contracts.migration import MigrateRequest
from shared.contracts.query import Metric, SearchOptions
from shared.core.engine import Engine
from shared.core.errors import Conflict, Unavailable
from shared.engines.milvus.server import Milvus
from shared.engines.table import Engines
from tests.engine.milvus_server import MilvusServer
from tests.floats import alike
from tests.torture.campaign import embedding
from tests.torture.life import Life

pytestmark = pytest.mark.slow

# One after the other, each in a process of its own that goes on with the job of the one before.
KILLS = (
    "migration.renamed=kill",
    "migration.written=kill@3",
    "migration.indexed=kill",
    "migration.durable=kill@2",
    "publish.begin=kill",
    "publish.done=kill",
)


class Searches:
    """The answers of a data directory, as the query service gives them."""

    def __init__(self, data: Path, milvus: Milvus) -> None:
        self._shelf = SnapshotReader(data, Engines(milvus))

    def searcher(self) -> Searcher:
        collection, deleted = self._shelf.current()
        return Searcher(collection, deleted, 0.95)

    def of(self, ids: list[str]) -> list[Any]:
        """What some images find by both metrics, and each tag of the first, exactly."""
        searcher = self.searcher()
        space = searcher.collection.visual
        assert space is not None
        told = []
        for image_id in ids:
            item = searcher.collection.find(image_id, searcher.deleted)
            assert item is not None
            vector = space.index.vector(item.ordinal)
            assert vector is not None
            for metric in Metric:
                options = SearchOptions(exact=True, metric=metric, limit=10)
                found = searcher.nearest(space, Query(vector, Mode.IMAGE), options, Stopwatch())
                told.append(_told(found))
            for tag in item.tags:
                options = SearchOptions(limit=20)
                told.append(_told(searcher.tagged(tag, options, Stopwatch())))
        return told

    def ids(self, count: int) -> list[str]:
        searcher = self.searcher()
        space = searcher.collection.visual
        assert space is not None
        ordinals = np.sort(np.concatenate([s.ordinals for s in space.index.segments]))
        chosen = np.setdiff1d(ordinals, searcher.deleted)[:: max(1, len(ordinals) // count)]
        items = [searcher.collection.item(int(ordinal)) for ordinal in chosen[:count]]
        return [item.id for item in items if item is not None]

    @property
    def engine(self) -> Engine:
        return self.searcher().collection.manifest.engine


def _told(found: SearchResult) -> list[tuple[str, float]]:
    return [(hit.id, hit.distance) for hit in found.hits]


class Reader(threading.Thread):
    """Asks the same again and again, and keeps what was answered otherwise."""

    def __init__(self, searches: Searches, ids: list[str]) -> None:
        super().__init__()
        self._searches, self._ids = searches, ids
        self._wanted = searches.of(ids)
        self._done = threading.Event()
        self.wrong: list[Any] = []
        self.answers = 0

    def run(self) -> None:
        while not self._done.is_set():
            try:
                if (found := self._searches.of(self._ids)) != self._wanted:
                    self.wrong.append(found)
            except Exception as error:  # noqa: BLE001
                self.wrong.append(error)
            self.answers += 1
            time.sleep(0.5)

    def stop(self) -> None:
        self._done.set()
        self.join()


def ended(life: Life, job: Job) -> Job:
    while not job.state.ended:
        time.sleep(0.05)
        job = life.send(indexer.get_job(job.id))
    return job


def succeeded(life: Life, job: Job) -> dict[str, Any]:
    job = ended(life, job)
    assert job.state is JobState.SUCCEEDED, job.error
    return job.result or {}


def jobs_of(life: Life) -> list[Job]:
    return life.send(indexer.list_jobs()).jobs


def going_on(life: Life, to: Engine) -> Job:
    """The migration that the process before left, or a new one."""
    for job in jobs_of(life):
        if job.kind is JobKind.MIGRATE and not job.state.ended:
            return job
    return life.send(indexer.migrate_index(MigrateRequest(to=to, sample=40)))


class Collection:
    """A data directory, and the processes that come and go on it."""

    def __init__(self, data: Path, embedder_url: str, milvus_uri: str) -> None:
        self._data, self._embedder_url, self._milvus_uri = data, embedder_url, milvus_uri
        self.searches = Searches(data, Milvus(milvus_uri))

    def life(self, engine: Engine, failpoints: str = "") -> Life:
        return Life(
            self._data,
            self._embedder_url,
            failpoints,
            ISE_LOG_LEVEL="warning",
            ISE_ENGINE=engine.value,
            ISE_MILVUS_URI=self._milvus_uri,
        )

    def moved(self, to: Engine, kills: tuple[str, ...]) -> dict[str, Any]:
        """Moves it, killed at each of some steps; gives the result of the job."""
        for kill in kills:
            with self.life(to, kill) as life:
                life.is_ready()
                for _ in range(600):
                    if life.dies_within(0.2):
                        break
                    # It may die meanwhile; a job that was killed three times is given up.
                    with suppress(Unavailable):
                        going_on(life, to)
                assert life.was_killed, f"{kill} was not reached"
        with self.life(to) as life:
            assert life.is_ready()
            # The newest, which may have ended by now; one that was killed too often is given up.
            left = ended(life, next(j for j in jobs_of(life) if j.kind is JobKind.MIGRATE))
            if left.state is JobState.FAILED and "stopped 3 times" in str(left.error):
                left = going_on(life, to)
            return succeeded(life, left)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MilvusServer]:
    """A Milvus of this test's own, which may be away."""
    pytest.importorskip("milvus_lite")
    found = MilvusServer(tmp_path / "lite.db")
    found.start()
    yield found
    found.kill()


def wait_for(server: MilvusServer) -> None:
    """Until it answers, and is asked again by who was refused."""
    end = time.monotonic() + 120
    while True:
        try:
            with Milvus(server.uri).asked() as client:
                client.list_collections()
            break
        except Unavailable:
            assert time.monotonic() < end, "it doesn't come back"
            time.sleep(0.2)
    time.sleep(1.1)


@pytest.fixture
def collection(tmp_path: Path, server: MilvusServer) -> Iterator[Collection]:
    """160 drawn pictures, indexed locally."""
    sample = draw_sample(tmp_path / "pictures", count=160, seed=3)
    (tmp_path / "data").mkdir()
    with embedding(tmp_path) as embedder:
        embedder.mount(tmp_path / "data")
        found = Collection(tmp_path / "data", embedder.url, server.uri)
        with found.life(Engine.LOCAL) as life:
            assert life.is_ready()
            succeeded(life, life.send(indexer.ingest(IngestRequest(source=str(sample)))))
        yield found


def test_milvus_may_be_away_on_the_way_and_nothing_is_lost(collection, server):
    searches = collection.searches
    ids = searches.ids(6)
    before = searches.of(ids)
    with collection.life(Engine.MILVUS, "migration.indexed=kill") as life:
        assert life.is_ready()
        going_on(life, Engine.MILVUS)
        assert life.dies_within(120)
    server.kill()
    with collection.life(Engine.MILVUS) as life:
        assert life.is_ready()
        job = ended(life, next(iter(life.send(indexer.list_jobs()).jobs)))
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert "doesn't answer" in job.error
        assert "ISE_MILVUS_URI" in job.error
        assert searches.engine is Engine.LOCAL
        assert searches.of(ids) == alike(before)

        server.start()
        wait_for(server)
        result = succeeded(life, going_on(life, Engine.MILVUS))
        assert result["report"]["different"] == 0
        assert searches.engine is Engine.MILVUS
        assert searches.of(ids) == alike(before)


def test_a_collection_goes_to_milvus_and_back_and_every_answer_stays(collection):
    searches = collection.searches
    ids = searches.ids(12)
    with collection.life(Engine.LOCAL) as life:
        assert life.is_ready()
        with pytest.raises(Conflict, match="Set ISE_ENGINE=milvus"):
            life.send(indexer.migrate_index(MigrateRequest(to=Engine.MILVUS)))
    with collection.life(Engine.MILVUS, "migration.indexed=kill") as life:
        assert life.is_ready()
        going_on(life, Engine.MILVUS)
        # While vectors are on their way, one of them is deleted.
        life.send(indexer.delete_image(ids.pop()))
        assert life.dies_within(120)
    reader = Reader(searches, ids[:2])
    before = searches.of(ids)
    reader.start()
    try:
        result = collection.moved(Engine.MILVUS, KILLS)
        assert searches.engine is Engine.MILVUS
        report = result["report"]
        assert report["different"] == 0
        assert report["images"] == 40
        assert report["terms"] == report["filters"] > 10
        assert searches.of(ids) == alike(before)

        result = collection.moved(Engine.LOCAL, KILLS)
        assert searches.engine is Engine.LOCAL
        assert result["report"]["different"] == 0
        assert searches.of(ids) == alike(before)
    finally:
        reader.stop()
    assert not reader.wrong
    assert reader.answers > 10

    # The snapshots of the other engine are there to go back to.
    with collection.life(Engine.LOCAL) as life:
        assert life.is_ready()
        told = life.send(indexer.list_snapshots()).snapshots
        moved = [one.number for one in told if one.reason == "migration"]
        life.send(indexer.activate_snapshot(moved[1]))
        assert searches.engine is Engine.MILVUS
        assert searches.of(ids) == alike(before)
