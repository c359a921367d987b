"""The watch that all tests of the indexer run under sees what it is there for."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.indexer.catalog.locks import PublishLock
from shared.clients import embedder
from shared.clients.transport import Client
from shared.core.errors import Unavailable
from shared.objects.address import Address
from shared.objects.store import Objects
from tests.indexer import lock_audit
from tests.indexer.s3 import CREDENTIALS


@pytest.fixture
def asked():
    """Asks an embedder that isn't there; gives what the watch told."""

    def ask():
        with Client("http://127.0.0.1:9") as client, pytest.raises(Unavailable):
            client.send(embedder.list_models())
        told, lock_audit.found[:] = list(lock_audit.found), []
        return told

    return ask


def test_a_call_under_the_lock_of_publications_or_a_transaction_fails_a_test(
    database, asked, monkeypatch
):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    lock = PublishLock(database)
    assert asked() == []
    with lock, lock:
        assert asked() == ["HTTP under the lock of publications"]
    with database.read(), lock:
        pass
    assert lock_audit.found == ["a wait for the lock of publications under a transaction (read)"]
    lock_audit.found.clear()
    with database.write():
        assert asked() == ["HTTP under a transaction (write)"]
    with database.read(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked).result() == ["HTTP under a transaction (read)"]
    with lock, pytest.raises(Unavailable):
        Objects("http://127.0.0.1:9").look(Address.parse("s3://bucket/key"))
    assert lock_audit.found == ["the store's look under the lock of publications"]
    lock_audit.found.clear()
    assert asked() == []
