"""A job that a user waits for ends the work of the background."""

import pytest

from services.indexer.workflows.text_job import ReadingUpkeep
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


@pytest.mark.parametrize("again", [False, True])
def test_a_reading_that_a_person_asked_for_goes_on_after_the_job_that_it_made_room_for(
    table, again
):
    upkeep = ReadingUpkeep(table.database, table, is_on=False)
    reading = table.add(JobKind.TEXT, {"again": again})
    table.note_preempted(reading.id)
    table.cancel(reading.id)
    assert upkeep.due(was_preempted=True) == {"again": again}
    # While the other job is at work, it waits.
    build = table.add(JobKind.BUILD, {})
    assert upkeep.due(was_preempted=True) is None
    table.cancel(build.id)
    # What nobody asked for, or what a person cancelled, doesn't begin where reading is off.
    assert upkeep.due(was_preempted=False) is None
    own = table.add(JobKind.TEXT, {"again": False, "in_background": True})
    table.cancel(own.id)
    assert upkeep.due(was_preempted=True) is None


def test_what_is_queued_at_a_start_comes_before_what_nobody_waits_for(table):
    # As after a process that was killed before the reading, which was queued first, made room.
    kinds = (JobKind.TEXT, JobKind.LEARN, JobKind.COMPACT, JobKind.BUILD, JobKind.TEXT)
    queued = [table.add(kind, {}) for kind in kinds]
    began = []
    while (job := table.start_next((JobKind.LEARN, JobKind.TEXT))) is not None:
        began.append(job.id)
        table.finish(job.id, JobState.SUCCEEDED)
    assert began == [queued[n].id for n in (2, 3, 1, 0, 4)]
