import asyncio

from services.embedder.batching.lanes import Lane, Lanes


def turns(lanes, most, count):
    async def take():
        return [[pending.item for pending in await lanes.next(most)] for _ in range(count)]

    return take()


def in_loop(scenario):
    return asyncio.run(scenario())


def test_lanes_take_turns():
    async def scenario():
        lanes, one, other = Lanes(), Lane(bulk=False), Lane(bulk=False)
        for item in ("a1", "a2", "a3"):
            lanes.put(one, item)
        lanes.put(other, "b1")
        return await turns(lanes, 2, 2)

    assert in_loop(scenario) == [["a1", "b1"], ["a2", "a3"]]


def test_bulk_waits_for_the_others_and_shares_no_turn_with_them():
    async def scenario():
        lanes, bulk, urgent = Lanes(), Lane(bulk=True), Lane(bulk=False)
        for item in ("bulk 1", "bulk 2"):
            lanes.put(bulk, item)
        lanes.put(urgent, "urgent")
        return await turns(lanes, 8, 2)

    assert in_loop(scenario) == [["urgent"], ["bulk 1", "bulk 2"]]


def test_bulk_has_every_fifth_turn_however_much_is_urgent():
    async def scenario():
        lanes, bulk, urgent = Lanes(), Lane(bulk=True), Lane(bulk=False)
        for i in range(20):
            lanes.put(urgent, f"u{i}")
        for i in range(4):
            lanes.put(bulk, f"b{i}")
        return await turns(lanes, 1, 15)

    taken = [turn[0][0] for turn in in_loop(scenario)]
    assert taken == [*"uuuub", *"uuuub", *"uuuub"]


def test_turns_before_bulk_came_do_not_count_for_it():
    async def scenario():
        lanes, bulk, urgent = Lanes(), Lane(bulk=True), Lane(bulk=False)
        for i in range(9):
            lanes.put(urgent, f"u{i}")
        before = await turns(lanes, 1, 7)
        lanes.put(bulk, "b")
        return before + await turns(lanes, 1, 3)

    assert [turn[0][0] for turn in in_loop(scenario)] == [*"uuuuuuu", *"uub"]


def test_whoever_left_takes_no_turn():
    async def scenario():
        lanes, bulk, urgent = Lanes(), Lane(bulk=True), Lane(bulk=False)
        lanes.put(urgent, "gone").cancel()
        lanes.put(bulk, "b")
        return await turns(lanes, 1, 1)

    assert in_loop(scenario) == [["b"]]


def test_who_waits_for_a_turn_gets_what_comes():
    async def scenario():
        lanes = Lanes()
        waiting = [asyncio.create_task(lanes.next(1)) for _ in range(2)]
        await asyncio.sleep(0)
        lane = Lane(bulk=False)
        lanes.put(lane, 1)
        await asyncio.sleep(0)
        lanes.put(lane, 2)
        return sorted([pending.item for (pending,) in await asyncio.gather(*waiting)])

    assert in_loop(scenario) == [1, 2]
