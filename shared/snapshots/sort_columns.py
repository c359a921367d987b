"""Columns by which the images of an items file are sorted, row by row.

    added_at        (n,)      int64   when each was added, in microseconds since 1970, UTC
    taken_at        (n,)      int64   when each was taken, as its clock showed, likewise
    name_offsets    (n + 1,)  int64   name i is bytes name_offsets[i] : name_offsets[i + 1]
    names           (bytes,)  uint8   what each is called, as names are sorted (UTF-8)

A time that isn't known is `UNKNOWN`.
"""

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from shared.files.spool import Spool
from shared.media.taken import wall_microseconds

UNKNOWN = -(2**63)
"""In the place of a time; no clock shows it."""

_NAMES = ("added_at", "taken_at", "name_offsets", "names")

Numbers = NDArray[np.int64]


class Sortable(Protocol):
    """An image, so far as it is sorted by it."""

    @property
    def id(self) -> str: ...
    @property
    def uris(self) -> list[str]: ...
    @property
    def added_at(self) -> str | None: ...
    @property
    def file(self) -> dict[str, Any]: ...


class SortColumns:
    """The columns of one file, read through its memory map."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.added_at: Numbers = np.asarray(arrays["added_at"])
        self.taken_at: Numbers = np.asarray(arrays["taken_at"])
        self._offsets: Numbers = np.asarray(arrays["name_offsets"])
        self._names: NDArray[np.uint8] = np.asarray(arrays["names"])

    @classmethod
    def within(cls, file: Any) -> Self | None:
        """Return the columns of a file, or None for a file from before there were any."""
        return cls({name: file[name] for name in _NAMES}) if _NAMES[0] in file else None

    @classmethod
    def of(cls, items: Iterable[Sortable]) -> Self:
        collected = SortCollector(Spool(None))
        for item in items:
            collected.add(item)
        return cls(collected.arrays())

    def name(self, row: int) -> bytes:
        start, end = self._offsets[row : row + 2]
        return self._names[start:end].tobytes()


class SortCollector:
    """Collects the values that images are sorted by, in the order of their rows."""

    def __init__(self, names: Spool) -> None:
        self._names = names
        self._added, self._taken = array("q"), array("q")

    def add(self, item: Sortable) -> None:
        self._names.append(sorted_name(item))
        self._added.append(_micro(item.added_at))
        self._taken.append(_micro(item.file.get("taken_at")))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a file keeps of them."""
        return {
            "added_at": np.frombuffer(self._added, np.int64),
            "taken_at": np.frombuffer(self._taken, np.int64),
            "name_offsets": self._names.offsets,
            "names": self._names.bytes,
        }


def sorted_name(item: Sortable) -> bytes:
    """Return the name of an image's file, then its folder: letters are alike in either case."""
    folder, _, name = (item.uris[0] if item.uris else item.id).rpartition("/")
    return f"{name.casefold()}\0{name}\0{folder}".encode(errors="replace")


def _micro(at: str | None) -> int:
    try:
        return UNKNOWN if at is None else wall_microseconds(at)
    except (ValueError, TypeError):
        return UNKNOWN
