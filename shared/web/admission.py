"""Admission of calls, declared at the route and decided before anything of a body is read.

A route says what its body is, so that its memory can be taken from the service's budget by the
length that the head announces, and which kind of place it takes. What can't be had at once is
refused: the answer costs the service nothing but the head.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive
from starlette.types import Scope as Connection

from shared.contracts.embedder import FILES_HEADER
from shared.core import problem
from shared.core.budget import MIB, Budget, Grant, charging
from shared.core.errors import ISEError, Overloaded, ShareUsed, TooLarge
from shared.web.body import announced
from shared.web.callers import caller_of
from shared.web.places import Place, Places, by_bytes
from shared.web.priority import is_bulk
from shared.web.shares import Shares

F = TypeVar("F", bound=Callable[..., Any])

_DIGITS = 6
_RETRY_AFTER = 1
_SMALL = 64 * 1024
"""Bytes of memory up to which a call isn't refused for its client's share."""
_ADMISSION = "__admission__"
_PLACE = "ise.place"
VALUES = "ise.json_values"
"""Key in a request's scope for the most values that its JSON may have."""
SPOOL = "ise.spool"
"""Key in a request's scope for the folder of its form's files; None: they stay in memory."""

SEARCHES, PICTURES, UPLOADS = "searches", "images", "uploads"
"""Kinds of places."""


@dataclass(frozen=True)
class Admission:
    """Share of a service that a call takes.

    most_bytes: limit of its body; None: that of all bodies. base: bytes of memory for the call
    itself. weight: bytes of memory for each byte of the body. values: most values in its JSON.
    places: the kind of place that it takes, if any. estimate: how many, by the length of the body,
    if no header tells.
    spools: the body goes to files, whose bytes have a bound of their own.
    """

    most_bytes: int | None = 64 * 1024
    base: int = 16 * 1024
    weight: int = 1
    values: int = 0
    places: str | None = None
    estimate: Callable[[int], int] = field(default=lambda _: 1)
    spools: bool = False


QUICK = Admission()
"""A call without a body that reads little."""
JSON = Admission(4 * MIB, weight=10, values=400_000)
"""A body of JSON; parsed, it takes about ten times its length."""
IDS = Admission(24 * MIB, weight=6, values=150_000)
"""A body of JSON with the ids of many images."""
SEARCH = Admission(places=SEARCHES)
"""A search without a body."""
SEARCH_JSON = Admission(128 * MIB, weight=4, values=400_000, places=SEARCHES)
"""A search that may bring pictures in base64, which have few values."""
SEARCH_FILE = Admission(None, weight=3, places=SEARCHES)
"""A search by a picture in a form."""
BATCH = Admission(128 * MIB, weight=4, values=400_000, places=SEARCHES, estimate=by_bytes(256, 8))
"""Many searches at once; each takes a place."""
FILE = Admission(None, weight=3)
"""A form with a picture that is kept in memory."""
IMAGES = Admission(None, weight=2, places=PICTURES, estimate=by_bytes(256 * 1024, 64))
"""A form of pictures to embed; each takes a place."""
ROWS = Admission(None, weight=3)
"""Rows of numbers as they lie in memory."""
ARCHIVE = Admission(24 * MIB, base=32 * MIB, weight=6, values=150_000)
"""A body of ids, whose files are in memory one after the other."""
VECTORS_JSON = Admission(96 * MIB, weight=6, values=5_000_000)
"""Vectors in JSON."""
FORM = Admission(None, base=MIB, weight=0, spools=True, places=UPLOADS)
"""A form whose files go to disk."""
PASSED_ON = Admission(None, base=MIB, weight=0, places=UPLOADS)
"""A body that is sent to another service while it arrives."""


def admits(admission: Admission) -> Callable[[F], F]:
    """Declare how calls of a route are admitted; stands below `@needs`.

    A route that takes a body must declare it; one that takes none is QUICK by default.
    """

    def declare(endpoint: F) -> F:
        setattr(endpoint, _ADMISSION, admission)
        return endpoint

    return declare


def admission_of(endpoint: Callable[..., Any]) -> Admission | None:
    """Return what a route declares, or None."""
    found: Admission | None = getattr(endpoint, _ADMISSION, None)
    return found


def weigh(call: HTTPConnection, count: int) -> None:
    """Correct the number of places that a call takes, once its body tells it."""
    place: Place = call.scope[_PLACE]
    place.weigh(count)


class SharedBudget:
    """Grants of a budget, of which no client holds more than its even share while others wait."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.shares = Shares()
        self._grants: dict[str, set[Grant]] = {}

    def check(self, client: str, weight: int, growing: Grant | None = None) -> None:
        """Raise ShareUsed where a client has its share and others wait.

        growing: one of its grants, which is to take so much more; one alone may take all.
        """
        self.shares.seen(client)
        limit = self.budget.most_for(weight + (growing.weight if growing else 0))
        share = self.shares.share(client, limit)
        if share == limit or (weight <= _SMALL and growing is None):
            return
        each = self._grants.get(client, ())
        held = sum(grant.weight for grant in each)
        is_first = not each if growing is None else len(each) == 1
        if not is_first and held + weight > share:
            raise ShareUsed(
                f"Calls of yours hold {held / MIB:.0f} MiB ({self.budget.setting}), and others "
                "wait: try again in a second.",
                retry_after=_RETRY_AFTER,
            )

    def grow(self, client: str, grant: Grant, more: int) -> None:
        """Take more for a grant. Raises Overloaded, ShareUsed, TooLarge."""
        self.check(client, more, growing=grant)
        try:
            grant.grow(more)
        except Overloaded:
            self.shares.refused(client)
            raise

    @contextmanager
    def grant(self, client: str, weight: int) -> Iterator[Grant]:
        """Take bytes for the block. Raises Overloaded, ShareUsed, TooLarge."""
        self.check(client, weight)
        try:
            grant = self.budget.grant(weight)
        except Overloaded:
            self.shares.refused(client)
            raise
        grants = self._grants.setdefault(client, set())
        grants.add(grant)
        try:
            yield grant
        finally:
            grant.release()
            grants.discard(grant)
            if not grants:
                self._grants.pop(client, None)


class Gates:
    """Resources that calls share: memory, bytes of files on disk, and places by kind.

    folder: where files of forms go; None: there are no such routes.
    """

    def __init__(self, memory: Budget, spool: Budget) -> None:
        self.memory = memory
        self.spool = spool
        self.folder: str | None = None
        self.places: dict[str, Places] = {}
        self._memory = SharedBudget(memory)
        self._spool = SharedBudget(spool)

    def has_room(self, admission: Admission, size: int, is_bulk: bool) -> bool:
        """Return whether any place and memory are free for a call with a body of `size` bytes."""
        kind = admission.places
        return (kind is None or self.places[kind].is_free(is_bulk)) and self.memory.has_room(
            admission.base + admission.weight * size
        )

    def check(self, admission: Admission, headers: Headers, client: str) -> None:
        """Raise what `enter` would raise; nothing is taken."""
        size = announced(headers) or 0
        _check_size(admission, size)
        if admission.places is not None:
            places = self.places[admission.places]
            count = _count(admission, headers, size)
            places.check(count, is_bulk(headers.get("priority")), client)
        with self._memory.grant(client, admission.base + admission.weight * size):
            pass

    @contextmanager
    def enter(
        self, admission: Admission, scope: Connection
    ) -> Iterator[Callable[[Receive], Receive]]:
        """Admit a call for the block; the result bounds what it receives.

        Raises TooLarge, Overloaded, ShareUsed.
        """
        headers = Headers(scope=scope)
        size = announced(headers)
        _check_size(admission, size or 0)
        client = caller_of(scope).name
        place = None
        if admission.places is not None:
            count = _count(admission, headers, size or 0)
            bulk = is_bulk(headers.get("priority"))
            place = self.places[admission.places].enter(count, bulk, client)
        taken = admission.base + admission.weight * (size or 0)
        spooled = self._spool.grant(client, size or 0) if admission.spools else nullcontext()
        try:
            with self._memory.grant(client, taken) as memory, spooled as spool, charging(memory):
                scope[_PLACE] = place
                scope[VALUES] = admission.values
                scope[SPOOL] = self.folder if admission.spools else None
                is_chunked = "transfer-encoding" in headers
                growing = partial(self._grow, client, memory, spool, admission.weight)
                grow = growing if size is None else None
                body = _Body(admission, place, grow, bool(size) or is_chunked)
                yield body.receiving
        finally:
            if place is not None:
                place.leave()

    def _grow(
        self, client: str, memory: Grant, spool: Grant | None, weight: int, received: int
    ) -> None:
        self._memory.grow(client, memory, received * weight)
        if spool is not None:
            self._spool.grow(client, spool, received)


def _check_size(admission: Admission, size: int) -> None:
    if admission.most_bytes is not None and size > admission.most_bytes:
        raise _too_large(admission.most_bytes)


def _count(admission: Admission, headers: Headers, size: int) -> int:
    """Return the number of places of a call, by its head."""
    told = headers.get(FILES_HEADER, "")
    is_told = admission.places == PICTURES and told.isdecimal() and len(told) < _DIGITS
    return max(1, int(told)) if is_told else admission.estimate(size)


class _Body:
    """The body of a call that was let in: counted, and paid for as it arrives."""

    def __init__(
        self,
        admission: Admission,
        place: Place | None,
        grow: Callable[[int], None] | None,
        is_awaited: bool,
    ) -> None:
        """grow: takes what so many bytes more need, of a body whose length wasn't announced."""
        self._admission = admission
        self._place = place
        self._grow = grow
        self._is_awaited = is_awaited
        self._received = 0
        self._patience = 0.0 if place is None else place.places.patience_s

    def receiving(self, receive: Receive) -> Receive:
        """Return `receive` within the call's bounds."""

        async def bounded() -> Message:
            message = await self._lending(receive)
            size = len(message.get("body", b""))
            self._received += size
            most = self._admission.most_bytes
            try:
                if most is not None and self._received > most:
                    raise _too_large(most)
                if self._grow is not None and size:
                    self._grow(size)
                if self._is_awaited and not message.get("more_body", False):
                    self._is_awaited = False
                    if self._place is not None:
                        self._place.take_again()
            except ISEError as error:
                # FastAPI makes any other error while a body is read a 400.
                raise _as_http(error) from None
            return message

        return bounded

    async def _lending(self, receive: Receive) -> Message:
        """Receive, and lend the places if the sender takes longer than is waited for."""
        place = self._place
        if place is None or place.is_lent or self._patience == inf or not self._is_awaited:
            return await receive()
        if self._patience <= 0:
            place.lend()
            return await receive()
        began = time.monotonic()
        timer = asyncio.get_running_loop().call_later(self._patience, place.lend)
        try:
            return await receive()
        finally:
            timer.cancel()
            self._patience -= time.monotonic() - began


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {most} bytes for this call. Send less at once.")


def _as_http(error: ISEError) -> HTTPException:
    return HTTPException(problem.status_of(error), error.detail, problem.headers_of(error))
