"""A budget is never overdrawn, whoever takes from it, and nobody who waits is forgotten."""

import asyncio
import threading
from contextvars import copy_context

import pytest

from shared.core.budget import Budget, Pace, charge, charging
from shared.core.errors import Overloaded, TooLarge, Unavailable


def test_what_is_not_free_is_refused_and_what_never_is_says_so():
    budget = Budget(1000, "ISE_MEMORY", grants=1.0)
    first = budget.grant(600)
    with pytest.raises(Overloaded, match="ISE_MEMORY"):
        budget.grant(200)
    with pytest.raises(TooLarge, match="ISE_MEMORY"):
        budget.grant(800)
    first.release()
    first.release()
    assert budget.taken == 0
    budget.grant(700)


def test_large_work_leaves_a_part_to_small_work():
    budget = Budget(6400, "ISE_MEMORY", grants=1.0)
    large = [budget.grant(1200) for _ in range(4)]
    with pytest.raises(Overloaded):
        budget.grant(1200)
    small = [budget.grant(100) for _ in range(16)]
    assert budget.taken == 6400
    with pytest.raises(Overloaded):
        budget.grant(1)
    for grant in (*large, *small):
        grant.release()
    assert budget.taken == 0
    assert budget.highest == 6400


def test_a_grant_grows_until_there_is_no_more():
    budget = Budget(6400, "ISE_MEMORY", grants=1.0)
    with budget.grant(100) as grant:
        grant.grow(4000)
        with pytest.raises(TooLarge):
            grant.grow(1000)
        assert (grant.weight, budget.taken) == (4100, 4100)
    assert budget.taken == 0


def test_many_threads_and_a_loop_together_never_take_more_than_there_is():
    budget = Budget(100, "ISE_MEMORY")
    held, most, lock = 0, 0, threading.Lock()

    def note(change: int) -> None:
        nonlocal held, most
        with lock:
            held += change
            most = max(most, held)

    def work() -> None:
        for _ in range(50):
            with budget.held(40, 60):
                note(40)
                note(-40)

    async def work_async() -> None:
        for _ in range(50):
            async with budget.held_async(60, 60):
                note(60)
                await asyncio.sleep(0)
                note(-60)

    async def work_together() -> None:
        await asyncio.gather(*(work_async() for _ in range(4)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    asyncio.run(work_together())
    for thread in threads:
        thread.join()
    assert budget.taken == held == 0
    assert most <= budget.highest <= 100


def test_one_that_waits_too_long_is_told_and_does_not_stand_in_the_way():
    budget = Budget(100, "ISE_MEMORY")
    with budget.held(90, 0):
        with pytest.raises(Unavailable, match="ISE_MEMORY"), budget.held(50, 0):
            pass

        async def late() -> None:
            async with budget.held_async(50, 0):
                pass

        with pytest.raises(Unavailable):
            asyncio.run(late())
        with budget.held(10, 0):
            pass
    assert budget.taken == 0


def test_a_weight_over_the_whole_budget_takes_all_of_it():
    budget = Budget(100, "ISE_MEMORY")
    with budget.held(10_000, 0):
        assert budget.taken == 100
    assert budget.taken == 0


def test_work_that_holds_a_grant_and_waits_for_more_always_gets_on():
    """Also if all grants are taken by such calls, and each wants all that there is."""
    budget = Budget(1000, "ISE_MEMORY")

    async def call() -> None:
        with budget.grant(100):
            async with budget.held_async(10_000, 60):
                await asyncio.sleep(0)

    async def calls() -> None:
        await asyncio.gather(*(call() for _ in range(3)))

    with pytest.raises(TooLarge):
        budget.grant(600)
    asyncio.run(calls())
    assert budget.taken == 0


def test_a_sender_has_a_grace_then_a_least_rate_and_a_deadline():
    pace = Pace(seconds=60, least_rate=1000, grace_s=10)
    assert pace.left == 10
    pace.received, pace.waited = 5000, 12
    assert pace.left == 3
    pace.received = 10**9
    assert pace.left == 48
    pace.waited = 100
    assert pace.left == 0


def test_what_a_call_brings_into_memory_is_paid_for_by_the_call():
    budget = Budget(1000, "ISE_MEMORY", grants=1.0)
    charge(10**9)
    with budget.grant(100) as grant, charging(grant):
        charge(200)
        thread = threading.Thread(target=copy_context().run, args=(charge, 50))
        thread.start()
        thread.join()
        assert budget.taken == 350
        with pytest.raises(TooLarge):
            charge(900)
        late = copy_context()
    late.run(charge, 500)
    assert budget.taken == 0
