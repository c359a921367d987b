"""Estimates of the time that a job still takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.jobs.stage_plan import (
    CALIBRATING,
    CLUSTERING,
    EMBEDDING,
    PUBLISHING,
    RECALL,
    TRAINING,
    StagePlan,
    cost,
    learned,
)
from shared.contracts.jobs import Job, JobKind, JobState, Progress

STAGES = [EMBEDDING, TRAINING, CLUSTERING, RECALL, CALIBRATING, PUBLISHING]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ended(pictures: int = 2500, **seconds: float) -> Job:
    names = {stage.split()[0]: stage for stage in STAGES}
    return Job(
        id="one",
        kind=JobKind.INGEST,
        state=JobState.SUCCEEDED,
        progress=Progress(
            total=pictures, seconds={names[name]: took for name, took in seconds.items()}
        ),
        result={"images": pictures, "embedded": pictures},
        created_at="2026-11-22T05:43:50+00:00",
    )


def test_the_stages_to_come_are_in_the_estimate(clock):
    plan = StagePlan(clock=clock)
    plan.expect(STAGES, 2500)
    plan.enter(EMBEDDING)
    later = sum(cost(stage, 2500) for stage in STAGES[1:])
    assert plan.remaining(within=4.0) == pytest.approx(4.0 + later)


def test_nothing_is_estimated_where_the_stages_are_not_known():
    plan = StagePlan()
    plan.enter(EMBEDDING)
    assert plan.remaining() is None
    assert plan.remaining(within=3.0) == 3.0


def test_what_the_last_job_took_is_learnt():
    factors = learned([ended(embedding=50.0, calibrating=100.0), ended(calibrating=1.0)])
    assert factors[CALIBRATING] == pytest.approx(100 / cost(CALIBRATING, 2500))
    plan = StagePlan(factors)
    plan.expect([CALIBRATING], 500)
    plan.enter("reading the source")
    whole = cost(CALIBRATING, 500)
    assert plan.remaining(within=0.0) == pytest.approx(whole * factors[CALIBRATING])
    assert cost(CALIBRATING, 0) < whole < cost(CALIBRATING, 5000) == cost(CALIBRATING, 6000)


def test_a_job_that_failed_or_says_nothing_of_its_size_teaches_nothing():
    failed = ended(calibrating=9.0).model_copy(update={"state": JobState.FAILED})
    sizeless = ended(calibrating=9.0).model_copy(update={"result": None})
    assert learned([failed, sizeless]) == {}


def test_a_stage_that_is_left_out_is_not_waited_for(clock):
    plan = StagePlan(clock=clock)
    plan.expect(STAGES, 2500)
    plan.enter(PUBLISHING)
    assert plan.remaining() == pytest.approx(cost(PUBLISHING, 2500))


def test_how_far_a_stage_is_corrects_its_estimate(clock):
    plan = StagePlan(clock=clock)
    plan.expect([CALIBRATING], 2500)
    plan.enter(CALIBRATING)
    clock.now += 30
    plan.report_progress(500, 1000)
    assert plan.remaining() == pytest.approx(30)


def test_a_stage_never_goes_back_and_details_are_no_stages_of_their_own(clock):
    plan = StagePlan(clock=clock)
    plan.enter(f"{CLUSTERING}, round 1 of 20")
    plan.report_progress(30, 100)
    plan.enter(f"{CLUSTERING}, assigning 0 of 24")
    plan.report_progress(20, 100)
    assert (plan.done, plan.total) == (30, 100)
    clock.now += 5
    plan.enter(f"{RECALL} 8 192 of 24 000")
    assert (plan.done, plan.total) == (0, 0)
    clock.now += 2
    assert plan.seconds() == {CLUSTERING: 5.0, RECALL: 2.0}


@given(slow=st.floats(0.2, 5))
def test_the_estimate_falls_all_the_way_where_stages_take_as_long_as_estimated(slow):
    clock = Clock()
    factors = dict.fromkeys(STAGES, slow)
    plan = StagePlan(factors, clock=clock)
    plan.expect(STAGES, 2500)
    before = float("inf")
    for stage in STAGES:
        plan.enter(stage)
        whole = slow * cost(stage, 2500)
        for tenth in range(10):
            plan.report_progress(tenth, 10)
            left = plan.remaining()
            assert left is not None
            assert 0 <= left <= before * (1 + 1e-9)
            before = left
            clock.now += whole / 10
    plan.end()
    assert plan.remaining() is None
