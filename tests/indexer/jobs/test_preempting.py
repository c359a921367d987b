"""A job that a user waits for ends the work of the background."""

import pytest

from shared.contracts.jobs import JobKind, JobState
from tests.indexer.jobs.gate import Gate

BUILD = JobKind.BUILD


def test_learning_that_made_room_is_known_to_have_done_so_after_a_restart(runner, table, ended):
    gate = Gate()
    one = runner(gate)
    learning = one.submit(JobKind.LEARN, {})
    assert gate.began.wait(60)
    one.submit(BUILD, {})
    assert ended(learning).state is JobState.CANCELLED
    another = runner(gate, begin=False)
    assert another.was_preempted(JobKind.LEARN)
    table.add(JobKind.LEARN, {})
    assert not another.was_preempted(JobKind.LEARN)


def test_a_job_that_a_user_waits_for_ends_every_reading(runner, table, ended):
    gate = Gate()
    one = runner(gate)
    reading = one.submit(JobKind.TEXT, {"again": False})
    assert gate.began.wait(60)
    asked = one.submit(JobKind.TEXT, {"again": True})
    build = one.submit(BUILD, {})
    assert ended(reading).state is ended(asked).state is JobState.CANCELLED
    gate.go_on.set()
    assert ended(build).state is JobState.SUCCEEDED


@pytest.mark.parametrize("kind", [JobKind.COMPACT, JobKind.LEARN])
def test_no_compaction_and_no_learning_waits_for_a_reading(runner, table, kind):
    one = runner(Gate(), begin=False)
    reading = one.submit(JobKind.TEXT, {"again": False})
    assert not table.any_open(besides=JobKind.TEXT)
    assert table.request(reading.id) == {"again": False}
    learning = one.submit(JobKind.LEARN, {})
    one.submit(kind, {})
    assert table.get(reading.id).state is JobState.CANCELLED
    assert table.get(learning.id).state is JobState.QUEUED
    assert one.was_preempted(JobKind.TEXT)
    # The job may have been about to read its request.
    assert table.request(reading.id) == {"again": False}


def test_a_job_is_queued_before_it_ends_another_so_that_none_begins_between(
    runner, table, monkeypatch
):
    one = runner(Gate(), begin=False)
    one.submit(JobKind.TEXT, {"again": False})
    cancel, open_then = table.cancel, []

    def watched(job_id):
        found = cancel(job_id)
        open_then.append(table.any_open())
        return found

    monkeypatch.setattr(table, "cancel", watched)
    one.submit(BUILD, {})
    assert open_then == [True]
