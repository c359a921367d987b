"""One life of the indexer: the real service in a process that can be killed at any moment.

Lives are forked from a server that has imported the service, so that one begins in a moment.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from shared.clients.transport import Call, Client, T
from shared.core.failpoints import VARIABLE
from tests.ports import free_port

_PATIENCE_S = 600.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.torture.prepared"])


def _live(environment: Mapping[str, str]) -> None:
    from services.indexer.app import create_app
    from services.indexer.config import IndexerSettings
    from shared.web.running import run

    os.environ.update(environment)
    raise SystemExit(run("indexer", IndexerSettings, create_app))


class Life:
    """Begins at once, armed with some failpoints; ends by one of them, or by `kill`."""

    def __init__(
        self, data: Path, embedder_url: str, failpoints: str = "", **settings: str
    ) -> None:
        """settings: further variables of the environment."""
        port = free_port()
        environment = {
            VARIABLE: failpoints,
            "ISE_DATA_DIR": str(data),
            "ISE_INDEXER_PORT": str(port),
            "ISE_EMBEDDER_URL": embedder_url,
            "ISE_LOG_LEVEL": "critical",
            # Deleted pictures go at once, so that the failpoints of removing files are passed.
            "ISE_TRASH_DAYS": "0",
            **settings,
        }
        self._process = _FORKS.Process(target=_live, args=(environment,), daemon=True)
        self._process.start()
        self.client = Client(f"http://127.0.0.1:{port}")
        self._ready = f"http://127.0.0.1:{port}/ready"

    def is_ready(self) -> bool:
        """Waits until it serves; False where it was killed before."""
        end = time.monotonic() + _PATIENCE_S
        with httpx.Client(trust_env=False) as http:
            while self._process.is_alive():
                assert time.monotonic() < end, "the indexer did not start"
                try:
                    if http.get(self._ready).is_success:
                        return True
                except httpx.TransportError:
                    time.sleep(0.01)
        assert self.was_killed, f"the indexer ended with {self._process.exitcode}"
        return False

    def send(self, call: Call[T]) -> T:
        return self.client.send(call)

    @property
    def was_killed(self) -> bool:
        self._process.join(0)
        return self._process.exitcode == -signal.SIGKILL

    def dies_within(self, seconds: float) -> bool:
        self._process.join(seconds)
        return self.was_killed

    def kill(self) -> None:
        self._process.kill()

    def __enter__(self) -> "Life":
        return self

    def __exit__(self, *_: Any) -> None:
        self.kill()
        self._process.join()
        self.client.close()
