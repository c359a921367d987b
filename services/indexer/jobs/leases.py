"""Renews the leases of this worker, and notices when one is lost."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.indexer.catalog.worker import Worker
from shared.core.errors import CatalogueAway

log = logging.getLogger(__name__)

_BEATS = 5
"""Number of renewals within the duration of a lease."""

Renew = Callable[[], bool]


class Leases:
    """Renews all leases by one thread; without a shared catalogue, none can be lost."""

    def __init__(self, worker: Worker, on_beat: Callable[[], None] = lambda: None) -> None:
        """`on_beat`: called at each beat."""
        self._is_shared = worker.database.is_shared
        self._on_beat = on_beat
        self.every_s = worker.lease_s / _BEATS
        self._held: dict[object, tuple[Renew, threading.Event]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        if self._is_shared:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def holding(self, renew: Renew, lease_lost: threading.Event) -> Iterator[None]:
        """Call `renew` at intervals during the block; if it returns False, set `lease_lost`.

        Give the lease back after the block, not within it.
        """
        key = object()
        with self._lock:
            self._held[key] = renew, lease_lost
        try:
            yield
        finally:
            with self._lock:
                del self._held[key]

    def _run(self) -> None:
        while not self._stopping.wait(self.every_s):
            try:
                self._beat()
            except CatalogueAway as error:
                log.warning("leases can't be renewed: %s", error.detail)
            except Exception:
                # The next beat may succeed; without further beats, all leases would be lost.
                log.exception("leases can't be renewed")

    def _beat(self) -> None:
        with self._lock:
            held = list(self._held.items())
        for key, (renew, lease_lost) in held:
            is_renewed = renew()
            with self._lock:
                # Only if it is still held: a lease that was returned meanwhile is not renewed
                # either.
                if not is_renewed and key in self._held:
                    lease_lost.set()
        # Last, because a failure here must not prevent the renewal of leases.
        self._on_beat()
