"""A zip of pictures' files, written while it is sent: a piece of one is in memory at a time.

Only so many are sent at once, see `Archives`.
"""

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Protocol

import anyio.to_thread

from shared.core import deadline
from shared.core.errors import ISEError, Misconfigured, Overloaded, Unauthorized, Unavailable
from shared.snapshots.items import Item

_MISSING = "missing.txt"
_EARLIEST = datetime(1980, 1, 1)
_LATEST = datetime(2107, 12, 31)
_UNSAFE = frozenset('<>:"|?*\\')
_LONGEST = 200
_FILE_S = 60.0
"""Time limit of one file's beginning; the archive as a whole has none."""
_CHECKED_S = 300.0
"""Time for which an archive waits while a large file is checked."""
_LARGE = 2**31
"""Bytes from which a file's entry has room for longer lengths."""
_AT_ONCE = 8
_RETRY_AFTER = 10
# They tell nothing of the file that was asked for.
_PASSING = Unavailable, Overloaded, Unauthorized, Misconfigured


class Fetched(Protocol):
    """A file on its way. `size`: its length, where it is known."""

    @property
    def size(self) -> int: ...

    def pieces(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


Fetch = Callable[[str], Awaitable[Fetched]]


class _Sink(io.RawIOBase):
    """Unseekable buffer that the zip is written to and drained from."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        held, self._held = self._held, []
        return held


class Archives:
    """Count of the archives that are being sent; each holds a connection to the indexer."""

    def __init__(self, limit: int = _AT_ONCE) -> None:
        self.limit = limit
        self.in_hand = 0

    def take(self) -> None:
        """Take a place, to be given back by `release`. Raises Overloaded."""
        if self.in_hand >= self.limit:
            raise Overloaded(
                f"{self.in_hand} archives are being downloaded already; try again later.",
                retry_after=_RETRY_AFTER,
            )
        self.in_hand += 1

    def release(self) -> None:
        self.in_hand -= 1


async def archive_of(
    items: Sequence[Item], names: Sequence[str], fetch: Fetch
) -> AsyncGenerator[bytes]:
    """Give the zip in parts. A file that can't be had is named in `missing.txt`.

    Raises Unavailable and the like where files can't be had now: the zip then has no end, so that
    nobody takes it for whole.
    """
    sink = _Sink()
    missing: list[str] = []
    # Pictures are packed already.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for item, name in zip(items, names, strict=True):
            try:
                file = await _begun(fetch, item.id)
            except _PASSING:
                raise
            except ISEError as error:
                missing.append(f"{name}: {error.detail}\n")
                continue
            entry = _entry(name, item)
            entry.file_size = file.size
            async with aclosing(file):
                with archive.open(entry, "w", force_zip64=file.size > _LARGE) as written:
                    async for piece in file.pieces():
                        # Checksums take a while.
                        await anyio.to_thread.run_sync(written.write, piece)
                        for part in sink.taken():
                            yield part
            for part in sink.taken():
                yield part
        if missing:
            archive.writestr(_MISSING, "".join(missing))
    for part in sink.taken():
        yield part


async def _begun(fetch: Fetch, image_id: str) -> Fetched:
    """Begin a file, once it is checked where that takes a while: after a restart, each large one is
    checked when it is first asked for.
    """
    until = time.monotonic() + _CHECKED_S
    while True:
        try:
            with deadline.anew(_FILE_S):
                return await fetch(image_id)
        except Unavailable as error:
            pause_s = float(error.extra.get("retry_after") or 1)
            if not error.extra.get("checking") or time.monotonic() + pause_s > until:
                raise
        await asyncio.sleep(pause_s)


def names_of(items: Sequence[Item]) -> list[str]:
    """Return a name for each file that any system takes, none twice, whatever their case."""
    found: list[str] = []
    used = {_MISSING}
    numbers: dict[str, int] = {}
    for item in items:
        path = PurePosixPath(_name(item))
        name = str(path)
        first = name.casefold()
        number = numbers.get(first, 1)
        while name.casefold() in used:
            number += 1
            name = f"{path.stem} ({number}){path.suffix}"
        numbers[first] = number
        used.add(name.casefold())
        found.append(name)
    return found


def _name(item: Item) -> str:
    last = (item.uris[0] if item.uris else item.id).replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in last)
    path = PurePosixPath(plain.strip(" .") or "picture")
    return f"{path.stem[:_LONGEST]}{path.suffix[:20]}"


def _entry(name: str, item: Item) -> zipfile.ZipInfo:
    try:
        time = datetime.fromisoformat(item.file.get("taken_at") or item.added_at or "")
    except ValueError:
        time = _EARLIEST
    time = min(max(time.replace(tzinfo=None), _EARLIEST), _LATEST)
    return zipfile.ZipInfo(name, time.timetuple()[:6])
