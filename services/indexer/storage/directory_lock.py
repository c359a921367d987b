"""Exclusive use of a data directory by one indexer, or by those that share a catalogue; the system
releases the lock when the process ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.core.errors import Misconfigured


class DirectoryLock:
    """Taken at once. Raises Misconfigured where another process has it."""

    def __init__(self, data_dir: Path, shared: bool = False) -> None:
        """`shared`: with others that take it so, too."""
        self._fd = os.open(data_dir / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Misconfigured(
                f"Another indexer is using {data_dir}. Stop it, or set ISE_DATA_DIR to another "
                "folder."
            ) from None

    def release(self) -> None:
        os.close(self._fd)


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Exclude indexers during the block. Raises Misconfigured if one is running."""
    lock = DirectoryLock(data_dir)
    try:
        yield
    finally:
        lock.release()
