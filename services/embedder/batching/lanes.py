"""Order of service: each call has a lane, and lanes take turns.

Interactive calls precede bulk calls, such as an ingest, but every fifth turn is for bulk calls if
any are waiting. Within a kind, turns take one item of each lane, so that a call with one picture
needn't wait for a call with many.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.core.errors import ISEError

T = TypeVar("T")
R = TypeVar("R")

_TURNS_IN_A_ROW = 4


@dataclass
class Pending(Generic[T, R]):
    """An item whose caller waits until `future` is done or cancelled."""

    item: T
    future: "asyncio.Future[R]"
    since: float = field(default_factory=time.perf_counter)

    def answer(self, result: R) -> None:
        """Set the result, if the caller is still waiting."""
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: ISEError) -> None:
        """Set an error, if there is no result yet."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(eq=False)
class Lane(Generic[T, R]):
    """Pending items of one call."""

    bulk: bool
    waiting: deque[Pending[T, R]] = field(default_factory=deque)


class Lanes(Generic[T, R]):
    """The items of all calls, in the order in which they are served."""

    def __init__(self) -> None:
        self._urgent: deque[Lane[T, R]] = deque()
        self._bulk: deque[Lane[T, R]] = deque()
        self._urgent_turns = 0
        self._arrived = asyncio.Event()

    def put(self, lane: Lane[T, R], item: T) -> "asyncio.Future[R]":
        """Queue an item in its call's lane; return its future result."""
        pending: Pending[T, R] = Pending(item, asyncio.get_running_loop().create_future())
        if not lane.waiting:
            (self._bulk if lane.bulk else self._urgent).append(lane)
        lane.waiting.append(pending)
        self._arrived.set()
        return pending.future

    async def next(self, most: int) -> list[Pending[T, R]]:
        """Wait for the next turn: 1 to `most` items, either all bulk or none.

        Items whose callers have left are dropped.
        """
        while True:
            await self._arrived.wait()
            if turn := self._turn(most):
                return turn
            self._arrived.clear()

    @property
    def waiting(self) -> dict[str, int]:
        """Return the number of waiting items, interactive and bulk."""
        lanes = {"urgent": self._urgent, "bulk": self._bulk}
        return {
            name: sum(len(lane.waiting) for lane in lanes_of_kind)
            for name, lanes_of_kind in lanes.items()
        }

    def refuse_all(self, error: ISEError) -> None:
        """Answers everything that waits with an error."""
        for lanes in (self._urgent, self._bulk):
            while lanes:
                for pending in lanes.popleft().waiting:
                    pending.refuse(error)

    def _turn(self, most: int) -> list[Pending[T, R]]:
        bulk_is_due = self._urgent_turns >= _TURNS_IN_A_ROW
        first, second = (self._bulk, self._urgent) if bulk_is_due else (self._urgent, self._bulk)
        lanes, turn = first, _take(first, most)
        if not turn:
            lanes, turn = second, _take(second, most)
        # Count only the turns in which bulk work was waiting.
        self._urgent_turns = self._urgent_turns + 1 if lanes is self._urgent and self._bulk else 0
        return turn


def _take(lanes: deque[Lane[T, R]], most: int) -> list[Pending[T, R]]:
    turn: list[Pending[T, R]] = []
    while lanes and len(turn) < most:
        lane = lanes.popleft()
        pending = lane.waiting.popleft()
        if lane.waiting:
            lanes.append(lane)
        if not pending.future.done():
            turn.append(pending)
    return turn
