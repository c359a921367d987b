"""Sends calls over httpx, sync or async; a bad status becomes an error of `shared/core/errors.py`.

A call is a value that knows its request and how to read its answer, and nothing of sockets; so
each API is written once and used both ways:

    Client("http://127.0.0.1:8000").send(query.search_term("dog"))
    await AsyncClient("http://127.0.0.1:8000").send(query.search_term("dog"))
"""

import asyncio
import copy
import random
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from shared.clients.failures import PEER_AWAY, raise_for_problem, timed_out, unreachable
from shared.clients.replicas import (
    MOST_CONNECTIONS,
    REPEATABLE,
    AsyncReplicaTransport,
    ReplicaTransport,
    each_of,
)
from shared.core import deadline, errors, trace
from shared.core.request_id import HEADER, current_request_id

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Params = Mapping[str, str | int | float | bool | list[str] | None]
File = tuple[str, tuple[str, bytes, str]]

_CONNECT_S = 5.0
# Upper bounds of the pause before each retry. Pauses are random, so that many callers of a
# restarted service don't return at the same moment.
_PAUSES_S = (0.1, 0.4)
_AWAY_S = 60.0
# If a caller that waits for less gets no answer, that says nothing about the service.
_PATIENCE_S = 0.5


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and the reading of its answer."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Params = field(default_factory=dict)
    json: Any = None
    content: bytes | AsyncIterable[bytes] | None = None
    """Chunks stream through an `AsyncClient`; a `Client` takes bytes."""
    files: list[File] | None = None
    data: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    repeatable: bool = False
    """True if the call changes nothing although it isn't a GET."""
    taken: frozenset[int] = frozenset()
    """Further statuses that `read` accepts."""

    @property
    def is_safe(self) -> bool:
        """True if the call may be abandoned and repeated; the outcome of a change would be
        unknown.
        """
        return self.method in ("GET", "HEAD") or self.repeatable

    def with_headers(self, headers: Mapping[str, str]) -> "Call[T]":
        """Return the same call with additional headers."""
        return replace(self, headers={**self.headers, **headers})

    def request(self, base_url: str, within: bool = False) -> dict[str, Any]:
        """The arguments of `httpx.Client.request`."""
        given = {k: v for k, v in self.params.items() if v is not None}
        headers = dict(self.headers)
        if request_id := current_request_id():
            headers[HEADER] = request_id
        if (place := trace.current()) is not None:
            headers |= place.headers()
        timeout_s = self.timeout_s
        left = deadline.remaining() if self.is_safe else None
        if left is not None:
            headers[deadline.HEADER] = deadline.preference(left)
            # A timeout of 0 would mean a non-blocking socket.
            timeout_s = min(timeout_s, max(left, 0.001))
        return {
            "method": self.method,
            "url": each_of(base_url)[0] + self.path,
            "params": given,
            "json": self.json,
            "content": self.content,
            "files": self.files,
            "data": self.data,
            "headers": headers,
            "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
            "extensions": {REPEATABLE: within and self.is_safe},
        }


def model(cls: type[M]) -> Callable[[httpx.Response], M]:
    """Reads an answer as a wire model."""

    def read(response: httpx.Response) -> M:
        try:
            return cls.model_validate_json(response.content)
        except ValidationError as error:
            raise errors.ISEError(
                f"{response.request.url} answered what is not a {cls.__name__}. Check "
                "that the address is right and that both sides have the same version."
            ) from error

    return read


def segment(text: str) -> str:
    """An id as one part of a path, whatever its characters: also `a/b`, `a?b` and `..`."""
    return quote(text, safe="").replace(".", "%2E")


def _authorization(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _pauses(call: Call[Any], within: bool) -> Iterator[float]:
    """Yield the pauses before each retry of an interrupted or refused call."""
    if within and call.is_safe:
        yield from (random.uniform(0, longest) for longest in _PAUSES_S)  # noqa: S311


class Client:
    """A connection to one service, for code that waits."""

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        within: bool = False,
    ) -> None:
        """`base_url` names one or several replicas; `within`: one of our services asks another."""
        self.base_url = base_url.rstrip("/")
        self._within = within
        self._headers: Mapping[str, str] = {}
        self._http = httpx.Client(
            headers=_authorization(key),
            transport=transport or ReplicaTransport(base_url),
            trust_env=False,
        )

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """Return the same connection, whose calls have these headers beside their own."""
        other = copy.copy(self)
        other._headers = {**self._headers, **headers}
        return other

    def send(self, call: Call[T]) -> T:
        """Sends a call and reads its answer. Raises an ISEError."""
        response = self._response(call)
        if response.status_code not in call.taken:
            raise_for_problem(response, self._within)
        return call.read(response)

    def _response(self, call: Call[T]) -> httpx.Response:
        pauses = _pauses(call, self._within)
        while True:
            try:
                return self._http.request(**self._request(call))
            except httpx.TransportError as error:
                pause = None if isinstance(error, httpx.TimeoutException) else next(pauses, None)
                if pause is None:
                    raise unreachable(self.base_url, error, self._within) from error
            time.sleep(pause)

    @contextmanager
    def stream(self, call: Call[Any]) -> Iterator[httpx.Response]:
        """The answer of a call while it still comes in. Leaving the block closes the connection."""
        try:
            with self._http.stream(**self._request(call)) as response:
                if not response.is_success:
                    response.read()
                    raise_for_problem(response, self._within)
                yield response
        except httpx.TransportError as error:
            raise unreachable(self.base_url, error, self._within) from error

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        return call.with_headers(self._headers).request(self.base_url, self._within)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """A connection to one service, for code in an event loop."""

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        within: bool = False,
        connections: int = MOST_CONNECTIONS,
    ) -> None:
        """`base_url` names one or several replicas; `within`: one of our services asks another.
        `connections`: most that are open at once.
        """
        self.base_url = base_url.rstrip("/")
        self._within = within
        self._failed: tuple[float, str] | None = None
        self._http = httpx.AsyncClient(
            headers=_authorization(key),
            transport=transport or AsyncReplicaTransport(base_url, connections),
            trust_env=False,
        )

    @property
    def away(self) -> str | None:
        """The reason why the service did not answer the latest call, a moment ago; or None."""
        if self._failed is None or time.monotonic() - self._failed[0] > _AWAY_S:
            return None
        return self._failed[1]

    async def send(self, call: Call[T]) -> T:
        """Sends a call and reads its answer. Raises an ISEError."""
        response = await self._answer(call)
        if response.status_code not in call.taken:
            raise_for_problem(response, self._within)
        return call.read(response)

    async def open(self, call: Call[Any]) -> httpx.Response:
        """Sends a call; gives its answer before the body, for the caller to read and to close.

        Raises an ISEError.
        """
        response = await self._answer(call, is_streamed=True)
        if response.is_success or response.status_code in call.taken:
            return response
        try:
            await response.aread()
        finally:
            await response.aclose()
        raise_for_problem(response, self._within)
        return response

    async def _answer(self, call: Call[Any], is_streamed: bool = False) -> httpx.Response:
        patience_s = deadline.remaining() if call.is_safe else None
        limit = asyncio.timeout(patience_s)
        try:
            async with limit:
                response = await self._response(call, is_streamed)
        except (httpx.TransportError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and not limit.expired():
                # Of a body that is passed on, for example.
                raise
            failure = unreachable(self.base_url, error, self._within)
            is_away = PEER_AWAY in failure.extra or not self._within
            is_patient = patience_s is None or patience_s >= _PATIENCE_S
            if is_away and (not timed_out(error) or is_patient):
                self._failed = time.monotonic(), failure.detail
            raise failure from error
        self._failed = None
        return response

    async def _response(self, call: Call[Any], is_streamed: bool) -> httpx.Response:
        pauses = _pauses(call, self._within)
        while True:
            request = self._http.build_request(**call.request(self.base_url, self._within))
            try:
                return await self._http.send(request, stream=is_streamed)
            except httpx.TransportError as error:
                pause = None if isinstance(error, httpx.TimeoutException) else next(pauses, None)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def stream(self, call: Call[Any]) -> AsyncIterator[httpx.Response]:
        """The answer of a call while it still comes in. Leaving the block closes the connection."""
        try:
            async with self._http.stream(**call.request(self.base_url, self._within)) as response:
                if not response.is_success:
                    await response.aread()
                    raise_for_problem(response, self._within)
                yield response
        except httpx.TransportError as error:
            raise unreachable(self.base_url, error, self._within) from error

    async def close(self) -> None:
        await self._http.aclose()
