"""The micro-batcher: many callers' items go through one worker, a batch at a time.

One task owns the queue. It takes the next item of each waiting call in turn, so that a search by
one image waits for one batch and not for the whole of an ingest. Every caller gets an answer: its
result, its own error, Overloaded on arrival, or Unavailable when its time is up or the worker died.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from shared.errors import ISEError, Overloaded, Unavailable

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timed(Generic[R]):
    """A result, and the seconds that its item waited and that its batch took."""

    value: R
    queued: float
    ran: float


@dataclass
class _Pending(Generic[T, R]):
    item: T
    future: "asyncio.Future[Timed[R]]"
    since: float = field(default_factory=time.perf_counter)


class Lane(Generic[T, R]):
    """One admitted call's way into the batcher."""

    def __init__(self, batcher: "Batcher[T, R]") -> None:
        self._batcher = batcher
        self.waiting: deque[_Pending[T, R]] = deque()

    async def run(self, item: T) -> Timed[R]:
        """Waits for the item's result. Raises what the worker raised for it, or Unavailable."""
        return await self._batcher._enqueue(self, item)


class Batcher(Generic[T, R]):
    """Runs `work` on batches of at most `max_batch` items, in a thread of its own.

    `work` gives one result or one exception an item, in order. Where it raises for a whole batch,
    the items are run one by one, so that a bad one fails alone; where it then raises for `probe`
    too, an item known to be good, the worker is broken, not the item: it ends, `failure` says so,
    and all callers get Unavailable.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R | ISEError]],
        probe: T,
        *,
        max_batch: int,
        queue_size: int,
        name: str = "batcher",
    ) -> None:
        self._work = work
        self._probe = probe
        self._max_batch = max_batch
        self._queue_size = queue_size
        self._name = name
        self._in_hand = 0
        self._lanes: deque[Lane[T, R]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._owner: asyncio.Task[None] | None = None
        self.failure: str | None = None

    async def __aenter__(self) -> Self:
        self._owner = asyncio.create_task(self._own(), name=self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.wait([self._owner])
        self._end("The service is shutting down.")
        self._thread.shutdown(wait=False)

    @contextmanager
    def admit(self, count: int) -> Iterator[Lane[T, R]]:
        """Lets a call of `count` items in, or raises Overloaded (Unavailable where it's broken).

        A call is let in whole while fewer than `queue_size` items are in hand, so what is in hand
        never passes `queue_size - 1` and one call more.
        """
        if self.failure is not None:
            raise Unavailable(self.failure)
        if self._in_hand >= self._queue_size:
            raise Overloaded(
                f"{self._in_hand} images are in hand already; try again in a second.",
                retry_after=1,
            )
        self._in_hand += count
        lane: Lane[T, R] = Lane(self)
        try:
            yield lane
        finally:
            self._in_hand -= count

    async def _enqueue(self, lane: Lane[T, R], item: T) -> Timed[R]:
        if self.failure is not None:
            raise Unavailable(self.failure)
        pending: _Pending[T, R] = _Pending(item, asyncio.get_running_loop().create_future())
        if not lane.waiting:
            self._lanes.append(lane)
        lane.waiting.append(pending)
        self._arrived.set()
        return await pending.future

    async def _own(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while batch := self._take():
                    await self._serve(batch)
        except Exception as error:
            log.exception("the worker %s ended", self._name)
            self._end(f"The model's worker ended ({error}); restart the embedder.")

    def _take(self) -> "list[_Pending[T, R]]":
        """The next batch: one item of each lane in turn; those whose caller left are dropped."""
        batch: list[_Pending[T, R]] = []
        while self._lanes and len(batch) < self._max_batch:
            lane = self._lanes.popleft()
            pending = lane.waiting.popleft()
            if lane.waiting:
                self._lanes.append(lane)
            if not pending.future.done():
                batch.append(pending)
        return batch

    async def _serve(self, batch: "list[_Pending[T, R]]") -> None:
        started = time.perf_counter()
        try:
            outcomes = await self._run([pending.item for pending in batch])
        except BaseException as error:
            # These are out of the queue already; nobody else would answer them.
            reason = f"The model's worker ended ({error})."
            _answer_all(batch, Unavailable(reason, retry_after=5))
            raise
        ran = time.perf_counter() - started
        for pending, outcome in zip(batch, outcomes, strict=True):
            if pending.future.done():
                continue
            if isinstance(outcome, ISEError):
                pending.future.set_exception(outcome)
            else:
                pending.future.set_result(Timed(outcome, started - pending.since, ran))

    async def _run(self, items: list[T]) -> Sequence[R | ISEError]:
        try:
            return await self._call(items)
        except MemoryError:
            # Not item by item: what is short stays short, and others would starve meanwhile.
            error = Unavailable(
                f"Not enough memory for a batch of {len(items)}; lower ISE_MAX_BATCH.",
                retry_after=5,
            )
            return [error] * len(items)
        except Exception as error:  # noqa: BLE001 - each item is run again, and tells
            log.warning("a batch of %d failed (%s); going item by item", len(items), error)
        outcomes: list[R | ISEError] = []
        for item in items:
            outcomes.append(await self._run_alone(item))
        return outcomes

    async def _run_alone(self, item: T) -> R | ISEError:
        try:
            return (await self._call([item]))[0]
        except Exception as error:
            log.exception("an item failed alone")
            await self._call([self._probe])
            if isinstance(error, ISEError):
                return error
            return ISEError(f"The model failed on it ({type(error).__name__}: {error}).")

    async def _call(self, items: list[T]) -> Sequence[R | ISEError]:
        loop = asyncio.get_running_loop()
        outcomes = await loop.run_in_executor(self._thread, self._work, items)
        if len(outcomes) != len(items):
            raise RuntimeError(f"{len(items)} items went in and {len(outcomes)} results came out")
        return outcomes

    def _end(self, reason: str) -> None:
        self.failure = reason
        while self._lanes:
            _answer_all(self._lanes.popleft().waiting, Unavailable(reason, retry_after=5))


def _answer_all(waiting: "Sequence[_Pending[T, R]]", error: ISEError) -> None:
    for pending in waiting:
        if not pending.future.done():
            pending.future.set_exception(error)
