"""A training waits for an embedder that is busy or away, rather than fail."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.clients import embedder as of_embedder
from shared.clients import indexer
from shared.clients.transport import Client
from shared.contracts.embedder import TrainingEvent, TrainingSettings, TrainRequest
from shared.contracts.indexer import TrainMatchingRequest
from shared.contracts.jobs import Job, JobState
from shared.core.errors import Overloaded
from tests.e2e.replica import Replica
from tests.indexer.running import Service, until
from tests.indexer.training import QUICK, tagged_folder

LONG = TrainingSettings(epochs=1000, patience=1000, batch_size=8, hidden=4096)


def begun(service: Service) -> Job:
    """A training that is under way, and long."""
    asked = indexer.train_matching(TrainMatchingRequest(settings=LONG))
    job = service.send(asked)
    comes_to(service, job, "epoch")
    return job


def comes_to(service: Service, job: Job, stage: str) -> None:
    def is_there() -> bool:
        now = service.send(indexer.get_job(job.id))
        assert not now.state.ended, now
        return stage in (now.progress.stage or "")

    until(is_there)


@pytest.mark.slow
def test_one_training_waits_for_another(service, embedder, folder_of, tmp_path):
    service.ingest(tagged_folder(folder_of), build=False)
    first = begun(service)
    [folder] = (service.data / "training").iterdir()
    shutil.copytree(folder, tmp_path / "kept")
    service.send(indexer.cancel_job(first.id))
    assert service.ended(first).state is JobState.CANCELLED
    shutil.copytree(tmp_path / "kept", service.data / "training" / "somebody")
    request = TrainRequest(training_set="somebody", settings=LONG)
    with Client(embedder.url) as client:
        events = until(lambda: first_of(of_embedder.train(client, request)))
        with closing(events):
            job = service.send(indexer.train_matching(QUICK))
            comes_to(service, job, "busy with another training")
    service.succeeded(job)


def first_of(events: Iterator[TrainingEvent]) -> Iterator[TrainingEvent] | None:
    """None while the training that was cancelled has not quite ended."""
    try:
        next(events)
    except Overloaded:
        return None
    return events


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    env = {"ISE_DATA_DIR": str(tmp_path / "data"), "ISE_SHUTDOWN_SECONDS": "3"}
    found = Replica("embedder", env, tmp_path / "embedder.log")
    found.start()
    yield found
    found.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_a_training_outlives_the_embedder(replica, service_at, tmp_path, folder_of, number):
    with service_at(tmp_path / "data", replica.url, embed_attempts=30) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        job = begun(service)
        replica.kill(number)
        comes_to(service, job, "waiting for the embedder")
        replica.start()
        comes_to(service, job, "epoch")
        service.send(indexer.cancel_job(job.id))
        assert service.ended(job).state is JobState.CANCELLED


@pytest.mark.slow
def test_an_embedder_that_stays_away_fails_a_training(replica, service_at, tmp_path, folder_of):
    with service_at(tmp_path / "data", replica.url, embed_attempts=2) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        job = begun(service)
        replica.kill()
        assert replica.url in service.failed(job)
        assert list((service.data / "training").iterdir()) == []
