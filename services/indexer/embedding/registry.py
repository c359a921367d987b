"""The embedders to choose from: usually one, and two while a collection moves to another model."""

from collections.abc import Iterator, Sequence

from shared.clients import embedder
from shared.clients.transport import Client
from shared.contracts.embedder import Models
from shared.core.errors import Overloaded, Unavailable


class Embedders:
    """Finds the one that hosts a model. Nothing is kept, as any may be started anew."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = list(clients)

    def hosting(self, visual: str | None = None, matching: str | None = None) -> Client:
        """The one with these models; the only one, or the first, where none has them.

        Raises Unavailable or Overloaded where one that gives no answer might be the one.
        """
        if len(self.clients) == 1:
            return self.clients[0]
        away: Unavailable | Overloaded | None = None
        for client, models in self.models():
            if not isinstance(models, Models):
                away = models
            elif visual in (None, models.visual.fingerprint) and matching in (
                None,
                models.matching.fingerprint,
            ):
                return client
        if away is not None:
            raise away
        return self.clients[0]

    def models(self) -> Iterator[tuple[Client, Models | Unavailable | Overloaded]]:
        """Yield each embedder with its models, or with the reason why it gives no answer."""
        for client in self.clients:
            try:
                yield client, client.send(embedder.list_models())
            except (Unavailable, Overloaded) as error:
                yield client, error

    def close(self) -> None:
        for client in self.clients:
            client.close()
