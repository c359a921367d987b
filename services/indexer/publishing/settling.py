"""Interface of what a publication must wait for: pictures that lack features of its model.

And the gate that new pictures pass, so that a change of the model catches up with them.
"""

import threading
import time
from typing import Protocol

# New pictures wait no longer than this for a change of the model, whatever the embedder does.
_CLOSED_S = 2.0


class Settling(Protocol):
    """Work that must be done to the last picture before a snapshot is named."""

    def settle(self, round_: int) -> None:
        """Do what there is to do now. Called without any lock; `round_` counts from 0."""

    def is_settled(self) -> bool:
        """Return whether nothing came since. Called under a lock, so it asks nobody elsewhere."""

    def end(self) -> None:
        """Note that the snapshot was published, or won't be."""


class PictureGate:
    """Holds back the recording of new pictures of a former model, for two seconds at most."""

    def __init__(self) -> None:
        self._opened = threading.Condition()
        self._closed_until = 0.0

    def close(self) -> None:
        """Hold new pictures back from now on."""
        with self._opened:
            self._closed_until = time.monotonic() + _CLOSED_S

    def open(self) -> None:
        """Let them pass."""
        with self._opened:
            self._closed_until = 0.0
            self._opened.notify_all()

    def wait(self) -> None:
        """Return once the gate is open."""
        with self._opened:
            while (left := self._closed_until - time.monotonic()) > 0:
                self._opened.wait(left)
