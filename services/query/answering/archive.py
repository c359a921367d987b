"""A zip of pictures' files, written while it is sent: one picture is in memory at a time."""

import io
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from shared.core.errors import ISEError
from shared.snapshots.items import Item

_MISSING = "missing.txt"
_EARLIEST = datetime(1980, 1, 1)
_LATEST = datetime(2107, 12, 31)
_UNSAFE = frozenset('<>:"|?*\\')
_LONGEST = 200

Fetch = Callable[[str], Awaitable[bytes]]


class _Sink(io.RawIOBase):
    """What the zip is written to: it can't be sought in, and gives up what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        held, self._held = self._held, []
        return b"".join(held)


async def archive_of(items: Sequence[Item], fetch: Fetch) -> AsyncIterator[bytes]:
    """Give the zip in parts. A file that can't be had is named in `missing.txt`."""
    sink = _Sink()
    names = names_of(items)
    missing: list[str] = []
    # Pictures are packed already.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for item, name in zip(items, names, strict=True):
            try:
                data = await fetch(item.id)
            except ISEError as error:
                missing.append(f"{name}: {error.detail}\n")
                continue
            archive.writestr(_entry(name, item), data)
            yield sink.taken()
        if missing:
            archive.writestr(_MISSING, "".join(missing))
    yield sink.taken()


def names_of(items: Sequence[Item]) -> list[str]:
    """Return a name for each file that any system takes, none twice, whatever their case."""
    found: list[str] = []
    used: Counter[str] = Counter({_MISSING: 1})
    for item in items:
        path = PurePosixPath(_name(item))
        name, number = str(path), 1
        while used[name.casefold()]:
            number += 1
            name = f"{path.stem} ({number}){path.suffix}"
        used[name.casefold()] += 1
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
