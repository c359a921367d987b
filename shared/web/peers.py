"""Whether the services that this one asks can be reached from here."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import httpx

from shared.clients.replicas import each_of

_TIMEOUT_S = 1.0
# Several may watch; the services are not asked for each of them.
_FRESH_S = 5.0


class Peers:
    """Asks each for `/health`, all at once, and remembers the answers for some seconds."""

    def __init__(self, urls: Mapping[str, Sequence[str]]) -> None:
        """`urls`: the addresses of a service by its name; one that answers is enough."""
        self._urls = {
            name: [one for url in given for one in each_of(url)] for name, given in urls.items()
        }
        self._asked: float | None = None
        self.up: dict[str, bool] = {}

    async def look(self) -> None:
        """Brings `up` up to date."""
        if self._asked is not None and time.monotonic() - self._asked < _FRESH_S:
            return
        self._asked = time.monotonic()
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as http:
            self.up = {name: await _any_up(http, urls) for name, urls in self._urls.items()}


async def _any_up(http: httpx.AsyncClient, urls: Sequence[str]) -> bool:
    return any(await asyncio.gather(*(_is_up(http, url) for url in urls)))


async def _is_up(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health")).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
