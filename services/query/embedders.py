"""The embedders to choose from: usually one, and two while a collection moves to another model.

Each hosts the models of its settings, and beside them those of a profile that is asked for.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.clients.transport import AsyncClient, Call
from shared.contracts.embedder import PROFILE_HEADER
from shared.core import deadline
from shared.core.errors import Conflict, NotFound, Overloaded, Unavailable

T = TypeVar("T")


class Embedders:
    """Asks the one whose answer fits; the one that fitted last goes first."""

    def __init__(
        self,
        clients: Sequence[AsyncClient],
        profile: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`profile`: the profile whose model made the index, or None."""
        self._clients = list(clients)
        self._profile = profile
        self._fitted: str | None = None
        """The profile that fitted last where an embedder's own models did not."""

    async def send(self, call: Call[T], fits: Callable[[T], bool] = lambda _: True) -> T:
        """The first answer that fits; where none does, the last, or why an embedder gave none."""
        misfit: list[T] = []
        away: Unavailable | Overloaded | None = None
        refused: Conflict | NotFound | None = None
        profile = self._profile()
        asked_beside = profile is not None and profile == self._fitted
        if asked_beside:
            try:
                found = await self._beside(call, profile)
            except (Unavailable, Overloaded) as error:
                found, away = [], error
            if found and fits(found[0]):
                return found[0]
            self._fitted = None
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
        if away is None and not asked_beside:
            beside = await self._beside(call, profile)
            if beside and fits(beside[0]):
                self._fitted = profile
                return beside[0]
        # The one that is away may be the one that fits.
        if reason := away or refused:
            raise reason
        return misfit[-1]

    async def _beside(self, call: Call[T], profile: str | None) -> list[T]:
        """The answer by a profile, beside the models of the settings; empty where there is none, or
        it can't be loaded. Raises Unavailable while it is being loaded."""
        if profile is None or not self._clients:
            return []
        try:
            return [await self._clients[0].send(call.with_headers({PROFILE_HEADER: profile}))]
        except (Conflict, NotFound):
            return []

    @property
    def away(self) -> str | None:
        """The reason why an embedder gave no answer when it was asked last, or None."""
        return next(filter(None, (client.away for client in self._clients)), None)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
