"""SHA-256 of files of this machine, computed once for as long as a file stays as it is."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import BinaryIO, NamedTuple, Self

from cachetools import LRUCache

from shared.core.errors import Unavailable

_REMEMBERED = 4096
"""Identities of verified files that are remembered, a few hundred bytes each."""
_MOST_IN_HAND, _MOST_OF_ONE = 16, 4
"""Files that are checked or wait for it at once, for all callers and for one of them."""
_MOST_WAITING = 16
"""Calls that wait for a file at once: each holds a thread, of which a service has 40."""
_THREADS = 2
_PIECE = 2**20
SETTLED_S = 2.0
"""Age of a change after which the next one has another time, on any usual file system."""


class Changed(OSError):
    """A file was written to while it was read."""

    def __init__(self) -> None:
        super().__init__(5, "the file was written to while it was read; try again")


class Identity(NamedTuple):
    """Identity of an open file: another file, or one that was written to, has another.

    No program can set `ctime_ns`: a rewrite in place whose `mtime_ns` is set back has another. Not
    noticed are writes on file systems without such a time, to the disk beneath the file system,
    under a clock that was set back, and through a memory map that was written to just before.
    """

    device: int
    inode: int
    bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, content: BinaryIO) -> Self:
        """Return what the descriptor tells, whatever is at the path by now."""
        stat = os.fstat(content.fileno())
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    @property
    def settles_in(self) -> float:
        """Seconds after which no write can leave the times as they are.

        Times move in steps, so a write just after another one may have the same.
        """
        age = time.time() - self.ctime_ns / 1e9
        return min(SETTLED_S, max(0.0, SETTLED_S - age))


class _Verification:
    """Reading of one file, by whoever asked first; the others wait for it."""

    def __init__(self, identity: Identity, caller: str | None) -> None:
        self.identity = identity
        self.caller = caller
        self.done = 0
        self.began = time.monotonic()
        self.found: Future[str] = Future()

    def run(self, content: BinaryIO, is_closed: Callable[[], bool]) -> None:
        """Hash the file from its start, wherever others read the descriptor."""
        try:
            self.found.set_result(self._digest(content, is_closed))
        except (OSError, Unavailable) as error:
            self.found.set_exception(error)
        finally:
            # Nobody waits for ever, whatever ended this thread.
            if not self.found.done():
                self.found.set_exception(_stopped())

    def _digest(self, content: BinaryIO, is_closed: Callable[[], bool]) -> str:
        time.sleep(self.identity.settles_in)
        digest = hashlib.sha256()
        while piece := os.pread(content.fileno(), _PIECE, self.done):
            if is_closed():
                raise _stopped()
            digest.update(piece)
            self.done += len(piece)
        if Identity.of(content) != self.identity:
            raise Changed
        return digest.hexdigest()

    def unfinished(self) -> Unavailable:
        """Return the error for a caller that waits no longer."""
        size, spent_s = self.identity.bytes, time.monotonic() - self.began
        left_s = spent_s * (size - self.done) / self.done if self.done else 30.0
        return Unavailable(
            "The file is being checked, as it was changed or the indexer was restarted: "
            f"{100 * self.done // max(1, size)} % of it is read. Try again in a while.",
            retry_after=max(1, min(60, round(left_s))),
            checking=True,
        )


class VerifiedFiles:
    """SHA-256 by identity, of the 4,096 files that were used last, for as long as the process runs.

    A file is read once, however many ask for it at the same time. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._found: LRUCache[Identity, str] = LRUCache(_REMEMBERED)
        self._running: dict[Identity, _Verification] = {}
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._threads = ThreadPoolExecutor(_THREADS, "verify")
        self._is_closed = False

    def known(self, identity: Identity) -> str | None:
        """Return the SHA-256 of a file that was verified before, or None."""
        with self._lock:
            found: str | None = self._found.get(identity)
            return found

    def sha256(self, content: BinaryIO) -> str:
        """Return the SHA-256 of an open file, reading it where it isn't known.

        Raises Changed, OSError, Unavailable.
        """
        identity = Identity.of(content)
        if (found := self.known(identity)) is not None:
            return found
        running, is_new = self._joined(identity, None)
        if is_new:
            self._run(running, content)
        return running.found.result()

    def sha256_within(self, content: BinaryIO, seconds: float, caller: str) -> str:
        """Return the same, reading the file in the background for a caller.

        Raises Unavailable if that takes longer, and where too many files are read already, for all
        or for this caller, or too many calls wait.
        """
        identity = Identity.of(content)
        if (found := self.known(identity)) is not None:
            return found
        running, is_new = self._joined(identity, caller)
        if is_new:
            self._submit(running, content)
        has_place = self._waiting.acquire(blocking=False)
        try:
            return running.found.result(seconds if has_place else 0)
        except NotYet:
            raise running.unfinished() from None
        finally:
            if has_place:
                self._waiting.release()

    def close(self) -> None:
        """End the reading in the background."""
        self._is_closed = True
        self._threads.shutdown(cancel_futures=True)

    def _submit(self, running: _Verification, content: BinaryIO) -> None:
        # Its own descriptor: whoever asked closes theirs when they wait no longer.
        own = os.fdopen(os.dup(content.fileno()), "rb")

        def run() -> None:
            with own:
                self._run(running, own)

        def dropped() -> None:
            own.close()
            running.found.set_exception(_stopped())
            self._forget(running)

        try:
            task = self._threads.submit(run)
        except RuntimeError:
            # Whoever waits for it gets the error from there.
            dropped()
            return
        # Closing ends what has not begun; some may wait for it without a limit.
        task.add_done_callback(lambda ended: dropped() if ended.cancelled() else None)

    def _joined(self, identity: Identity, caller: str | None) -> tuple[_Verification, bool]:
        """Return the reading of a file, and whether it is a new one. `caller`: the one that counts
        for a new one; None: it isn't bounded.
        """
        with self._lock:
            running = self._running.get(identity)
            if running is not None:
                return running, False
            if caller is not None:
                own = sum(one.caller == caller for one in self._running.values())
                if len(self._running) >= _MOST_IN_HAND or own >= _MOST_OF_ONE:
                    raise Unavailable(
                        "Other large files are being checked; try again in a while.",
                        retry_after=10,
                        checking=True,
                    )
            running = self._running[identity] = _Verification(identity, caller)
            return running, True

    def _run(self, running: _Verification, content: BinaryIO) -> None:
        try:
            running.run(content, lambda: self._is_closed)
        finally:
            self._forget(running)

    def _forget(self, running: _Verification) -> None:
        with self._lock:
            found = running.found
            if found.done() and found.exception() is None:
                self._found[running.identity] = found.result()
            del self._running[running.identity]


def _stopped() -> Unavailable:
    return Unavailable("The indexer is being stopped.", retry_after=5)
