"""Networks from the copy of the published in an object store, for an embedder that shares no disk
with the indexer."""

import logging
import threading
import time
from pathlib import Path
from weakref import WeakValueDictionary

from shared.core.errors import Corrupt, Unavailable
from shared.files import durable, sums
from shared.objects.address import Address
from shared.objects.store import Objects

log = logging.getLogger(__name__)

# Seconds for which the name of the current network is cached.
_EVERY_S = 2.0
# Seconds after a failed download during which it is not tried again.
_AWAY_S = 5.0


class Download:
    """Downloads networks into a folder on demand. Safe to use from several threads."""

    def __init__(self, objects: Objects, address: Address) -> None:
        """`address`: of the whole copy."""
        self._objects = objects
        self._networks = address.child("networks")
        self._current: str | None = None
        self._asked_at = 0.0
        self._lock = threading.Lock()
        # One lock per network being downloaded; weak, so that unused ones disappear.
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._failed: dict[str, tuple[float, str]] = {}

    def current(self, name: str) -> str:
        """Return the name of the current network, as the store said some seconds ago, or last.

        Raises FileNotFoundError, and Unavailable if the store never answered.
        """
        known, now = self._current, time.monotonic()
        if known is not None and now < self._asked_at + _EVERY_S:
            return known
        # Set before the request, so that other threads don't wait for it.
        self._asked_at = now
        try:
            self._current = known = self._read(name)
        except Unavailable as error:
            if known is None:
                raise
            log.warning(
                "%s may have changed, the known network stays in use: %s",
                self._networks.child(name),
                error.detail,
            )
        return known

    def fetch(self, network: str, name: str, folder: Path) -> None:
        """Download a file of a network with its SHA-256, unless it is present and intact.

        Raises FileNotFoundError, Corrupt, Unavailable, OSError.
        """
        with self._lock:
            network_lock = self._locks.setdefault(network, threading.Lock())
        with network_lock:
            if _is_intact(folder / name):
                return
            until, why = self._failed.get(network, (0.0, ""))
            if (left := until - time.monotonic()) > 0:
                raise Unavailable(why, retry_after=max(1, round(left)))
            # A process that was killed may have left temporary files.
            durable.remove_temporaries(folder)
            try:
                self._fetch(network, name, folder / name)
            except Unavailable as error:
                now = time.monotonic()
                self._failed = {n: one for n, one in self._failed.items() if one[0] > now}
                self._failed[network] = now + _AWAY_S, error.detail
                raise

    def _fetch(self, network: str, name: str, path: Path) -> None:
        where = self._networks.child(f"{network}/{name}")
        expected_sum = self._sum(network, name)
        with durable.publishing(path) as temporary:
            self._objects.get(where, temporary)
            if durable.sha256_of(temporary) != expected_sum:
                raise Corrupt(f"{where} doesn't match its SHA-256.")
            sums.write(path, expected_sum)

    def _sum(self, network: str, name: str) -> str:
        try:
            return self._read(f"{network}/{name}{sums.SUFFIX}").partition(" ")[0]
        except FileNotFoundError:
            where = self._networks.child(f"{network}/{name}")
            self._objects.look(where)
            raise Corrupt(
                f"{where} has no SHA-256 beside it. Restart the indexer to copy it."
            ) from None

    def _read(self, name: str) -> str:
        return self._objects.read(self._networks.child(name)).decode(errors="replace")


def _is_intact(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        sums.check(path)
    except Corrupt as error:
        log.warning("downloading it again: %s", error.detail)
        return False
    return True
