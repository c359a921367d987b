"""A budget of bytes, from which work takes its weight before it begins.

A service has one for memory, shared by bodies, decoded pixels, queues and caches, so that their sum
is bounded whatever comes at once. Work of the event loop and of threads takes from the same one.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from shared.core.errors import Overloaded, TooLarge, Unavailable

MIB = 2**20
# In the context: it goes from the route through every layer to where bytes arrive, such as fetched
# pictures, and none of the layers between has a use for it.
_of_call: ContextVar["Grant | None"] = ContextVar("of_call", default=None)
_RETRY_AFTER = 1
_SMALL = 64
"""Weights up to this fraction of a budget count as small."""
_GRANTED_SHARE = 0.5
"""Share of a budget for grants; the rest is for work that holds a grant and waits for more."""
_LARGE_SHARE = 0.75
"""Share of these for large weights, so that small work goes on beside them."""


class Grant:
    """Bytes taken from a budget until `release`; a context manager."""

    def __init__(self, budget: "Budget", weight: int) -> None:
        self._budget = budget
        self._is_released = False
        self.weight = weight

    def grow(self, more: int) -> None:
        """Take more. Raises Overloaded, TooLarge; the grant then stays as it is."""
        with self._budget._lock:
            if not self._is_released:
                self._budget._take(more, self.weight + more)
                self.weight += more

    def release(self) -> None:
        """Give everything back; repeated calls do nothing, nor does `grow` after it."""
        with self._budget._lock:
            self._is_released = True
            weight, self.weight = self.weight, 0
            self._budget._give(weight)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


@dataclass(eq=False)
class _Waiter:
    weight: int
    wake: Callable[[], None]
    has_weight: bool = False


class Budget:
    """`most` bytes. `setting`: the environment variable that sets it, for messages.

    Grants, such as those of bodies, are given at once or refused, and take half of it at most.
    What is held for a block, such as decoded pictures, is waited for, in turn. One block is always
    let in, since its caller may hold a grant that it gives back only afterwards.
    """

    def __init__(self, most: int, setting: str, grants: float = _GRANTED_SHARE) -> None:
        """`grants`: share of it for grants."""
        self.most = most
        self.setting = setting
        self._for_grants = int(most * grants)
        self._granted = 0
        self._held = 0
        self.highest = 0
        """Largest sum ever taken."""
        self.refused = 0
        self._lock = threading.Lock()
        self._waiting: deque[_Waiter] = deque()

    def grant(self, weight: int) -> Grant:
        """Take bytes at once. Raises Overloaded where they aren't free, TooLarge where they never
        are.
        """
        with self._lock:
            self._take(weight, weight)
        return Grant(self, weight)

    @contextmanager
    def held(self, weight: int, seconds: float) -> Iterator[None]:
        """Hold bytes within the block, after waiting for them; for threads.

        A weight over the whole budget takes all of it. Raises Unavailable after `seconds`.
        """
        free = threading.Event()
        waiter = self._queue(weight, free.set)
        if not waiter.has_weight:
            free.wait(seconds)
        try:
            self._check(waiter, seconds)
            yield
        finally:
            self._leave(waiter)

    @asynccontextmanager
    async def held_async(self, weight: int, seconds: float) -> AsyncIterator[None]:
        """Hold bytes within the block, after waiting for them; for the event loop.

        A weight over the whole budget takes all of it. Raises Unavailable after `seconds`.
        """
        loop = asyncio.get_running_loop()
        free = asyncio.Event()

        def wake() -> None:
            # A loop that has ended needs no waking.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(free.set)

        waiter = self._queue(weight, wake)
        try:
            if not waiter.has_weight:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await free.wait()
            self._check(waiter, seconds)
            yield
        finally:
            self._leave(waiter)

    @property
    def taken(self) -> int:
        """Bytes that are taken now."""
        return self._granted + self._held

    def has_room(self, weight: int) -> bool:
        """Return whether a grant would be given now."""
        return self._granted + weight <= self.most_for(weight)

    def most_for(self, weight: int) -> int:
        """Return the most that grants of such a weight may take together."""
        is_small = weight * _SMALL <= self.most
        return self._for_grants if is_small else int(self._for_grants * _LARGE_SHARE)

    def _take(self, weight: int, total: int) -> None:
        """Take bytes; the lock is held."""
        most = self.most_for(total)
        if total > most:
            self.refused += 1
            raise TooLarge(
                f"This takes {-(-total // MIB)} MiB, over the {most // MIB} MiB that one call "
                f"may use ({self.setting}). Send less at a time."
            )
        if self._granted + weight > most:
            self.refused += 1
            raise Overloaded(
                f"Other calls use all of {most // MIB} MiB that calls may use together "
                f"({self.setting}); try again in a second.",
                retry_after=_RETRY_AFTER,
            )
        self._granted += weight
        self.highest = max(self.highest, self.taken)

    def _give(self, weight: int) -> None:
        """Give back granted bytes; the lock is held."""
        self._granted -= weight
        self._serve()

    def _queue(self, weight: int, wake: Callable[[], None]) -> _Waiter:
        waiter = _Waiter(min(weight, self.most), wake)
        with self._lock:
            self._waiting.append(waiter)
            self._serve()
        return waiter

    def _serve(self) -> None:
        """Give waiting work its bytes in turn; the lock is held."""
        while self._waiting:
            weight = self._waiting[0].weight
            if self._held and self.taken + weight > self.most:
                return
            waiter = self._waiting.popleft()
            waiter.has_weight = True
            self._held += weight
            self.highest = max(self.highest, self.taken)
            waiter.wake()

    def _check(self, waiter: _Waiter, seconds: float) -> None:
        with self._lock:
            if waiter.has_weight:
                return
            self.refused += 1
        raise Unavailable(
            f"No memory was free within {seconds:.3g} seconds ({self.setting}); try again.",
            retry_after=5,
        )

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter.has_weight:
                self._held -= waiter.weight
            else:
                with suppress(ValueError):
                    self._waiting.remove(waiter)
            self._serve()


@contextmanager
def charging(grant: Grant) -> Iterator[None]:
    """Make a grant that of the call in hand, for the block."""
    token = _of_call.set(grant)
    try:
        yield
    finally:
        _of_call.reset(token)


def charge(size: int) -> None:
    """Take bytes for what the call in hand has brought into memory, until the call ends.

    Does nothing where there is no call, as in a job. Raises Overloaded, TooLarge.
    """
    grant = _of_call.get()
    if grant is not None:
        grant.grow(size)


class Pace:
    """Time that a sender may take: a minimum rate after a grace, and a limit for the whole.

    Only waiting for the sender counts, not what is done with its bytes meanwhile.
    """

    def __init__(self, seconds: float, least_rate: float, grace_s: float) -> None:
        self._seconds = seconds
        self._least_rate = least_rate
        self._grace_s = grace_s
        self.waited = 0.0
        self.received = 0

    @property
    def left(self) -> float:
        """Seconds that may be waited for the next bytes."""
        most = min(self._seconds, self._grace_s + self.received / self._least_rate)
        return max(0.0, most - self.waited)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of the block."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.waited += time.monotonic() - began
