"""Ports for services that tests start by number."""

import itertools
import os
import socket
from collections.abc import Iterator

# Below those that the kernel gives to connections, so that nobody takes one between two starts.
_FIRST, _WORKERS, _EACH = 12_000, 16, 1_000


def _numbers() -> Iterator[int]:
    """Those of this worker of pytest-xdist, begun somewhere, as two sessions may run at once."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    begin = os.getpid() * 37 % _EACH
    return itertools.cycle(_FIRST + worker * _EACH + (begin + n) % _EACH for n in range(_EACH))


_LEFT = _numbers()


def free_port() -> int:
    """A port of loopback that nothing uses, another one each time."""
    for port in itertools.islice(_LEFT, _EACH):
        with socket.socket() as probe:
            # As servers do: what is left of closed connections doesn't hold it.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
