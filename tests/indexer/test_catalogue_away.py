"""What workers do while their PostgreSQL is away, or ends their connections."""

import threading

import pytest

from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.lease_fence import LeaseLost, fenced
from services.indexer.catalog.locks import PublishLock, WorkerPresence
from services.indexer.jobs.leases import Leases
from shared.contracts.jobs import JobKind
from shared.core.errors import CatalogueAway
from tests.indexer.members import Member
from tests.postgres import need_installed, running

INGEST = JobKind.INGEST


@pytest.mark.slow
def test_leases_and_presence_go_on_once_the_server_is_back(until):
    need_installed()
    with running() as server:
        url = server.new()
        one = Member(url, lease_s=1)
        job = one.jobs.add(INGEST, {})
        one.jobs.start_next()
        presence = WorkerPresence(one.database)
        presence.admit()
        leaving = WorkerPresence(one.database)
        beats: list[bool | None] = []
        let_go = threading.Event()

        def renew() -> bool:
            # None until the server answers.
            beats.append(None)
            beats[-1] = one.jobs.renew(job.id)
            return bool(beats[-1])

        leases = Leases(one.worker, presence.renew)
        leases.start()
        with leases.holding(renew, let_go):
            until(lambda: beats)
            server.stop()
            until(lambda: beats.count(None) > 2)
            for each in (presence, leaving):
                with pytest.raises(CatalogueAway):
                    each.renew()
            # A worker may be stopped meanwhile.
            leaving.end()
            server.start()
            until(lambda: beats[-3:] == [True] * 3)
            assert not let_go.is_set()
        leases.stop()
        other = Member(url, lease_s=1)
        late = WorkerPresence(other.database)
        assert not late.is_first
        for ended in (late, presence):
            ended.end()
        for member in (one, other):
            member.database.close()


def test_a_turn_that_the_server_ended_is_told_to_who_waits_for_an_answer(postgres, url):
    turn = PublishLock(Database(url))
    with turn:
        postgres.end_connections(url)
        with pytest.raises(CatalogueAway, match="ended the connection"):
            turn.check()
        with fenced(lambda db: None), pytest.raises(LeaseLost):
            turn.check()


def test_a_server_that_is_away_is_told_and_waited_for(tmp_path):
    need_installed()
    with running() as server:
        database = Database(server.new())
        images = Images(database)
        assert images.count() == 0
        server.stop()
        with pytest.raises(CatalogueAway, match=r"can't be reached.*ISE_DATABASE_URL") as told:
            images.count()
        assert "not-told" not in told.value.detail
        server.start()
        assert images.count() == 0
        database.close()
