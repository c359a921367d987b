"""Slots for connections, and the connections to close when all are used.

An idle connection, which waits for a request or its head, is closed for a new one. One with a
request in progress stays.
"""

from collections import Counter
from collections.abc import Callable

from shared.web.callers import network_of

MOST = 2048
_SHARE = 2
"""One network takes the half of the places at most."""
_OWN_FILES = 256
"""Descriptors that a service needs for its files and for connections to others."""

Leave = Callable[[], None]
REFUSED = "ise.refused"
"""Key in a request's scope for what its connection was told before."""


_CALLERS = 64
"""Callers of one connection that are remembered: a proxy sends those of many through it."""


class Told:
    """Times at which the callers of a connection may call again, told with their refusals.

    Callers, not the connection alone: a proxy's connection brings the calls of many.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, caller: str, until: float) -> None:
        """Note until when a caller was told to wait."""
        self._until.pop(caller, None)
        self._until[caller] = until
        if len(self._until) > _CALLERS:
            self._until.pop(next(iter(self._until)))

    def until(self, caller: str) -> float:
        """Return the time that a caller was told; 0: none."""
        return self._until.get(caller, 0.0)


class Connections:
    """Open connections by network, and the idle ones, the longest idle first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._each = max(1, most // _SHARE)
        self._networks: dict[object, str] = {}
        self._counts: Counter[str] = Counter()
        self._waiting: dict[str, dict[object, Leave]] = {}

    def __len__(self) -> int:
        return len(self._networks)

    def enter(self, connection: object, address: str) -> bool:
        """Take a slot, closing an idle connection if necessary; return False if none can be
        closed.
        """
        network = network_of(address)
        if self._counts[network] >= self._each:
            has_room = self._evict(network)
        else:
            has_room = len(self) < self._most or self._evict(self._largest())
        if has_room:
            self._networks[connection] = network
            self._counts[network] += 1
        else:
            self._forget_empty(network)
        return has_room

    def wait(self, connection: object, leave: Leave) -> None:
        """Note that a connection has no request in hand. `leave` closes it."""
        network = self._networks.get(connection)
        if network is not None:
            self._waiting.setdefault(network, {}).setdefault(connection, leave)

    def work(self, connection: object) -> None:
        """Note that a connection has a request in hand, for which it may stay."""
        network = self._networks.get(connection)
        if network is not None and (waiting := self._waiting.get(network)) is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._waiting[network]

    def leave(self, connection: object) -> None:
        """Free the slot of a connection; repeated calls do nothing."""
        self.work(connection)
        network = self._networks.pop(connection, None)
        if network is not None:
            self._counts[network] -= 1
            self._forget_empty(network)

    def _evict(self, network: str | None) -> bool:
        waiting = self._waiting.get(network) if network is not None else None
        if not waiting:
            return False
        connection, close = next(iter(waiting.items()))
        self.leave(connection)
        close()
        return True

    def _largest(self) -> str | None:
        """Return the network with the most connections among those with an idle one."""
        return max(self._waiting, key=lambda network: self._counts[network], default=None)

    def _forget_empty(self, network: str) -> None:
        if not self._counts[network]:
            del self._counts[network]


def places() -> int:
    """Return the number of connections that the process has descriptors for, after raising the
    limit.
    """
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    has_all = soft == resource.RLIM_INFINITY or soft >= wanted
    return MOST if has_all else max(1, soft // 2)
