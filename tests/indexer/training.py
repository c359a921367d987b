"""What tests of trainings, builds and snapshots do alike."""

from shared.clients import indexer
from shared.contracts.embedder import TrainingSettings
from shared.contracts.indexer import TrainMatchingRequest
from shared.core.errors import InvalidInput

OTHER = TrainMatchingRequest(settings=TrainingSettings(epochs=2, batch_size=8, hidden=24))
QUICK = TrainMatchingRequest(settings=TrainingSettings(epochs=2, batch_size=8, hidden=16))


def tagged_folder(folder_of, count: int = 24):
    return folder_of({f"{['dog', 'car'][n % 2]}/{n}.png": n for n in range(count)})


def broken_off(*_, **__):
    raise InvalidInput("broken off")


def train(service):
    return service.succeeded(service.send(indexer.train_matching(QUICK)))


def current(service) -> int:
    return next(s.number for s in service.send(indexer.list_snapshots()).snapshots if s.current)


def wait_until_cancelled(request, job):
    """Work that goes on until it's cancelled."""
    job.stage("waiting")
    job.cancelled.wait(60)
    job.check_cancelled()
    return {}
