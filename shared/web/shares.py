"""Shares of clients: while others are refused, one client may hold no more than its even share."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

CONTENDING_S = 30.0
"""Seconds since its last call for which a client that was refused counts as one that wants more."""
_MOST_CONTENDERS = 1024


class Shares:
    """Clients that want more of something than is free, and so the share of each.

    A client is a key, or an address without one. `hold`: whatever it holds at the moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, int] = {}
        # The one whose last call is longest ago comes first.
        self._refused: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    def held(self, client: str) -> int:
        """Return how much a client holds."""
        return self._held.get(client, 0)

    def hold(self, client: str, more: int) -> None:
        """Note that a client holds more, or less."""
        left = self._held.get(client, 0) + more
        if left > 0:
            self._held[client] = left
        else:
            self._held.pop(client, None)

    def refused(self, client: str, is_bulk: bool = False) -> None:
        """Note that a client got nothing, because others hold it; from now on it contends."""
        _, was_bulk = self._refused.pop(client, (0.0, True))
        self._refused[client] = (self._clock(), is_bulk and was_bulk)
        if len(self._refused) > _MOST_CONTENDERS:
            self._refused.popitem(last=False)

    def seen(self, client: str) -> None:
        """Note that a client is still there."""
        if client in self._refused:
            _, is_bulk = self._refused.pop(client)
            self._refused[client] = (self._clock(), is_bulk)

    def share(self, client: str, limit: int, is_bulk: bool = False) -> int:
        """Return the most that a client may hold of `limit`: all of it, unless others contend.

        Those that contend for bulk work alone take nothing from interactive calls.
        """
        if not self._refused:
            return limit
        oldest = self._clock() - CONTENDING_S
        while self._refused and next(iter(self._refused.values()))[0] < oldest:
            self._refused.popitem(last=False)
        others = sum(
            name != client and (is_bulk or not only_bulk)
            for name, (_, only_bulk) in self._refused.items()
        )
        return max(1, math.ceil(limit / (others + 1)))
