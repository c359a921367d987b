"""Several indexers on one PostgreSQL and one data folder share an ingest."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.schema import images, jobs, locations, parts
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import IngestRequest
from shared.contracts.jobs import Job, JobState
from shared.core.errors import ISEError
from shared.engines.ivf.reader import Postings
from shared.media.identity import content_id
from shared.snapshots.store import SnapshotStore
from tests.e2e.engine import REPOSITORY, Engine
from tests.ports import free_port
from tests.postgres import Server

PHOTOS = 2500
PATIENCE_S = 300


class Worker:
    """One more indexer, as a process."""

    def __init__(self, engine: Engine, env: dict[str, str]) -> None:
        port = free_port()
        self.client = Client(f"http://127.0.0.1:{port}")
        settings = {
            "ISE_DATA_DIR": str(engine.data_dir),
            "ISE_INDEXER_PORT": str(port),
            "ISE_EMBEDDER_URL": engine.embedder.base_url,
            "ISE_LOG_LEVEL": "warning",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.indexer"],
            cwd=REPOSITORY,
            env={**os.environ, **settings, **env},
        )
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the indexer did not start"
        try:
            return self.client.send(indexer.get_stats()) is not None
        except ISEError:
            return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.client.close()


@contextmanager
def three_workers(
    start: Callable, postgres: Server
) -> Iterator[tuple[Engine, list[Worker], Database]]:
    """The three services, and two more indexers beside theirs."""
    env = {
        "ISE_DATABASE_URL": postgres.new(),
        "ISE_LEASE_SECONDS": "3",
        # As much as one embedder's queue holds, of all three.
        "ISE_EMBED_CONCURRENCY": "2",
    }
    with start(**env) as engine:
        more: list[Worker] = []
        database = Database(env["ISE_DATABASE_URL"])
        try:
            for _ in range(2):
                more.append(Worker(engine, env))
            yield engine, more, database
        finally:
            database.close()
            for worker in more:
                worker.end()


def pid_of(name: str) -> int:
    """The process of a worker, which its name has."""
    return int(name.split("-")[-2])


def at_work(database: Database) -> tuple[str, set[str]]:
    """Who runs the job, and who helps."""
    with database.read() as db:
        leader = db.execute(select(jobs.c.worker).where(jobs.c.state == "running")).scalar()
        found = db.execute(select(parts.c.worker).where(parts.c.state == "running")).scalars()
        return leader or "", {name for name in found if name} - {leader}


def until(condition: Callable[[], Any]) -> Any:
    """Waits for something, and gives it; the server may give one that stands still a minute."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return found


def ended(client: Client, job: Job) -> Job:
    found: Job = until(lambda: (j := client.send(indexer.get_job(job.id))).state.ended and j)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("victim", "blow"),
    [("leader", signal.SIGKILL), ("helper", signal.SIGKILL), ("leader", signal.SIGSTOP)],
)
def test_a_worker_that_is_killed_or_stands_still_half_way_loses_nothing(
    start, postgres, reference, tmp_path, victim, blow
):
    folder = reference / "photos" / "tiny-imagenet"
    photos = random.Random(7).sample(sorted(folder.glob("*/*.JPEG")), PHOTOS)
    lines = [json.dumps({"path": str(p), "tags": [p.parent.name]}) for p in photos]
    manifest = tmp_path / "photos.jsonl"
    manifest.write_text("\n".join(lines))
    ids = {content_id(photo.read_bytes()) for photo in photos}
    with three_workers(start, postgres) as (engine, more, database):
        # Asked of one, told by another.
        asked = IngestRequest(source=str(manifest), clusters=40)
        first = more[0].client.send(indexer.ingest(asked))
        ask = engine.indexer.send
        seen: set[str] = set()

        def half_way() -> str | None:
            leader, helpers = at_work(database)
            seen.update(helpers, {leader} - {""})
            job = ask(indexer.get_job(first.id))
            assert not job.state.ended, f"it ended before all took part: {seen}"
            if job.progress.done < PHOTOS / 2 or len(seen) < 3:
                return None
            return leader if victim == "leader" else next(iter(sorted(helpers)), None)

        killed = until(half_way)
        # Whoever answers here must not be it.
        clients = [engine.indexer, *(w.client for w in more)]
        pids = [engine.group.pids()["indexer"], *(w.process.pid for w in more)]
        alive = [c for c, pid in zip(clients, pids, strict=True) if pid != pid_of(killed)]
        os.kill(pid_of(killed), blow)
        done = ended(alive[0], first)
        assert (done.state, done.error) == (JobState.SUCCEEDED, None)
        assert alive[1].send(indexer.get_job(first.id)) == done
        counts = {name: done.result[name] for name in ("files", "embedded", "already_there")}
        sys.stdout.write(f"{victim}, {blow.name}: {counts}, {done.progress}\n")
        assert (done.progress.done, done.progress.failed) == (PHOTOS, 0)
        assert done.result["embedded"] + done.result["already_there"] == PHOTOS
        if blow is signal.SIGSTOP:
            # It finds out that others went on, and leaves all as it is.
            before = SnapshotStore(engine.data_dir).current()
            os.kill(pid_of(killed), signal.SIGCONT)
            (late,) = [c for c in clients if c not in alive]
            until(lambda: late.send(indexer.get_job(first.id)) == done)
            again = ended(late, late.send(indexer.ingest(asked)))
            assert (again.result["embedded"], again.result["already_there"]) == (0, PHOTOS)
            assert before is not None
            assert again.result["snapshot"] == before.number + 1
        each_once(engine.data_dir, database, ids, {str(photo) for photo in photos})
        for photo in random.Random(1).sample(photos, 25):
            found = engine.ask(query.search_image(photo.read_bytes(), limit=1)).hits
            assert found[0].id == content_id(photo.read_bytes())


def each_once(data: Path, database: Database, ids: set[str], paths: set[str]) -> None:
    """Every photo is in the catalogue, has features, and is in the snapshot; each exactly once."""
    with database.read() as db:
        recorded = list(db.execute(select(images.c.id)).scalars())
        placed = list(db.execute(select(locations.c.path)).scalars())
    assert sorted(recorded) == sorted(ids)
    assert sorted(placed) == sorted(paths)
    store = SnapshotStore(data)
    current = store.current()
    assert current is not None
    assert current.visual is not None
    segments = [Postings(store.verified(file)) for file in current.visual.postings]
    ordinals = np.concatenate([segment.ordinals for segment in segments])
    assert len(ordinals) == len(np.unique(ordinals)) == len(ids) == current.images
    with Images(database).view() as view:
        where = view.features(current.visual.fingerprint)
        assert view.revision == current.revision
    assert sorted(where.ordinals.tolist()) == sorted(ordinals.tolist())
    folder = data / "features" / current.visual.fingerprint
    for number in np.unique(where.shards).tolist():
        path = folder / f"{number:08d}.npy"
        told = path.with_name(path.name + ".sha256").read_text().split()[0]
        assert sha256(path.read_bytes()).hexdigest() == told
        assert len(np.load(path)) > where.rows[where.shards == number].max()
