import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.embedder.batching.batcher import Batcher
from shared.core.errors import BadImage, ISEError, Overloaded, Unavailable


class Doubler:
    """The work: doubles; a poisoned item spoils its batch. Records the batches.

    `gate`: no batch ends before it is open.
    """

    def __init__(self, poison=(), gate=None):
        self.poison = set(poison)
        self.gate = gate
        self.batches = []

    def __call__(self, items):
        self.batches.append(list(items))
        if self.gate is not None:
            self.gate.wait(60)
        if self.poison.intersection(items):
            raise ValueError("poison")
        return [2 * item for item in items]


def batcher(work, max_batch=4, queue_size=1000, renew=None, seconds=60):
    return Batcher(
        work,
        -1,
        renew or (lambda: work),
        max_batch=max_batch,
        queue_size=queue_size,
        seconds=seconds,
    )


async def call(running, items, bulk=False):
    with running.admit(len(items), bulk) as seat:
        outcomes = await asyncio.gather(*map(seat.run, items), return_exceptions=True)
    return [o if isinstance(o, BaseException) else o.value for o in outcomes]


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def all_wait(running, work, count):
    """Until the first batch of so many items is at work, and the others are in the queue."""
    await until(
        lambda: work.batches and len(work.batches[0]) + sum(running.waiting.values()) == count
    )


@given(
    calls=st.lists(st.lists(st.integers(0, 30), max_size=9), max_size=6),
    poison=st.sets(st.integers(0, 30), max_size=3),
    max_batch=st.integers(1, 7),
)
@settings(max_examples=60, deadline=None)
def test_every_caller_gets_its_own_and_poison_fails_alone(calls, poison, max_batch):
    work = Doubler(poison)

    async def scenario():
        async with batcher(work, max_batch) as running:
            return await asyncio.gather(*(call(running, items) for items in calls))

    for items, outcomes in zip(calls, asyncio.run(scenario()), strict=True):
        for item, outcome in zip(items, outcomes, strict=True):
            if item in poison:
                assert isinstance(outcome, ISEError)
            else:
                assert outcome == 2 * item
    assert all(len(batch) <= max_batch for batch in work.batches)


def test_a_measured_size_of_batches_holds_from_then_on():
    work, size = Doubler(), [2]

    async def scenario():
        async with batcher(work, lambda: size[0]) as running:
            await call(running, range(8))
            before = max(map(len, work.batches))
            size[0] = 8
            await call(running, range(8))
            return before, max(map(len, work.batches))

    before, afterwards = asyncio.run(scenario())
    assert before == 2
    assert 2 < afterwards <= 8


def test_calls_at_the_same_time_share_batches():
    work = Doubler(gate=threading.Event())

    async def scenario():
        async with batcher(work, max_batch=8) as running:
            calls = asyncio.gather(*(call(running, [i]) for i in range(16)))
            await all_wait(running, work, 16)
            work.gate.set()
            await calls

    asyncio.run(scenario())
    assert len(work.batches) < 6


def test_a_small_call_does_not_wait_for_a_large_one():
    work = Doubler(gate=threading.Event())

    async def scenario():
        async with batcher(work) as running:
            large = asyncio.create_task(call(running, list(range(100))))
            await all_wait(running, work, 100)
            small = asyncio.create_task(call(running, [1000]))
            await all_wait(running, work, 101)
            work.gate.set()
            assert await small == [2000]
            assert not large.done()
            await large

    asyncio.run(scenario())
    position = next(i for i, batch in enumerate(work.batches) if 1000 in batch)
    assert position <= 4


def test_an_error_given_for_one_item_is_its_own():
    def work(items):
        return [BadImage("odd") if item % 2 else item for item in items]

    async def scenario():
        async with batcher(work) as running:
            return await call(running, [0, 1, 2])

    first, second, third = asyncio.run(scenario())
    assert (first, third) == (0, 2)
    assert isinstance(second, BadImage)


def test_those_who_left_are_skipped():
    gate = threading.Event()
    seen = []

    def work(items):
        seen.extend(items)
        gate.wait(60)
        return list(items)

    async def scenario():
        async with batcher(work, max_batch=1) as running:
            first = asyncio.create_task(call(running, [1]))
            await asyncio.sleep(0.02)
            leaving = asyncio.create_task(call(running, [2, 3]))
            last = asyncio.create_task(call(running, [4]))
            await asyncio.sleep(0.02)
            leaving.cancel()
            await asyncio.sleep(0)
            gate.set()
            assert await first == [1]
            assert await last == [4]

    asyncio.run(scenario())
    assert seen == [1, 4]


def test_a_full_queue_turns_away_and_takes_again():
    gate = threading.Event()

    def work(items):
        gate.wait(60)
        return list(items)

    async def scenario():
        async with batcher(work, queue_size=3) as running:
            waiting = asyncio.create_task(call(running, list(range(64))))
            await asyncio.sleep(0.02)
            with pytest.raises(Overloaded) as caught:
                await call(running, [1])
            assert caught.value.extra["retry_after"] == 1
            gate.set()
            assert await waiting == list(range(64))
            assert await call(running, [1]) == [1]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "broken",
    [lambda items: 1 / 0, lambda items: [], lambda items: [0] * (len(items) + 1)],
    ids=["raises", "too few", "too many"],
)
def test_a_broken_worker_answers_all_and_says_so(broken):
    async def scenario():
        async with batcher(broken) as running:
            async with asyncio.timeout(60):
                outcomes = await asyncio.gather(*(call(running, [i] * 3) for i in range(5)))
            assert all(isinstance(o, Unavailable) for outcome in outcomes for o in outcome)
            assert running.failure is not None
            with pytest.raises(Unavailable):
                await call(running, [1])

    asyncio.run(scenario())


def test_a_broken_worker_is_started_anew():
    """The first has broken; so has the second that is made; the third works."""
    made = []

    def broken(items):
        raise RuntimeError("the network is gone")

    def renew():
        made.append(len(made))
        if len(made) == 1:
            raise OSError("no weights")
        return Doubler() if len(made) == 3 else broken

    async def scenario():
        async with batcher(broken, renew=renew) as running:
            in_flight = await asyncio.gather(*(call(running, [i] * 3) for i in range(5)))
            assert all(isinstance(o, Unavailable) for outcome in in_flight for o in outcome)
            assert all("the network is gone" in o.detail for outcome in in_flight for o in outcome)
            await until(lambda: running.failure and "no weights" in running.failure)
            await until(lambda: running.failure is None)
            assert running.restarts == 3
            assert await call(running, [1, 2]) == [2, 4]

    asyncio.run(scenario())


def test_a_worker_that_hangs_is_left_behind():
    gate = threading.Event()

    def hangs(items):
        gate.wait(30)
        return list(items)

    async def scenario():
        async with batcher(hangs, renew=Doubler, seconds=2.0, max_batch=1) as running:
            outcomes = await call(running, [1, 2, 3])
            assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
            await until(lambda: running.failure is None)
            assert await call(running, [1, 2, 3]) == [2, 4, 6]

    try:
        asyncio.run(scenario())
    finally:
        gate.set()


def test_who_waits_goes_before_bulk():
    work = Doubler(gate=threading.Event())

    async def scenario():
        async with batcher(work) as running:
            large = asyncio.create_task(call(running, list(range(40)), bulk=True))
            await all_wait(running, work, 40)
            waiting = asyncio.create_task(call(running, [1000, 1001]))
            await all_wait(running, work, 42)
            work.gate.set()
            assert await waiting == [2000, 2002]
            await large

    asyncio.run(scenario())
    # After what ran when it came, and alone: bulk would make its batch take longer.
    position = next(i for i, batch in enumerate(work.batches) if 1000 in batch)
    assert work.batches[position] == [1000, 1001]
    assert position <= 3


def test_bulk_leaves_room_in_the_queue_for_who_waits():
    gate = threading.Event()

    def work(items):
        gate.wait(60)
        return list(items)

    async def scenario():
        async with batcher(work, queue_size=8) as running:
            waiting = asyncio.create_task(call(running, list(range(6)), bulk=True))
            await asyncio.sleep(0.02)
            with pytest.raises(Overloaded):
                await call(running, [1], bulk=True)
            searching = asyncio.create_task(call(running, [1]))
            await asyncio.sleep(0)
            gate.set()
            assert await searching == [1]
            await waiting

    asyncio.run(scenario())


def test_a_lack_of_memory_is_not_tried_again():
    calls = []

    def work(items):
        calls.append(items)
        raise MemoryError

    async def scenario():
        async with batcher(work) as running:
            outcomes = await call(running, [1, 2, 3])
            assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
            assert running.failure is None

    asyncio.run(scenario())
    assert len(calls) == 1


def test_those_who_wait_at_the_end_are_answered():
    work = Doubler(gate=threading.Event())

    async def scenario():
        async with batcher(work, max_batch=1) as running:
            waiting = asyncio.create_task(call(running, [1, 2, 3]))
            await all_wait(running, work, 3)
        try:
            return await asyncio.wait_for(waiting, 60)
        finally:
            work.gate.set()

    assert any(isinstance(outcome, Unavailable) for outcome in asyncio.run(scenario()))
