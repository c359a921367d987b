"""Reachability of the services that this one asks, and the features that wait for them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from enum import IntEnum

import httpx

from shared.clients.replicas import each_of
from shared.core import tls

_TIMEOUT_S = 2.0
# Cached, because several monitors may ask; for less time if a service is down, which may return
# soon.
_FRESH_S = 5.0
_AWAY_FRESH_S = 1.0
# The embedder answers before its models are loaded, so request its readiness. That of the others
# depends on further services, and may take longer than this timeout.
_PATHS = {"embedder": "/ready"}


class State(IntEnum):
    """State of a service, as seen from here."""

    AWAY = 0
    SLOW = 1
    STARTING = 2
    READY = 3


class Peers:
    """Asks each, all at once, and remembers the answers for some seconds."""

    def __init__(self, urls: Mapping[str, Sequence[str]]) -> None:
        """`urls`: the addresses of a service by its name; one that answers is enough."""
        self._urls = {
            name: [one for url in given for one in each_of(url)] for name, given in urls.items()
        }
        self._asked: float | None = None
        self.states: dict[str, State] = {}

    @property
    def up(self) -> dict[str, bool]:
        """True for each service that answered its latest request."""
        return {name: state >= State.STARTING for name, state in self.states.items()}

    async def look(self) -> None:
        """Brings `states` up to date."""
        all_ready = all(state is State.READY for state in self.states.values())
        fresh_s = _FRESH_S if all_ready else _AWAY_FRESH_S
        if self._asked is not None and time.monotonic() - self._asked < fresh_s:
            return
        self._asked = time.monotonic()
        async with httpx.AsyncClient(
            verify=tls.trusted(), timeout=_TIMEOUT_S, trust_env=False
        ) as http:
            self.states = {
                name: await _best(http, urls, _PATHS.get(name, "/health"))
                for name, urls in self._urls.items()
            }

    @property
    def missing(self) -> dict[str, str]:
        """State of each service that isn't ready."""
        return {
            name: state.name.lower()
            for name, state in self.states.items()
            if state is not State.READY
        }

    def paused(self, work: Mapping[str, str]) -> list[str]:
        """A sentence for each service that isn't there: which work waits for it, and why."""
        return [
            f"{work[name]} is paused: the {name} {_WHY[state]}."
            for name, state in self.states.items()
            if state is not State.READY and name in work
        ]


_WHY = {
    State.AWAY: "is not running at the moment",
    State.SLOW: "does not answer in time",
    State.STARTING: "is starting",
}


async def _best(http: httpx.AsyncClient, urls: Sequence[str], path: str) -> State:
    return max(await asyncio.gather(*(_state(http, url + path) for url in urls)))


async def _state(http: httpx.AsyncClient, url: str) -> State:
    try:
        answer = await http.get(url)
    except httpx.TimeoutException:
        return State.SLOW
    except (httpx.HTTPError, httpx.InvalidURL):
        return State.AWAY
    return State.READY if answer.is_success else State.STARTING
