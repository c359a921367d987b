"""Watches every test of the indexer: nothing calls a network while it holds a lock that all uploads
and deletions wait for, or a transaction of the catalogue; nor does a transaction wait for such a
lock."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from services.indexer.catalog.database import Database
from services.indexer.catalog.locks import PublishLock
from services.indexer.publishing.publisher import Publisher
from shared.media.fetching import Fetcher
from shared.objects.store import Objects

_STORE = ("list", "look", "read", "write", "put", "get", "move", "remove")

TRANSACTION = "a transaction"
found: list[str] = []
"""What was called under which lock, since the last test."""
_held: dict[int, Counter[str]] = {}
_changing = threading.Lock()


@contextmanager
def holding(lock: str, by: int | None = None) -> Iterator[None]:
    """Note that this thread holds a lock."""
    thread = by or threading.get_ident()
    with _changing:
        _held.setdefault(thread, Counter())[lock] += 1
    try:
        yield
    finally:
        # A generator that holds a transaction may be closed by another thread.
        with _changing:
            _held[thread][lock] -= 1


def held() -> list[str]:
    """Return the locks that this thread holds."""
    with _changing:
        return sorted(+_held.get(threading.get_ident(), Counter[str]()))


def look(call: str) -> None:
    """Note a call that may last, if this thread holds a lock."""
    if locks := held():
        found.append(f"{call} under {', '.join(locks)}")


def look_within_transaction(wait: str) -> None:
    """Note a wait for others, who may wait for this thread's transaction."""
    if locks := [lock for lock in held() if TRANSACTION in lock]:
        found.append(f"{wait} under {', '.join(locks)}")


class _Turn:
    """A publisher's own turn of publications."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._noted: list[Any] = []

    def __enter__(self) -> None:
        look_within_transaction("a wait for the turn of publications")
        self._lock.acquire()
        noted = holding("the turn of publications")
        noted.__enter__()
        self._noted.append(noted)

    def __exit__(self, *error: Any) -> None:
        self._noted.pop().__exit__(*error)
        self._lock.release()


def install() -> None:
    """Watch all locks and calls of this process from now on."""
    _watch_locks()
    _watch_transactions("read")
    _watch_transactions("write")
    _watch_transactions("note")
    for name in _STORE:
        _watch_calls(Objects, name, f"the store's {name}")
    _watch_calls(Fetcher, "get", "the web")
    _watch_calls(httpx.HTTPTransport, "handle_request", "HTTP")
    submit = ThreadPoolExecutor.submit

    def carried(pool: ThreadPoolExecutor, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Work of a pool counts as its caller's, who waits for it."""
        locks = held()
        if not locks:
            return submit(pool, work, *args, **kwargs)

        def noted() -> Any:
            with holding(" and ".join(locks)):
                return work(*args, **kwargs)

        return submit(pool, noted)

    ThreadPoolExecutor.submit = carried  # type: ignore[method-assign, assignment]


def _watch_locks() -> None:
    enter, leave, init = PublishLock.__enter__, PublishLock.__exit__, Publisher.__init__
    notes: dict[int, list[Any]] = {}

    def entered(lock: PublishLock) -> PublishLock:
        look_within_transaction("a wait for the lock of publications")
        enter(lock)
        noted = holding("the lock of publications")
        noted.__enter__()
        notes.setdefault(id(lock), []).append(noted)
        return lock

    def left(lock: PublishLock, *error: Any) -> None:
        notes[id(lock)].pop().__exit__(None, None, None)
        leave(lock, *error)

    def made(publisher: Publisher, *args: Any, **kwargs: Any) -> None:
        init(publisher, *args, **kwargs)
        publisher._turn = _Turn(publisher._turn)  # type: ignore[assignment]

    PublishLock.__enter__ = entered  # type: ignore[method-assign, assignment]
    PublishLock.__exit__ = left  # type: ignore[method-assign]
    Publisher.__init__ = made  # type: ignore[method-assign]


def _watch_transactions(name: str) -> None:
    former: Callable[[Database], Any] = getattr(Database, name)

    @contextmanager
    def watched(database: Database) -> Iterator[Any]:
        with former(database) as db, holding(f"{TRANSACTION} ({name})"):
            yield db

    setattr(Database, name, watched)


def _watch_calls(cls: type, name: str, shown: str) -> None:
    former = getattr(cls, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        look(shown)
        return former(*args, **kwargs)

    setattr(cls, name, watched)
