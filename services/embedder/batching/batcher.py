"""The micro-batcher: one worker processes the items of many callers in batches.

One task owns the queue. It takes each batch from the lanes in turn, so that a search by one image
waits for one batch and not for a whole ingest. Every caller gets a result, an error of its own,
Overloaded on arrival, or Unavailable when its time is up or the worker failed. A failed worker is
restarted.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from services.embedder.batching.lanes import Lane, Lanes, Pending
from shared.core.errors import ISEError, Overloaded, Unavailable

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")
Work = Callable[[Sequence[T]], Sequence[R | ISEError]]

log = logging.getLogger(__name__)

_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class Timed(Generic[R]):
    """A result, and the seconds that its item waited and that its batch took."""

    value: R
    queued: float
    ran: float


class _Stuck(Exception):
    """A batch that doesn't end."""


class Seat(Generic[T, R]):
    """One admitted call's way into the batcher."""

    def __init__(self, lanes: Lanes[T, Timed[R]], bulk: bool) -> None:
        self._lanes = lanes
        self._lane: Lane[T, Timed[R]] = Lane(bulk)

    async def run(self, item: T) -> Timed[R]:
        """Wait for the item's result. Raises the worker's error for it, or Unavailable."""
        return await self._lanes.put(self._lane, item)


class Batcher(Generic[T, R]):
    """Runs `work` on batches of at most `max_batch` items, in a thread of its own; a function of
    it may change its mind.

    `work` returns one result or exception per item, in order. If it raises for a whole batch, the
    items are run one by one, so that a bad one fails alone. If it then raises for `probe`, an item
    known to be good, or if a batch takes more than `seconds`, the worker is broken: all callers get
    Unavailable, `failure` has the reason, and `renew` creates new work until that succeeds with the
    probe.
    """

    def __init__(
        self,
        work: Work[T, R],
        probe: T,
        renew: Callable[[], Work[T, R]],
        *,
        max_batch: int | Callable[[], int],
        queue_size: int,
        seconds: float,
        name: str = "batcher",
    ) -> None:
        self._work = work
        self._probe = probe
        self._renew = renew
        self._max_batch = max_batch if callable(max_batch) else lambda: max_batch
        self._queue_size = queue_size
        self._seconds = seconds
        self._name = name
        self._lanes: Lanes[T, Timed[R]] = Lanes()
        self._thread = self._new_thread()
        self._owner: asyncio.Task[None] | None = None
        self.in_hand = 0
        self.restarts = 0
        self.refused = 0
        self.batches: Counter[int] = Counter()
        self.failure: str | None = None

    async def __aenter__(self) -> Self:
        self._owner = asyncio.create_task(self._own(), name=self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.wait([self._owner])
        self._fail("The service is shutting down.")
        self._thread.shutdown(wait=False)

    @property
    def waiting(self) -> dict[str, int]:
        """Items in the lanes of searches and of bulk."""
        return self._lanes.waiting

    @contextmanager
    def admit(
        self, count: int, bulk: bool = False, is_admitted: bool = False
    ) -> Iterator[Seat[T, R]]:
        """Admit a call of `count` items, or raise Overloaded (Unavailable if the worker is broken).

        A call is admitted as a whole while fewer than `queue_size` items are queued, so at most
        `queue_size - 1` items and one call are queued. Bulk calls are admitted up to three quarters
        of that, which leaves room for interactive ones. `is_admitted`: the caller saw to that,
        before it read the items.
        """
        if self.failure is not None:
            raise Unavailable(self.failure, retry_after=5)
        most = -(-self._queue_size * 3 // 4) if bulk else self._queue_size
        if not is_admitted and self.in_hand >= most:
            self.refused += count
            raise Overloaded(
                f"{self.in_hand} images are in hand already; try again in a second.",
                retry_after=1,
            )
        self.in_hand += count
        try:
            yield Seat(self._lanes, bulk)
        finally:
            self.in_hand -= count

    async def _own(self) -> None:
        while True:
            try:
                while True:
                    await self._serve(await self._lanes.next(self._max_batch()))
            except Exception as error:
                log.exception("the worker %s stopped", self._name)
                self._fail(
                    f"The model's worker stopped ({_name_of(error)}) and is restarting. Try again."
                )
            await self._restart()

    async def _restart(self) -> None:
        """Restart until it succeeds; meanwhile `failure` has the reason."""
        pause = _PAUSE_S
        while self.failure is not None:
            self.restarts += 1
            try:
                self._work = await self._in_thread(self._renew)
                await self._call([self._probe])
            except Exception as error:
                log.exception("the worker %s can't be restarted", self._name)
                self._fail(
                    f"The model's worker ended, and can't be started anew ({_name_of(error)}). "
                    f"It is tried again in {pause:g} s."
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                self.failure = None
                log.info("the worker %s is running again", self._name)

    async def _serve(self, batch: list[Pending[T, Timed[R]]]) -> None:
        started = time.perf_counter()
        self.batches[len(batch)] += 1
        try:
            outcomes = await self._run([pending.item for pending in batch])
        except BaseException as error:
            # These items have left the queue, so nothing else would answer them.
            for pending in batch:
                pending.refuse(
                    Unavailable(f"The model's worker stopped ({_name_of(error)}).", retry_after=5)
                )
            raise
        ran = time.perf_counter() - started
        for pending, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, ISEError):
                pending.refuse(outcome)
            else:
                pending.answer(Timed(outcome, started - pending.since, ran))

    async def _run(self, items: list[T]) -> Sequence[R | ISEError]:
        try:
            return await self._call(items)
        except MemoryError:
            # Don't retry one by one: memory stays short, and other callers would starve meanwhile.
            error = Unavailable(
                f"Not enough memory for a batch of {len(items)}; lower ISE_MAX_BATCH.",
                retry_after=5,
            )
            return [error] * len(items)
        except _Stuck:
            raise
        except Exception as error:  # noqa: BLE001 - each item is run again, and tells
            log.warning("a batch of %d failed (%s); retrying item by item", len(items), error)
        outcomes: list[R | ISEError] = []
        for item in items:
            outcomes.append(await self._run_alone(item))
        return outcomes

    async def _run_alone(self, item: T) -> R | ISEError:
        try:
            return (await self._call([item]))[0]
        except _Stuck:
            raise
        except Exception as error:
            log.exception("an item failed alone")
            await self._call([self._probe])
            if isinstance(error, ISEError):
                return error
            return ISEError(f"The model failed on it ({type(error).__name__}: {error}).")

    async def _call(self, items: list[T]) -> Sequence[R | ISEError]:
        outcomes = await self._in_thread(lambda: self._work(items))
        if len(outcomes) != len(items):
            raise RuntimeError(f"{len(items)} items went in and {len(outcomes)} results came out")
        return outcomes

    async def _in_thread(self, function: Callable[[], V]) -> V:
        running = asyncio.get_running_loop().run_in_executor(self._thread, function)
        done, _ = await asyncio.wait([running], timeout=self._seconds)
        if not done:
            # Python can't stop a thread from outside, so it is abandoned.
            self._thread.shutdown(wait=False)
            self._thread = self._new_thread()
            raise _Stuck(f"nothing for {self._seconds:g} seconds")
        return running.result()

    def _new_thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self._lanes.refuse_all(Unavailable(reason, retry_after=5))


def _name_of(error: BaseException) -> str:
    return str(error) or type(error).__name__
