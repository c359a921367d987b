"""The embedders to choose from: usually one, and two while a collection moves to another model.

Each hosts the models of its settings, and beside them those of a profile that is asked for.
"""

import time
from collections.abc import Iterator, Sequence

from shared.clients import embedder
from shared.clients.transport import Client
from shared.contracts.embedder import PROFILE_HEADER, Models
from shared.core.errors import InvalidInput, ISEError, Overloaded, Unavailable
from shared.models.profiles import profile_of

_FRESH_S = 2.0
"""How long an embedder is taken to host what it did; its answers name their model anyway."""
_KEPT = 8


class Embedders:
    """Finds the one that hosts a model; any of them may be started anew with another."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = list(clients)
        self._known: dict[str, Models] = {}
        self._found: dict[tuple[str | None, str | None], tuple[float, Client]] = {}

    def hosting(self, visual: str | None = None, matching: str | None = None) -> Client:
        """The one with these models; the only one, or the first, where none has them.

        Raises Unavailable or Overloaded where one that gives no answer might be the one.
        """
        profile = profile_of(visual) or profile_of(matching)
        if len(self.clients) == 1 and profile is None:
            return self.clients[0]
        wanted = visual, matching
        since, found = self._found.get(wanted, (0.0, None))
        if found is None or time.monotonic() - since > _FRESH_S:
            found = self._hosting(visual, matching, profile)
            self._found = {
                **dict(list(self._found.items())[-_KEPT:]),
                wanted: (time.monotonic(), found),
            }
        return found

    def _hosting(self, visual: str | None, matching: str | None, profile: str | None) -> Client:
        away: Unavailable | Overloaded | None = None
        for client, models in self._likely(visual, matching):
            if not isinstance(models, Models):
                away = models
            elif _fits(models, visual, matching):
                return client
        if away is not None:
            raise away
        for client in self.clients if profile is not None else ():
            beside = client.with_headers({PROFILE_HEADER: profile or ""})
            try:
                models = beside.send(embedder.list_models())
            except (Unavailable, Overloaded):
                raise
            except ISEError:
                # An older version, which knows no profiles.
                continue
            if _fits(models, visual, matching):
                return beside
        return self.clients[0]

    def models(self) -> Iterator[tuple[Client, Models | Unavailable | Overloaded]]:
        """Yield each embedder with its models, or with the reason why it gives no answer."""
        return self._models_of(self.clients)

    def _likely(
        self, visual: str | None, matching: str | None
    ) -> Iterator[tuple[Client, Models | Unavailable | Overloaded]]:
        """Yield the same, first those that had these models when they answered last.

        So nobody waits for another one that hangs.
        """

        def had(client: Client) -> bool:
            models = self._known.get(client.base_url)
            return models is not None and _fits(models, visual, matching)

        return self._models_of(sorted(self.clients, key=lambda client: not had(client)))

    def _models_of(
        self, clients: Sequence[Client]
    ) -> Iterator[tuple[Client, Models | Unavailable | Overloaded]]:
        for client in clients:
            try:
                models = self._known[client.base_url] = client.send(embedder.list_models())
                yield client, models
            except (Unavailable, Overloaded) as error:
                yield client, error

    def in_use(self) -> list[Client]:
        """Return the embedders, and those of a profile beside them that were found last."""
        beside = [client for _, client in self._found.values() if client not in self.clients]
        return [*self.clients, *beside]

    def of_profile(self, profile: str) -> Models:
        """Return the models of a profile, from the first embedder that hosts it.

        Raises InvalidInput where there is no such profile, Unavailable while they are loaded.
        """
        if not self.clients:
            raise InvalidInput("There is no embedder.")
        beside = self.clients[0].with_headers({PROFILE_HEADER: profile})
        return beside.send(embedder.list_models())

    def close(self) -> None:
        for client in self.clients:
            client.close()


def _fits(models: Models, visual: str | None, matching: str | None) -> bool:
    return visual in (None, models.visual.fingerprint) and matching in (
        None,
        models.matching.fingerprint,
    )
