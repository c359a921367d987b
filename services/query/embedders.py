"""The embedders to choose from: usually one, and two while a collection moves to another model."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.clients.transport import AsyncClient, Call
from shared.core import deadline
from shared.core.errors import Conflict, NotFound, Overloaded, Unavailable

T = TypeVar("T")


class Embedders:
    """Asks the one whose answer fits; the one that fitted last goes first."""

    def __init__(self, clients: Sequence[AsyncClient]) -> None:
        self._clients = list(clients)

    async def send(self, call: Call[T], fits: Callable[[T], bool] = lambda _: True) -> T:
        """The first answer that fits; where none does, the last, or why an embedder gave none."""
        misfit: list[T] = []
        away: Unavailable | Overloaded | None = None
        refused: Conflict | NotFound | None = None
        clients = tuple(self._clients)
        for asked, client in enumerate(clients):
            left = deadline.remaining()
            # One that hangs leaves the others their share of the time.
            share = None if left is None else left / (len(clients) - asked)
            try:
                with deadline.within(share):
                    answer = await client.send(call)
            except (Unavailable, Overloaded) as error:
                away = error
            except (Conflict, NotFound) as error:
                refused = error
            else:
                if fits(answer):
                    # One step of the loop, so no other request sees the list in between.
                    self._clients.sort(key=lambda other: other is not client)
                    return answer
                misfit.append(answer)
        # The one that is away may be the one that fits.
        if reason := away or refused:
            raise reason
        return misfit[-1]

    @property
    def away(self) -> str | None:
        """The reason why an embedder gave no answer when it was asked last, or None."""
        return next(filter(None, (client.away for client in self._clients)), None)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
