"""The decoding processes of this service, which all of its hosts use together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.embedder.decoding.decoder import DecodeLimits
from services.embedder.decoding.pool import Decoders


class SharedDecoders:
    """Starts the processes for the first host, and ends them after the last one."""

    def __init__(self, count: int, limits: DecodeLimits) -> None:
        self._count = count
        self._limits = limits
        self._lock = asyncio.Lock()
        self._running: Decoders | None = None
        self._users = 0

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Decoders]:
        """Gives the processes. Raises Unavailable where they can't be started."""
        async with self._lock:
            if self._running is None:
                self._running = await Decoders(self._count, self._limits).__aenter__()
            self._users += 1
            decoders = self._running
        try:
            yield decoders
        finally:
            async with self._lock:
                self._users -= 1
                if not self._users:
                    self._running = None
                    await decoders.__aexit__()
