"""Several workers on one PostgreSQL: leases, parts, turns, and what keeps a late one out."""

import os
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from services.indexer.catalog.lease_fence import LeaseLost, fenced
from services.indexer.catalog.locks import PublishLock, WorkerPresence
from services.indexer.catalog.schema import jobs
from services.indexer.ingest import distributed
from services.indexer.jobs.context import Cancelled, JobContext
from services.indexer.jobs.leases import Leases
from services.indexer.jobs.runner import JobRunner
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import SourceFile
from services.indexer.storage.feature_store import FeatureStore
from shared.clients import indexer
from shared.contracts.jobs import JobKind, JobState, Progress
from shared.core.errors import CatalogueAway
from shared.objects.file import FarFile, LocalFile
from tests.indexer.following import Collection
from tests.indexer.members import Member

INGEST = JobKind.INGEST


@pytest.fixture
def late(member: Callable[..., Member]) -> tuple[Member, Member, str]:
    """A worker whose job another one has by now, that one, and the job."""
    slow, other = member(), member()
    job = slow.jobs.add(INGEST, {})
    assert slow.jobs.start_next() is not None
    slow.expire()
    other.jobs.requeue_interrupted()
    assert other.jobs.start_next() is not None
    return slow, other, job.id


def test_one_job_runs_at_a_time_whoever_has_it(member):
    one, other = member(), member()
    first, second = one.jobs.add(INGEST, {}), one.jobs.add(INGEST, {})
    assert one.jobs.start_next().id == first.id
    other.jobs.requeue_interrupted()
    assert other.jobs.start_next() is None
    one.jobs.finish(first.id, JobState.SUCCEEDED)
    assert other.jobs.start_next().id == second.id


def test_what_is_renewed_is_not_given_away(member, until):
    one, other = member(lease_s=2), member()
    job = one.jobs.add(INGEST, {})
    one.jobs.start_next()
    leases, let_go = Leases(one.worker), threading.Event()
    leases.start()
    try:
        with leases.holding(lambda: one.jobs.renew(job.id), let_go):
            for _ in range(30):
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
    job = slow.jobs.add(INGEST, {})
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
    job = slow.jobs.add(INGEST, {})
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
    job = one.jobs.add(INGEST, {})
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
    job = leader.jobs.add(INGEST, {})
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


def test_two_indexers_share_an_ingest_and_tell_the_same(
    start, url, folder_of, monkeypatch, picture
):
    monkeypatch.setattr(distributed, "PART_FILES", 4)
    monkeypatch.setattr("services.indexer.ingest.service.PART_FILES", 4)
    source = folder_of({f"{n}.png": n for n in range(40)})
    with start(database_url=url, embed_batch=1) as one, start(database_url=url) as other:
        job = one.ingest(source, clusters=4)
        found = other.send(indexer.get_job(job.id))
        assert found == job
        assert (found.result["files"], found.result["embedded"]) == (40, 40)
        assert other.send(indexer.get_stats()).images == 40
        assert other.finds_itself(picture(7))
        # What one takes in, the other has.
        added = other.add(picture(99))[0]
        assert one.finds_itself(picture(99))
        one.http.delete(f"/v1/images/{added.id}").raise_for_status()
        assert other.http.get(f"/v1/images/{added.id}").status_code == 404
        assert not other.finds_itself(picture(99))


def test_any_worker_cancels_what_another_one_runs(member, until):
    one, other = member(lease_s=1), member()
    began = threading.Event()

    def work(request, job):
        began.set()
        until(lambda: job.check_cancelled())

    runner = JobRunner(one.jobs, {INGEST: work}, lambda: None)
    runner.start()
    try:
        job = runner.submit(INGEST, {})
        assert began.wait(30)
        assert other.jobs.cancel(job.id).state is JobState.RUNNING
        assert until(lambda: (j := other.jobs.get(job.id)).state.ended and j).state is (
            JobState.CANCELLED
        )
    finally:
        runner.stop(10)


def test_nobody_goes_on_with_parts_of_a_cancelled_job(member):
    one, other = member(), member()
    job = one.jobs.add(INGEST, {})
    one.jobs.start_next()
    one.parts.plan(job.id, [{}, {}])
    part = other.parts.take()
    assert other.parts.renew(part)
    one.jobs.cancel(job.id)
    assert not other.parts.renew(part)
    assert other.parts.take() is None


def test_two_workers_may_tell_of_one_failure(member):
    one, other = member(), member()
    job = one.jobs.add(INGEST, {})
    threads = [
        threading.Thread(target=worker.jobs.fail_item, args=(job.id, f"{n}.png", "broken"))
        for n in range(20)
        for worker in (one, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.jobs.failures(job.id).total == 20
    one.jobs.fail_item(job.id, "3.png", "gone")
    assert {f.reason for f in one.jobs.failures(job.id).failures if f.path == "3.png"} == {"gone"}


def test_what_can_not_be_taken_fails_alone_also_where_an_ingest_is_divided(member, tmp_path):
    """Not even its address need be one that is read."""
    one = member()
    job = one.jobs.add(INGEST, {})
    one.jobs.start_next()
    root = Path(os.fsdecode(b"/caf\xe9"))
    files = [
        SourceFile(FarFile(path, lambda _: b""), path, error="It is no path.")
        for path in (r"zip://a\b.png::/c.zip", "gone://b/a.png", "s3://elsewhere/a.png")
    ] + [SourceFile(LocalFile(root / "a.png", [root]), "a.png")]
    reach = Resolver(roots=[tmp_path])
    shared = distributed.DistributedIngest(one.jobs, one.parts, Leases(one.worker), reach, reach)
    taken: list[SourceFile] = []

    def take(task: distributed.Task, _: JobContext) -> distributed.IngestResult:
        taken.extend(task.files)
        return distributed.IngestResult()

    context = JobContext(lambda *_: None, lambda *_: None, threading.Event(), job.id)
    shared.run(distributed.Task(files, "m", "m"), context, take)
    assert [(file.path, file.error) for file in taken] == [(f.path, f.error) for f in files]
    assert taken[-1].file.roots == [root]


@pytest.mark.parametrize("confined", [True, False])
def test_a_confined_request_is_so_on_every_worker_also_within_archives(member, tmp_path, confined):
    one = member()
    job = one.jobs.add(INGEST, {})
    one.jobs.start_next()
    outside = tmp_path / "outside" / "a.zip"
    outside.parent.mkdir()
    with zipfile.ZipFile(outside, "w") as made:
        made.writestr("a.png", b"picture")
    anywhere = Resolver()
    shared = distributed.DistributedIngest(
        one.jobs,
        one.parts,
        Leases(one.worker),
        anywhere,
        anywhere.within([tmp_path / "inside"]),
    )
    where = anywhere.address(f"zip://a.png::{outside}")
    taken: list[SourceFile] = []

    def take(task: distributed.Task, _: JobContext) -> distributed.IngestResult:
        taken.extend(task.files)
        return distributed.IngestResult()

    context = JobContext(lambda *_: None, lambda *_: None, threading.Event(), job.id)
    # Whoever planned it could read it; another worker is told by the task alone.
    file = SourceFile(anywhere.file(where), "a.png")
    shared.run(distributed.Task([file], "m", "m", confined=confined), context, take)
    [found] = taken
    if confined:
        assert "outside" in str(found.error)
    else:
        assert (found.error, found.file.read(1000)) == (None, b"picture")


def test_a_part_that_is_lost_does_not_cancel_the_job(member, tmp_path):
    one = member()
    job = one.jobs.add(INGEST, {})
    one.jobs.start_next()
    shared = distributed.DistributedIngest(
        one.jobs, one.parts, Leases(one.worker), Resolver(), Resolver()
    )
    context = JobContext(lambda *_: None, lambda *_: None, threading.Event(), job.id)

    def lose(task: object, part: JobContext) -> None:
        # What the lease's thread does where the part is another worker's by now.
        context.cancelled.set()
        part.check_cancelled()

    task = distributed.Task([SourceFile(LocalFile(tmp_path / "a.png"), "a.png")], "m", "m")
    with pytest.raises(LeaseLost):
        shared.run(task, context, lose)
    context.cancelled.clear()

    def cancel(task: object, part: JobContext) -> None:
        one.jobs.cancel(job.id)
        lose(task, part)

    with pytest.raises(Cancelled):
        shared.run(task, context, cancel)
