"""Writes without waiting for the disk: under a test, no power is cut.

A killed process loses nothing that it wrote, synced or not. Which syncs there are is shown by
`tests/shared/test_durable.py`; processes that tests start sync as they always do.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from services.indexer.catalog import sqlite


@contextmanager
def without_syncs() -> Iterator[None]:
    """Has `fsync`, `msync` and SQLite's own return at once in this process."""
    configure = sqlite._configure

    def configured(connection: sqlite3.Connection, record: Any) -> None:
        configure(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    with pytest.MonkeyPatch.context() as patched:
        # A descriptor that isn't one is still an error.
        patched.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor) and None)
        patched.setattr(np.memmap, "flush", lambda _: None)
        patched.setattr(sqlite, "_configure", configured)
        yield
