"""`kill -9` at random moments loses nothing that was acknowledged."""

import os
import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.query.search.searcher import Searcher
from services.query.search.snapshot_reader import SnapshotReader
from shared.clients import indexer
from shared.clients.embedder import list_models
from shared.clients.transport import Client
from shared.contracts.features import FeaturesRequest, ImportRequest
from shared.contracts.indexer import IngestRequest, ReembedRequest
from shared.contracts.jobs import JobState
from shared.core.errors import ISEError
from shared.media.identity import content_id
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]


class Process:
    """The real indexer, as a process that can be killed and started again."""

    def __init__(self, data: Path, embedder_url: str, until: Any) -> None:
        port = free_port()
        self.data = data
        self.client = Client(f"http://127.0.0.1:{port}")
        self.until = until
        self._environment = {
            **os.environ,
            "ISE_DATA_DIR": str(data),
            "ISE_INDEXER_PORT": str(port),
            "ISE_EMBEDDER_URL": embedder_url,
            "ISE_EMBED_BATCH": "1",
            "ISE_EMBED_CONCURRENCY": "1",
            "ISE_LOG_LEVEL": "error",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.indexer"], cwd=REPOSITORY, env=self._environment
        )
        self.until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the indexer did not start"
        try:
            self.send(indexer.get_stats())
        except ISEError:
            return False
        return True

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def send(self, call: Any) -> Any:
        return self.client.send(call)

    def images(self) -> int:
        return self.send(indexer.get_stats()).images

    def goes_on(self, job_id: str) -> None:
        """Waits until the job has recorded more, or has nothing more to record."""
        before = self.images()
        self.until(
            lambda: self.images() != before or self.send(indexer.get_job(job_id)).state.ended
        )


@pytest.fixture
def process(embedder, tmp_path, until):
    embedder.mount(tmp_path / "data")
    found = Process(tmp_path / "data", embedder.url, until)
    found.start()
    yield found
    found.kill()
    found.client.close()


def searched(data: Path) -> tuple[set[str], Searcher]:
    """Ids of all images that are published and not deleted."""
    collection, dead = SnapshotReader(data).current()
    searcher = Searcher(collection, dead, 0.95)
    segments = collection.visual.index.segments if collection.visual else []
    ordinals = {o for segment in segments for o in segment.ordinals.tolist()} - set(dead.tolist())
    return {collection.item(o).id for o in ordinals}, searcher


def left_over(data: Path) -> list[Path]:
    return [path for path in data.rglob("*") if path.name.endswith(".tmp")]


def check_files(process: Process) -> None:
    """No temporary file, no training set, and no segment that no snapshot has."""
    assert left_over(process.data) == []
    training = process.data / "training"
    assert not training.exists() or not list(training.iterdir())


def survives_kills_during_an_ingest(process, root, count, kills, dice, until) -> None:
    job = process.send(indexer.ingest(IngestRequest(source=str(root))))
    for _ in range(kills):
        if process.images() == count:
            break
        process.goes_on(job.id)
        # Anywhere between two records, or in one.
        threading.Event().wait(dice.uniform(0, 0.3))
        process.kill()
        process.start()
    done = until(lambda: (j := process.send(indexer.get_job(job.id))).state.ended and j)
    assert (done.state, done.error) == (JobState.SUCCEEDED, None)
    assert (done.progress.done, done.progress.total, done.progress.failed) == (count, count, 0)
    assert done.result["images"] == process.images() == count
    assert done.result["already_there"] > 0
    assert len(searched(process.data)[0]) == count
    check_files(process)


def survives_kills_during_changes(process, pictures, kills, dice) -> None:
    """Adds and deletes until killed; afterwards each acknowledged change must hold."""
    present: set[str] = set()
    deleted: set[str] = set()
    unsure: set[str] = set()
    left = list(pictures)

    def change_until_killed() -> None:
        while True:
            image_id = ""
            try:
                if dice.random() < 0.7 or not present:
                    data = left.pop() if left else dice.choice(pictures)
                    image_id = content_id(data)
                    unsure.add(image_id)
                    process.send(indexer.add_images([("x.png", data)], [f"t{len(present)}"]))
                    present.add(image_id)
                    deleted.discard(image_id)
                else:
                    image_id = dice.choice(sorted(present))
                    unsure.add(image_id)
                    process.send(indexer.delete_image(image_id))
                    present.discard(image_id)
                    deleted.add(image_id)
            except ISEError:
                return
            unsure.discard(image_id)

    for _ in range(kills):
        changing = threading.Thread(target=change_until_killed)
        changing.start()
        threading.Event().wait(dice.uniform(0.1, 1.5))
        process.kill()
        changing.join()
        process.start()
        found, _ = searched(process.data)
        assert present - unsure <= found
        assert not (deleted - unsure) & found
        for image_id in present - unsure:
            assert process.send(indexer.get_image_file(image_id))[1] == "image/png"
        # Soon: at its start it may still be publishing what it found unpublished.
        process.until(lambda: left_over(process.data) == [])
        # What was under way was promised to nobody: it may show now, later, or never.
        present -= unsure
        deleted -= unsure
        unsure.clear()
    data = pictures[0]
    process.send(indexer.add_images([("again.png", data)]))
    found, searcher = searched(process.data)
    assert content_id(data) in found
    item = searcher.collection.find(content_id(data), searcher.deleted)
    vector = searcher.collection.visual.index.vector(item.ordinal)
    assert vector is not None
    check_files(process)


def folder(folder_of, count: int) -> Path:
    return folder_of({f"{['dog', 'car'][n % 2]}/{n}.png": n for n in range(count)})


@pytest.fixture
def dice() -> random.Random:
    return random.Random()


@pytest.mark.slow
def test_an_ingest_that_is_killed_goes_on_by_itself(process, folder_of, dice, until):
    survives_kills_during_an_ingest(process, folder(folder_of, 130), 130, 2, dice, until)


@pytest.mark.slow
def test_acknowledged_changes_survive_kills(process, picture, dice):
    survives_kills_during_changes(process, [picture(seed) for seed in range(60)], 3, dice)


@pytest.mark.slow
def test_an_import_that_is_killed_goes_on_by_itself(process, tmp_path, until):
    rows = 40_000
    np.save(tmp_path / "f.npy", np.random.default_rng(0).normal(size=(rows, 8)))
    request = ImportRequest(source=str(tmp_path / "f.npy"), model="m", clusters=4)
    job = process.send(indexer.import_vectors(request))
    for _ in range(2):
        process.goes_on(job.id)
        process.kill()
        process.start()
    done = until(lambda: (j := process.send(indexer.get_job(job.id))).state.ended and j)
    assert (done.state, done.error, done.progress.failed) == (JobState.SUCCEEDED, None, 0)
    assert done.result["already_there"] > 0
    assert done.result["images"] == process.images() == rows
    assert searched(process.data)[0] == {str(row) for row in range(rows)}
    check_files(process)


@pytest.mark.slow
def test_acknowledged_vectors_survive_a_kill(process):
    for number in range(3):
        item = {"id": f"v/{number}", "vector": [1, number]}
        body = FeaturesRequest.model_validate({"model": "m", "items": [item]})
        process.send(indexer.add_features(body))
        process.kill()
        process.start()
        assert searched(process.data)[0] == {f"v/{n}" for n in range(number + 1)}


@pytest.mark.slow
def test_an_ingest_that_is_killed_many_times_goes_on_by_itself(process, folder_of, dice, until):
    survives_kills_during_an_ingest(process, folder(folder_of, 900), 900, 8, dice, until)


@pytest.mark.slow
def test_acknowledged_changes_survive_many_kills(process, picture, dice):
    survives_kills_during_changes(process, [picture(seed) for seed in range(400)], 15, dice)


@pytest.mark.slow
def test_a_sync_that_is_killed_goes_on_by_itself(process, folder_of, picture, dice, until):
    root = folder(folder_of, 60)

    def ended(job):
        return until(lambda: (j := process.send(indexer.get_job(job.id))).state.ended and j)

    # A folder that is renamed empties, so that what was deleted from it goes by `force` alone.
    sync = IngestRequest(source=str(root), sync=True, force=True)
    assert ended(process.send(indexer.ingest(sync))).state is JobState.SUCCEEDED
    for n in range(10):
        (root / ["dog", "car"][n % 2] / f"{n}.png").unlink()
    (root / "car").rename(root / "auto")
    folder_of({f"dog/{n}.png": 1000 + n for n in range(50, 60, 2)})
    folder_of({f"new/{n}.png": 2000 + n for n in range(60)})
    job = process.send(indexer.ingest(sync))
    for _ in range(2):
        process.goes_on(job.id)
        threading.Event().wait(dice.uniform(0, 0.3))
        process.kill()
        process.start()
    done = ended(job)
    assert (done.state, done.error) == (JobState.SUCCEEDED, None)
    wanted = {content_id(path.read_bytes()) for path in root.rglob("*.png")}
    assert searched(process.data)[0] == wanted
    assert process.images() == len(wanted) == 110
    again = ended(process.send(indexer.ingest(sync))).result
    assert (again["embedded"], again["unchanged"]) == (0, 110)
    assert process.send(indexer.get_image(content_id(picture(11)))).tags == ["auto"]
    check_files(process)


@pytest.mark.slow
def test_a_change_of_the_model_survives_a_kill(
    embedder, other_embedder, service_at, tmp_path, folder_of, until, monkeypatch
) -> None:
    """What the new model has made of a picture, it isn't asked for again."""
    # It is asked for each picture by itself.
    monkeypatch.setattr("tests.indexer.running.PATIENCE_S", 600)
    count, data = 2000, tmp_path / "data"
    for one in (embedder, other_embedder):
        one.mount(data)
    with Client(other_embedder.url) as client:
        model = client.send(list_models()).visual.fingerprint
    with service_at(data, embedder.url) as service:
        service.ingest(folder_of({f"{n}.png": n for n in range(count)}), build=False)
    process = Process(data, f"{embedder.url},{other_embedder.url}", until)

    def embedded() -> int:
        shards = (data / "features" / model).glob("0*.npy")
        return sum(len(np.load(path)) for path in shards)

    def recorded() -> int:
        with closing(sqlite3.connect(data / "catalog.sqlite", timeout=30)) as db:
            query = "SELECT count(*) FROM features WHERE fingerprint = ?"
            found: int = db.execute(query, [model]).fetchone()[0]
            return found

    process.start()
    try:
        job = process.send(indexer.reembed_index(ReembedRequest()))
        # Features come first; a kill between the two leaves them to nobody.
        until(recorded)
        process.kill()
        assert 0 < recorded() < count
        process.start()
        until(lambda: process.send(indexer.get_job(job.id)).state is JobState.SUCCEEDED)
        assert embedded() == process.images() == count
        assert SnapshotReader(data).current()[0].visual.fingerprint == model
        check_files(process)
    finally:
        process.kill()
        process.client.close()
