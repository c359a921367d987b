"""Work on the current collection, which may go over to other models meanwhile."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.query.search.searcher import Searcher
from shared.core.errors import FingerprintMismatch

T = TypeVar("T")


async def on_current(
    reopen: Callable[[], Awaitable[Searcher]], work: Callable[[Searcher], Awaitable[T]]
) -> T:
    """Return the result of work on the current collection.

    The work is done again where no embedder has the models that it asked for any more, because the
    collection went over to others meanwhile. reopen: returns the collection at the time of the
    call. Raises as the work does.
    """
    while True:
        searcher = await reopen()
        try:
            return await work(searcher)
        except FingerprintMismatch:
            if (await reopen()).collection.models == searcher.collection.models:
                raise
