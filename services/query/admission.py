"""How many searches are in hand at once: past that, a further one is turned away.

Each that is let in shares the processor with the others, so a limit on how many there are is one on
how long they take. What is turned away costs next to nothing, and its body is not read. Whoever is
slow to send a body keeps nobody out meanwhile: its place is lent, and taken again for the answer.
So is that of a search that waits for its `min_version`; of those too there are as many at most.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.errors import Overloaded
from shared.web import problem

# What scans the index or asks the embedder. Figures, tags and files are not in question.
_BEGINNINGS = ("/v1/search", "/v1/suggest-tags", "/v1/duplicates", "/v1/why")
_ENDS = ("/similar", "/suggest-tags", "/why", "/why.png")
_RETRY_AFTER = 1


class Admission:
    """Places of searches: `limit` are in hand at once, and as many wait with their places lent."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_hand = 0
        self.waiting = 0

    @contextmanager
    def lent(self) -> Iterator[None]:
        """For a block in which a search that was let in does nothing but wait.

        Raises Overloaded where too many do so, or where no place is free after the block.
        """
        if self.waiting >= self.limit:
            raise Overloaded(
                f"{self.waiting} searches wait for their `min_version` already; try again in a "
                "second.",
                retry_after=_RETRY_AFTER,
            )
        self.waiting += 1
        self.in_hand -= 1
        try:
            yield
        finally:
            self.in_hand += 1
            self.waiting -= 1
        if self.in_hand > self.limit:
            raise Overloaded(_refusal(self.in_hand - 1), retry_after=_RETRY_AFTER)


class AdmissionMiddleware:
    """Lets in as many searches as there are places."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app = app
        self.places = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_search(scope["path"]):
            await self.app(scope, receive, send)
            return
        places = self.places
        if places.in_hand >= places.limit:
            busy = Overloaded(_refusal(places.in_hand), retry_after=_RETRY_AFTER)
            await problem.refuse(busy, scope)(scope, receive, send)
            return
        whole = False

        async def receive_in_others_time() -> Message:
            nonlocal whole
            if whole:
                return await receive()
            places.in_hand -= 1
            try:
                message = await receive()
            finally:
                places.in_hand += 1
            whole = not message.get("more_body", False)
            if whole and places.in_hand > places.limit:
                # Not an ISEError: FastAPI makes any other error while a body is read a 400.
                raise HTTPException(
                    429, _refusal(places.in_hand - 1), {"Retry-After": str(_RETRY_AFTER)}
                )
            return message

        places.in_hand += 1
        try:
            await self.app(scope, receive_in_others_time, send)
        finally:
            places.in_hand -= 1


def _refusal(in_hand: int) -> str:
    return f"{in_hand} searches are in hand already; try again in a second."


def is_search(path: str) -> bool:
    """Return whether a request at this path counts."""
    return path.startswith(_BEGINNINGS) or path.endswith(_ENDS)
