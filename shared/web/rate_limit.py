"""Limit of requests per second, by key, or by address for requests without one."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cachetools import LRUCache
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.core.errors import RateLimited
from shared.web import problem
from shared.web.callers import caller_of
from shared.web.guards import passed

_MOST_CALLERS = 10_000

# Monitoring must work while a caller exceeds the limit.
_UNLIMITED = frozenset({"/health", "/ready", "/metrics"})


@dataclass(frozen=True)
class Rate:
    """Limit of requests per caller; 0 per second: no limit."""

    per_second: float
    burst: int

    @classmethod
    def of(cls, per_second: float, burst: int) -> "Rate":
        """`burst` 0: as many as come in ten seconds."""
        return cls(per_second, burst or max(1, round(10 * per_second)))


class TokenBuckets:
    """A bucket for each caller: it holds `burst` tokens and gets `per_second` more.

    Of callers beyond 10,000 the one that was longest away is forgotten, which fills its bucket.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._filled: LRUCache[str, tuple[float, float]] = LRUCache(_MOST_CALLERS)

    def take(self, caller: str) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        now = self._clock()
        tokens, since = self._filled.pop(caller, (float(self._rate.burst), now))
        tokens = min(self._rate.burst, tokens + (now - since) * self._rate.per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate.per_second
        self._filled[caller] = (tokens if wait else tokens - 1, now)
        return wait


class RateLimitMiddleware:
    """Answers 429 with `Retry-After` to a caller that asks too often; wrong keys count as well."""

    def __init__(self, app: ASGIApp, rate: Rate, free_paths: Iterable[str]) -> None:
        self.app = app
        self.rate = rate
        self.buckets = TokenBuckets(rate)
        self.free_paths = _UNLIMITED | frozenset(free_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.free_paths:
            await self.app(scope, receive, send)
            return
        wait = self.buckets.take(caller_of(scope).name)
        if not wait:
            passed(scope, type(self))
            await self.app(scope, receive, send)
            return
        error = limited(self.rate.per_second, math.ceil(wait))
        await problem.refuse(error, scope)(scope, receive, send)


def limited(per_second: float, retry_after: int) -> RateLimited:
    """Return the error for a caller that asks too often."""
    return RateLimited(
        f"These are over {per_second:g} requests a second (ISE_RATE_LIMIT); ask again later.",
        retry_after=retry_after,
    )
