"""Several workers share one job: its parts, its cancellation, its failures."""

import os
import threading
import zipfile
from pathlib import Path

import pytest

from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.ingest import distributed
from services.indexer.jobs.context import Cancelled, JobContext
from services.indexer.jobs.leases import Leases
from services.indexer.jobs.runner import JobRunner
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import SourceFile
from shared.clients import indexer
from shared.contracts.jobs import JobKind, JobState
from shared.objects.file import FarFile, LocalFile


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

    runner = JobRunner(one.jobs, {JobKind.INGEST: work}, lambda: None)
    runner.start()
    try:
        job = runner.submit(JobKind.INGEST, {})
        assert began.wait(120)
        assert other.jobs.cancel(job.id).state is JobState.RUNNING
        assert until(lambda: (j := other.jobs.get(job.id)).state.ended and j).state is (
            JobState.CANCELLED
        )
    finally:
        runner.stop(10)


def test_nobody_goes_on_with_parts_of_a_cancelled_job(member):
    one, other = member(), member()
    job = one.jobs.add(JobKind.INGEST, {})
    one.jobs.start_next()
    one.parts.plan(job.id, [{}, {}])
    part = other.parts.take()
    assert other.parts.renew(part)
    one.jobs.cancel(job.id)
    assert not other.parts.renew(part)
    assert other.parts.take() is None


def test_two_workers_may_tell_of_one_failure(member):
    one, other = member(), member()
    job = one.jobs.add(JobKind.INGEST, {})
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
    job = one.jobs.add(JobKind.INGEST, {})
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
    job = one.jobs.add(JobKind.INGEST, {})
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


def test_a_sidecar_that_another_worker_may_not_read_fails_no_part(tmp_path):
    anywhere = Resolver()
    outside = tmp_path / "outside" / "a.zip"
    outside.parent.mkdir()
    with zipfile.ZipFile(outside, "w") as made:
        made.writestr("a.png", b"picture")
        made.writestr("a.xmp", b"<x/>")
    picture, beside = (
        anywhere.file(anywhere.address(f"zip://{name}::{outside}")) for name in ("a.png", "a.xmp")
    )
    named = distributed._Named.of(SourceFile(picture, "a.png", sidecar=beside))
    found = named.found(anywhere.within([tmp_path / "inside"]))
    assert "outside" in str(found.error)
    assert found.sidecar is None
    assert named.found(anywhere).sidecar.read(100) == b"<x/>"


def test_a_part_that_is_lost_does_not_cancel_the_job(member, tmp_path):
    one = member()
    job = one.jobs.add(JobKind.INGEST, {})
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
