"""Jobs: the table, the runner, and what a job tells of itself."""

import threading

import pytest

from services.indexer.catalog.cursor import cursor_of
from services.indexer.catalog.jobs import JobTable
from services.indexer.jobs.context import JobContext
from shared.contracts.jobs import JobKind, JobState, Progress
from shared.core.errors import Conflict, InvalidInput, NotFound
from tests.indexer.jobs.gate import Gate

BUILD = JobKind.BUILD


def test_a_job_is_queued_then_runs_then_succeeds_with_its_result(runner, table, ended):
    gate = Gate()
    one = runner(gate)
    job = one.submit(BUILD, {"a": 1})
    assert job.state is JobState.QUEUED
    assert gate.began.wait(60)
    assert table.get(job.id).state is JobState.RUNNING
    gate.go_on.set()
    done = ended(job)
    assert (done.state, done.result, done.error) == (JobState.SUCCEEDED, {"a": 1}, None)
    assert done.finished_at is not None
    assert done.finished_at >= done.created_at


def test_jobs_run_one_by_one_in_the_order_they_were_asked_for(runner, table, ended):
    seen: list[int] = []
    running: list[int] = []

    def work(request, job):
        running.append(request["n"])
        assert len(running) == 1
        seen.append(running.pop())
        return {}

    one = runner(work, begin=False)
    jobs = [one.submit(BUILD, {"n": n}) for n in range(8)]
    one.start()
    assert [ended(job).state for job in jobs] == [JobState.SUCCEEDED] * 8
    assert seen == list(range(8))
    assert [job.id for job in table.page().jobs] == [job.id for job in reversed(jobs)]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InvalidInput("Too many clusters."), "Too many clusters."),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: /x"),
        (ZeroDivisionError("secret"), "Unexpected ZeroDivisionError; see the log."),
        (RecursionError(), "Unexpected RecursionError; see the log."),
    ],
)
def test_a_job_that_raises_has_failed_and_the_next_one_runs(runner, ended, error, says):
    def work(request, job):
        if request:
            raise error
        return {}

    one = runner(work)
    bad, good = one.submit(BUILD, {"bad": True}), one.submit(BUILD, {})
    failed = ended(bad)
    assert (failed.state, failed.error, failed.result) == (JobState.FAILED, says, None)
    assert ended(good).state is JobState.SUCCEEDED
    assert one.alive


def test_a_result_that_cannot_be_kept_does_not_end_the_runner(runner, ended, monkeypatch):
    monkeypatch.setattr("services.indexer.jobs.runner._PAUSE_S", 0)
    one = runner(lambda request, job: {"x": object()} if request else {})
    bad = ended(one.submit(BUILD, {"bad": True}))
    assert bad.state is JobState.FAILED
    assert ended(one.submit(BUILD, {})).state is JobState.SUCCEEDED


def test_a_queued_job_is_cancelled_at_once_and_never_runs(runner, table, ended):
    gate = Gate()
    one = runner(gate)
    first, second = one.submit(BUILD, {}), one.submit(BUILD, {})
    assert gate.began.wait(60)
    assert one.cancel(second.id).state is JobState.CANCELLED
    gate.go_on.set()
    assert ended(first).state is JobState.SUCCEEDED
    assert table.get(second.id).result is None


def test_a_running_job_is_cancelled_at_its_next_step(runner, ended):
    gate = Gate()
    one = runner(gate)
    job = one.submit(BUILD, {})
    assert gate.began.wait(60)
    one.cancel(job.id)
    assert ended(job).state is JobState.CANCELLED
    assert one.alive


def test_a_cancel_between_taking_a_job_and_running_it_is_not_lost(runner, table):
    one = runner(Gate(), begin=False)
    one.submit(BUILD, {})
    taken = table.start_next()
    one.cancel(taken.id)
    one._run_one(taken)
    assert table.get(taken.id).state is JobState.CANCELLED


def test_what_has_ended_cannot_be_cancelled(runner, ended):
    one = runner(lambda request, job: {})
    job = one.submit(BUILD, {})
    ended(job)
    with pytest.raises(Conflict, match="succeeded"):
        one.cancel(job.id)
    with pytest.raises(NotFound):
        one.cancel("nobody")


def test_a_stop_interrupts_the_job_and_the_next_start_goes_on_with_it(runner, table, ended):
    gate = Gate()
    one = runner(gate)
    job = one.submit(BUILD, {"a": 1})
    assert gate.began.wait(60)
    one.stop(5)
    assert not one.alive
    assert table.get(job.id).state is JobState.QUEUED
    runner(lambda request, job: dict(request))
    assert ended(job).result == {"a": 1}


def test_a_stop_that_breaks_the_job_does_not_fail_it(runner, table):
    def work(request, job):
        began.set()
        # It breaks because of the stop, never before it.
        assert one._stopping.wait(60)
        raise RuntimeError("the connection was closed")

    began = threading.Event()
    one = runner(work)
    job = one.submit(BUILD, {})
    assert began.wait(60)
    one.stop(5)
    assert table.get(job.id).state is JobState.QUEUED


def test_a_job_whose_process_was_killed_runs_again_at_start(runner, table, ended):
    job = table.add(BUILD, {"a": 1})
    table.start_next()
    runner(lambda request, job: dict(request))
    assert ended(job).result == {"a": 1}


def test_a_job_that_ends_the_process_each_time_is_given_up(table):
    job = table.add(BUILD, {})
    for _ in range(3):
        assert table.start_next().id == job.id
        table.progress(job.id, Progress(done=5, total=9))
        table.requeue_interrupted()
    given_up = table.get(job.id)
    assert given_up.state is JobState.FAILED
    assert "3 times" in given_up.error
    assert table.start_next() is None


def test_a_job_that_gets_further_each_time_is_not_given_up(table):
    job = table.add(BUILD, {})
    for done in range(10):
        assert table.start_next().id == job.id
        table.progress(job.id, Progress(done=done, total=10), gained=True)
        table.requeue_interrupted()
    assert table.get(job.id).state is JobState.QUEUED


# --- what a job tells -------------------------------------------------------------------------


class Heard:
    def __init__(self) -> None:
        self.saved: list[tuple[Progress, bool]] = []
        self.failures: dict[str, str] = {}
        self.cancelled = threading.Event()
        self.job = JobContext(
            lambda p, gained: self.saved.append((p, gained)),
            self.failures.__setitem__,
            self.cancelled,
        )


def test_progress_counts_what_was_done_skipped_and_failed():
    heard = Heard()
    heard.job.stage("embedding")
    heard.job.count(4)
    heard.job.advance(2)
    heard.job.advance(skipped=True)
    heard.job.fail("x.jpg", "truncated")
    progress = heard.job.progress()
    assert (progress.done, progress.total, progress.failed) == (4, 4, 1)
    assert progress.stage == "embedding"
    assert progress.eta_s is None
    assert heard.failures == {"x.jpg": "truncated"}


def test_the_time_left_is_told_once_something_was_done():
    job = Heard().job
    job.count(10)
    job.advance(5, skipped=True)
    assert job.progress().eta_s is None
    job.advance(1)
    assert job.progress().eta_s is not None


def test_pictures_counted_later_come_on_top_and_the_rate_is_theirs():
    heard = Heard()
    heard.job.count(2)
    heard.job.advance(1)
    heard.job.fail("x", "bad")
    heard.job.count(3)
    progress = heard.job.progress()
    assert (progress.done, progress.total, progress.failed) == (2, 5, 1)
    assert progress.per_second is progress.eta_s is None
    heard.job.advance(1, skipped=True)
    assert heard.job.progress().per_second is None
    heard.job.advance(1)
    assert heard.job.progress().per_second is not None
    heard.job.fail("y", "bad")
    progress = heard.job.progress()
    assert (progress.done, progress.total, progress.failed) == (5, 5, 2)


def test_only_what_is_new_is_a_gain():
    heard = Heard()
    heard.job.count(3)
    heard.job.advance(skipped=True)
    heard.job.fail("x", "bad")
    heard.job.stage("building")
    assert not heard.saved[-1][1]
    heard.job.advance(1)
    heard.job.stage("building")
    assert heard.saved[-1][1]


def test_failures_are_kept_with_their_reasons_one_a_path(table):
    job = table.add(BUILD, {})
    table.fail_item(job.id, "b.jpg", "empty")
    table.fail_item(job.id, "a.jpg", "truncated")
    table.fail_item(job.id, "b.jpg", "truncated")
    assert [(f.path, f.reason) for f in table.failures(job.id).failures] == [
        ("a.jpg", "truncated"),
        ("b.jpg", "truncated"),
    ]
    with pytest.raises(NotFound):
        table.failures("nobody")


def test_jobs_are_listed_by_pages_each_once(table):
    made = [table.add(BUILD, {"n": n}).id for n in range(7)]
    seen, cursor = [], None
    while True:
        page = table.page(3, cursor)
        seen += [job.id for job in page.jobs]
        cursor = page.next
        if cursor is None:
            break
    assert seen == made[::-1]
    for odd in (
        "of another answer",
        cursor_of("a"),
        cursor_of("a", "\0"),
        cursor_of("a", "\ud800"),
    ):
        with pytest.raises(InvalidInput):
            table.page(3, odd)


def test_failures_are_listed_by_pages_and_the_list_has_a_bound(database):
    table = JobTable(database, most_failures=5)
    job = table.add(BUILD, {})
    for n in range(9):
        table.fail_item(job.id, f"{n}.png", "broken")
    table.fail_item(job.id, "0.png", "gone")
    first = table.failures(job.id, 3)
    assert [(one.path, one.reason) for one in first.failures] == [
        ("0.png", "gone"),
        ("1.png", "broken"),
        ("2.png", "broken"),
    ]
    assert first.total == 5
    rest = table.failures(job.id, 3, first.next)
    assert [one.path for one in rest.failures] == ["3.png", "4.png"]
    assert rest.next is None


def test_old_jobs_go_with_their_failures_but_for_the_newest_of_each_kind(table, monkeypatch):
    monkeypatch.setattr("services.indexer.catalog.jobs._KEPT", 2)
    trained = table.add(JobKind.TRAIN, {})
    made = [trained, *(table.add(BUILD, {"n": n}) for n in range(4))]
    for job in made:
        assert table.start_next().id == job.id
        table.fail_item(job.id, "a.png", "broken")
        table.finish(job.id, JobState.SUCCEEDED)
    waiting = table.add(JobKind.COMPACT, {})
    assert table.forget_before("2000") == 0
    assert table.forget_before("9999") == 3
    assert {job.id for job in table.page().jobs} == {trained.id, made[-1].id, waiting.id}
    with pytest.raises(NotFound):
        table.failures(made[1].id)
