"""Replicas of one service: which one gets the next request, and which one is skipped for a while.

All have the same version, models and data. A URL names them, separated by `|`, or by a name that
resolves to several addresses, as compose's does with `--scale`. Embedders of different models are
not replicas; they are comma-separated in settings.
"""

import asyncio
import itertools
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from shared.core import deadline, tls

REPEATABLE = "ise_repeatable"
"""The extension of a request that another replica may be sent after a 503."""

_PARTED = "|"
_RESOLVED_S = 5.0
_DROPPED_S = 2.0
# A caller that waits for less says nothing about the replica.
_PATIENCE_S = 0.5
_AT_ITS_END_S = 0.05
_DEFAULT_PORTS = {"http": 80, "https": 443}


def each_of(url: str) -> list[str]:
    """The URLs of all replicas that one setting names."""
    return [one.strip().rstrip("/") for one in url.split(_PARTED) if one.strip()] or [url]


@dataclass(frozen=True)
class Replica:
    """Address of a replica, and the URL that names it."""

    named: httpx.URL
    address: str
    port: int

    def request(self, request: httpx.Request) -> httpx.Request:
        """The request as it is sent to this one: by address, under its name."""
        url = request.url.copy_with(scheme=self.named.scheme, host=self.address, port=self.port)
        headers = request.headers.copy()
        headers["Host"] = self.named.netloc.decode("ascii")
        extensions = {**request.extensions, "sni_hostname": self.named.host}
        return httpx.Request(
            request.method, url, headers=headers, stream=request.stream, extensions=extensions
        )


class Replicas:
    """Chooses the one with the fewest requests in hand. Safe to use from several threads."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._urls = [httpx.URL(one) for one in each_of(url)]
        self._clock = clock
        self._resolved: tuple[float, list[Replica]] | None = None
        self._in_hand: Counter[Replica] = Counter()
        self._dropped_until: dict[Replica, float] = {}
        self._lock = threading.Lock()

    @property
    def fresh(self) -> list[Replica] | None:
        """Replicas that were found a moment ago."""
        if self._resolved is None or self._clock() - self._resolved[0] > _RESOLVED_S:
            return None
        return self._resolved[1]

    def lookups(self) -> list[tuple[str, int]]:
        """Return the arguments for `getaddrinfo`. Raises httpx.UnsupportedProtocol."""
        for url in self._urls:
            if url.scheme not in _DEFAULT_PORTS:
                raise httpx.UnsupportedProtocol(f"{url} has no 'http://' or 'https://'.")
        return [(url.host, url.port or _DEFAULT_PORTS[url.scheme]) for url in self._urls]

    def found(self, answers: list[list[Any] | OSError]) -> list[Replica]:
        """Add the addresses that were resolved. Raises httpx.ConnectError if none is known."""
        replicas = [
            Replica(url, info[4][0], info[4][1])
            for url, answer in zip(self._urls, answers, strict=True)
            if not isinstance(answer, OSError)
            for info in answer
        ]
        if not replicas:
            # If only the name server is down, the previous addresses may still work.
            if self._resolved is None:
                raise httpx.ConnectError(str(next(a for a in answers if isinstance(a, OSError))))
            replicas = self._resolved[1]
        with self._lock:
            self._resolved = self._clock(), list(dict.fromkeys(replicas))
            for gone in set(self._dropped_until) - set(replicas):
                del self._dropped_until[gone]
        return self._resolved[1]

    def next(self, among: list[Replica], tried: set[Replica]) -> Replica | None:
        """Return the next replica, to be released afterwards; None if all were tried."""
        with self._lock:
            left = [one for one in among if one not in tried]
            if not left:
                return None
            now = self._clock()
            kept = [one for one in left if self._dropped_until.get(one, 0.0) <= now]
            # If all replicas were dropped, the first one dropped is the likeliest to be back.
            chosen = (
                min(kept, key=lambda one: (self._in_hand[one], random.random()))  # noqa: S311
                if kept
                else min(left, key=lambda one: self._dropped_until[one])
            )
            if chosen in self._dropped_until:
                # Use this request as the probe; others follow once it was answered.
                self._dropped_until[chosen] = now + _DROPPED_S
            self._in_hand[chosen] += 1
            tried.add(chosen)
            return chosen

    def give_back(self, replica: Replica) -> None:
        """The request that it was chosen for has ended."""
        with self._lock:
            self._in_hand[replica] -= 1
            if not self._in_hand[replica]:
                del self._in_hand[replica]

    def drop(self, replica: Replica) -> None:
        """Skip a replica for a while, because it did not answer."""
        with self._lock:
            self._dropped_until[replica] = self._clock() + _DROPPED_S

    def keep(self, replica: Replica) -> None:
        """Stop skipping a replica, because it answered."""
        with self._lock:
            self._dropped_until.pop(replica, None)


def _passes_on(request: httpx.Request, response: httpx.Response) -> bool:
    return response.status_code == 503 and bool(request.extensions.get(REPEATABLE))


def _in_time() -> bool:
    left = deadline.remaining()
    return left is None or left > 0


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An answer's body. Its replica has the request in hand until it is closed."""

    def __init__(self, body: Any, replicas: Replicas, replica: Replica) -> None:
        self._body = body
        self._replicas = replicas
        self._replica = replica
        self._ends = itertools.count()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except httpx.TransportError:
            self._replicas.drop(self._replica)
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._body:
                yield part
        except httpx.TransportError:
            self._replicas.drop(self._replica)
            raise

    def close(self) -> None:
        try:
            self._body.close()
        finally:
            self._end()

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            self._end()

    def _end(self) -> None:
        if next(self._ends) == 0:
            self._replicas.give_back(self._replica)


MOST_CONNECTIONS = 100
"""Connections of one client at once, by default."""
_KEPT = 20
"""Idle connections that stay open, as httpx does by default."""
IDLE_S = 5.0
"""Seconds for which they do: services close theirs much later."""


class ReplicaTransport(httpx.BaseTransport):
    """Sends each request to one of the replicas, or to another if it reached none."""

    def __init__(self, url: str) -> None:
        self._replicas = Replicas(url)
        self._inner = httpx.HTTPTransport(
            verify=tls.trusted(), trust_env=False, limits=_limits(MOST_CONNECTIONS)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        replicas = self._replicas
        among, tried = replicas.fresh or replicas.found(self._looked_up()), set[Replica]()
        while (replica := replicas.next(among, tried)) is not None:
            has_next, began = len(tried) < len(among), time.monotonic()
            try:
                response = self._inner.handle_request(replica.request(request))
            except BaseException as error:
                replicas.give_back(replica)
                if _is_to_blame(error, time.monotonic() - began):
                    replicas.drop(replica)
                if _reached_nobody(error) and has_next and _in_time():
                    continue
                raise
            response.stream = _Body(response.stream, replicas, replica)
            if not _passes_on(request, response):
                replicas.keep(replica)
                return response
            replicas.drop(replica)
            if not has_next:
                return response
            response.close()
        raise httpx.ConnectError("no replica is known", request=request)

    def _looked_up(self) -> list[list[Any] | OSError]:
        found: list[list[Any] | OSError] = []
        for host, port in self._replicas.lookups():
            try:
                found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except OSError as error:
                found.append(error)
        return found

    def close(self) -> None:
        self._inner.close()


class AsyncReplicaTransport(httpx.AsyncBaseTransport):
    """The same for code in an event loop."""

    def __init__(self, url: str, connections: int = MOST_CONNECTIONS) -> None:
        self._replicas = Replicas(url)
        self._inner = httpx.AsyncHTTPTransport(
            verify=tls.trusted(),
            trust_env=False,
            limits=_limits(connections),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        replicas = self._replicas
        among, tried = replicas.fresh or replicas.found(await self._looked_up()), set[Replica]()
        while (replica := replicas.next(among, tried)) is not None:
            has_next, began = len(tried) < len(among), time.monotonic()
            try:
                response = await self._inner.handle_async_request(replica.request(request))
            except BaseException as error:
                replicas.give_back(replica)
                if _is_to_blame(error, time.monotonic() - began):
                    replicas.drop(replica)
                if _reached_nobody(error) and has_next and _in_time():
                    continue
                raise
            response.stream = _Body(response.stream, replicas, replica)
            if not _passes_on(request, response):
                replicas.keep(replica)
                return response
            replicas.drop(replica)
            if not has_next:
                return response
            await response.aclose()
        raise httpx.ConnectError("no replica is known", request=request)

    async def _looked_up(self) -> list[list[Any] | OSError]:
        loop = asyncio.get_running_loop()
        found: list[list[Any] | OSError] = []
        for host, port in self._replicas.lookups():
            try:
                found.append(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except OSError as error:
                found.append(error)
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()


def _limits(connections: int) -> httpx.Limits:
    return httpx.Limits(
        max_connections=connections, max_keepalive_connections=_KEPT, keepalive_expiry=IDLE_S
    )


def _reached_nobody(error: BaseException) -> bool:
    """Return whether nothing was sent, so that any request may be sent to another replica."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _is_to_blame(error: BaseException, waited_s: float) -> bool:
    """Return whether the replica is at fault: not our own pool of connections, not a caller that
    hung up, nor one that would hardly wait.
    """
    if isinstance(error, httpx.TimeoutException):
        return waited_s >= _PATIENCE_S and not isinstance(error, httpx.PoolTimeout)
    if isinstance(error, asyncio.CancelledError):
        # A caller's deadline ended the wait, before the connection's own timeout.
        left = deadline.remaining()
        return waited_s >= _PATIENCE_S and left is not None and left < _AT_ITS_END_S
    return isinstance(error, httpx.TransportError)
