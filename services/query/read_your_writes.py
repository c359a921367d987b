"""Waits until a client's own write has come to this service, which may be one of several."""

import time
from collections.abc import Callable

import anyio
import anyio.to_thread

from services.query.admission import Admission
from services.query.search.snapshot_reader import SnapshotReader
from shared.core import deadline
from shared.core.errors import Behind
from shared.snapshots.version import Version

_STEP_S = 0.05


class Waiting:
    """For a search that names a `min_version`."""

    def __init__(
        self,
        shelf: SnapshotReader,
        admission: Admission,
        seconds: float,
        look: Callable[[], None],
    ) -> None:
        """`look`: has what is new looked for now, where it isn't on this disk."""
        self._shelf = shelf
        self._admission = admission
        self._seconds = seconds
        self._look = look

    async def until(self, min_version: str) -> None:
        """Raises Behind where it doesn't come in time, nor while the caller waits; Overloaded."""
        wanted = Version.parse(min_version)
        left = deadline.remaining()
        end = time.monotonic() + (self._seconds if left is None else min(left, self._seconds))
        served = await self._served()
        if served.has(wanted):
            return
        with self._admission.lent():
            while not served.has(wanted):
                if time.monotonic() >= end:
                    raise Behind(
                        f"Version {wanted} hasn't arrived here yet; version {served} is served.",
                        retry_after=1,
                    )
                self._look()
                await anyio.sleep(_STEP_S)
                served = await self._served()

    async def _served(self) -> Version:
        return await anyio.to_thread.run_sync(self._now)

    def _now(self) -> Version:
        collection, deleted = self._shelf.current()
        return Version(collection.manifest.number, len(deleted))
