"""Several workers on one PostgreSQL: leases, parts, turns, and what keeps a late one out."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from services.indexer.catalog.lease_fence import LeaseLost, fenced
from services.indexer.catalog.locks import PublishLock, WorkerPresence
from services.indexer.catalog.schema import jobs
from services.indexer.jobs.leases import Leases
from services.indexer.storage.feature_store import FeatureStore
from shared.contracts.jobs import JobKind, JobState, Progress
from shared.core.errors import CatalogueAway
from tests.indexer.following import Collection
from tests.indexer.members import Member


@pytest.fixture
def late(member: Callable[..., Member]) -> tuple[Member, Member, str]:
    """A worker whose job another one has by now, that one, and the job."""
    slow, other = member(), member()
    job = slow.jobs.add(JobKind.INGEST, {})
    assert slow.jobs.start_next() is not None
    slow.expire()
    other.jobs.requeue_interrupted()
    assert other.jobs.start_next() is not None
    return slow, other, job.id


def test_one_job_runs_at_a_time_whoever_has_it(member):
    one, other = member(), member()
    first, second = one.jobs.add(JobKind.INGEST, {}), one.jobs.add(JobKind.INGEST, {})
    assert one.jobs.start_next().id == first.id
    other.jobs.requeue_interrupted()
    assert other.jobs.start_next() is None
    one.jobs.finish(first.id, JobState.SUCCEEDED)
    assert other.jobs.start_next().id == second.id


@pytest.mark.slow
def test_what_is_renewed_is_not_given_away(member, until):
    # Longer than a busy machine may stand still.
    one, other = member(lease_s=6), member()
    job = one.jobs.add(JobKind.INGEST, {})
    one.jobs.start_next()
    leases, let_go = Leases(one.worker), threading.Event()
    leases.start()
    try:
        with leases.holding(lambda: one.jobs.renew(job.id), let_go):
            for _ in range(80):
                time.sleep(0.1)
                other.jobs.requeue_interrupted()
                assert other.jobs.start_next() is None
            other.jobs.cancel(job.id)
            until(let_go.is_set)
    finally:
        leases.stop()


def test_a_worker_that_stands_still_while_it_notes_holds_up_nobody(member, monkeypatch):
    monkeypatch.setattr("services.indexer.catalog.postgres._STILL", "1s")
    slow, other = member(), member()
    job = slow.jobs.add(JobKind.INGEST, {})
    slow.jobs.start_next()
    slow.expire()

    def stand_still() -> None:
        with slow.database.note() as db:
            slow.database.kind.begin_taking(db)
            db.execute(update(jobs).values(slow.worker.lease()))
            # Both wait for what it holds, until the server ends its connection.
            other.jobs.requeue_interrupted()
            assert other.jobs.start_next().id == job.id
            db.execute(select(jobs.c.id))

    with pytest.raises(CatalogueAway):
        stand_still()
    assert not slow.jobs.renew(job.id)
    assert other.jobs.renew(job.id)


def test_a_late_worker_can_no_longer_tell_end_or_put_back_the_job(late):
    slow, other, job_id = late
    with pytest.raises(LeaseLost):
        slow.jobs.progress(job_id, Progress(done=1, total=2))
    with pytest.raises(LeaseLost):
        slow.jobs.finish(job_id, JobState.FAILED, "late")
    slow.jobs.put_back(job_id)
    slow.jobs.excuse_running()
    assert not slow.jobs.renew(job_id)
    assert other.jobs.renew(job_id)
    assert other.jobs.was_interrupted(job_id)
    assert other.jobs.get(job_id).state is JobState.RUNNING


def test_a_late_worker_records_nothing(late, entry):
    slow, other, job_id = late
    with fenced(lambda db: slow.jobs.check(job_id, db)), pytest.raises(LeaseLost):
        slow.images.record([entry("a")], {})
    assert other.images.count() == 0
    with fenced(lambda db: other.jobs.check(job_id, db)):
        other.images.record([entry("a")], {})
    assert slow.images.count() == 1


def test_a_late_worker_publishes_nothing(late, url, tmp_path, folder_of):
    slow, _, job_id = late
    collection = Collection(tmp_path, url=url)
    collection.ingest(folder_of({"a.png": 1}))
    before = collection.current.manifest()
    with fenced(lambda db: slow.jobs.check(job_id, db)), pytest.raises(LeaseLost):
        collection.publisher.activate(before.number)
    assert collection.index.snapshots.current() == before
    assert collection.publisher.activate(before.number).number == before.number + 1
    collection.database.close()


def test_what_a_worker_is_about_to_record_is_not_taken_from_it(member, entry):
    slow, other = member(), member()
    job = slow.jobs.add(JobKind.INGEST, {})
    slow.jobs.start_next()
    slow.expire()
    taken = threading.Thread(target=other.jobs.requeue_interrupted)
    with fenced(lambda db: slow.jobs.check(job.id, db)), slow.database.write():
        taken.start()
        taken.join(0.2)
        assert taken.is_alive()
    taken.join()
    assert other.jobs.start_next().id == job.id


def test_each_part_is_taken_once_and_again_where_its_worker_ended(member):
    one, other, slow = member(), member(), member()
    job = one.jobs.add(JobKind.INGEST, {})
    one.jobs.start_next()
    tasks = [{"n": n} for n in range(3)]
    plan = one.parts.plan(job.id, tasks)
    lost = slow.parts.take()
    assert [lost.number, one.parts.take(job.id).number, other.parts.take().number] == [0, 1, 2]
    slow.expire()
    again = other.parts.take()
    assert (again.number, again.task) == (0, {"n": 0})
    for late in (
        lambda: slow.parts.finish(lost, 1, 0, {}),
        lambda: slow.parts.fail(lost, "late"),
        lambda: slow.parts.tell(lost, 1, 0, True),
    ):
        with pytest.raises(LeaseLost):
            late()
    other.parts.finish(again, 5, 1, {"files": 5})
    standing = one.parts.standing(job.id, plan)
    assert (standing.done, standing.failed, standing.open, standing.error) == (5, 1, 2, None)
    assert one.parts.plan(job.id, tasks) == plan, "what is divided already goes on"
    assert one.parts.standing(job.id, plan) == standing
    assert one.parts.standing(job.id, one.parts.plan(job.id, tasks[:1])).open == 1


def test_a_part_that_ends_each_worker_fails_the_job(member):
    leader, doomed = member(), member()
    job = leader.jobs.add(JobKind.INGEST, {})
    leader.jobs.start_next()
    plan = leader.parts.plan(job.id, [{}])
    for _ in range(3):
        assert doomed.parts.take() is not None
        doomed.expire()
    assert doomed.parts.take() is None
    assert "stopped 3 times" in leader.parts.standing(job.id, plan).error


def test_one_worker_at_a_time_has_the_turn(member):
    one, other = PublishLock(member().database), PublishLock(member().database)
    got: list[str] = []

    def wait() -> None:
        with other:
            got.append("other")

    with one, one:
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.3)
        assert got == []
        got.append("one")
    waiting.join()
    assert got == ["one", "other"]


def test_the_first_worker_tidies_up_before_another_starts(member):
    first = WorkerPresence(member().database)
    assert first.is_first
    second: list[WorkerPresence] = []
    database = member().database
    starting = threading.Thread(target=lambda: second.append(WorkerPresence(database)))
    starting.start()
    starting.join(0.3)
    assert second == []
    first.admit()
    starting.join()
    assert not second[0].is_first
    first.end()
    second[0].end()
    third = WorkerPresence(member().database)
    assert third.is_first
    third.end()


def test_two_workers_never_write_the_same_shard(tmp_path: Path):
    stores = [FeatureStore(tmp_path) for _ in range(4)]
    rows = [np.full((2, 3), n, np.float32) for n in range(40)]
    shards: dict[int, int] = {}

    def write(start: int) -> None:
        for n in range(start, 40, 4):
            shards[n] = stores[start].append("m", rows[n])

    threads = [threading.Thread(target=write, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(shards.values())) == 40
    for n, shard in shards.items():
        assert (np.load(tmp_path / "features" / "m" / f"{shard:08d}.npy") == n).all()
