"""All images of a snapshot in an order: a permutation for each sort, made once.

A place in it is a key and an ordinal, so that pages stay in line while pictures come and go.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.query.search.recent import Recent
from shared.contracts.browsing import Sort
from shared.core.errors import InvalidInput
from shared.snapshots.items import ItemsFile
from shared.snapshots.sort_columns import UNKNOWN

Ordinals = NDArray[np.int64]
Bits = NDArray[np.bool_]
Key = int | bytes

_DAY = 86_400 * 1_000_000
_LAST = 2**63 - 1
_EPOCH = date(1970, 1, 1)
_VIEWS_KEPT = 8
# Past this share of new records, sorting all anew is as fast.
_MOST_NEW = 0.2


class Orders:
    """The orders of one snapshot. What a filter and deletions leave of one is kept for a while."""

    def __init__(
        self,
        files: Sequence[ItemsFile],
        superseded: Sequence[Ordinals],
        former: "Orders | None" = None,
    ) -> None:
        """superseded: the images of each file that a newer file has a record of, ascending.

        former: those of the snapshot before, whose order by name is gone on with.
        """
        self._files = files
        # The last one that was asked for an order by name, so that no chain of them is kept; and
        # none whose large files were merged meanwhile, which would stay on the disk for it.
        if former is not None and not former._has_names:
            former = former._former
        has_first = former is not None and bool(files) and former._begins_with(files[0])
        self._former: Orders | None = former if has_first else None
        self._superseded = superseded
        self._by_name: Ordinals | None = None
        self._whole = Recent[Ordinals](len(Sort))
        self._views: tuple[Ordinals | None, Recent[View]] = None, Recent(0)

    def view(
        self, sort: Sort, deleted: Ordinals, allowed: Callable[[], Bits] | None, key: str
    ) -> "View":
        """Return the live images in an order. allowed: those that a filter lets through; `key`
        tells it from other filters.
        """
        of, views = self._views
        if of is not deleted:
            views = Recent[View](_VIEWS_KEPT)
            self._views = deleted, views

        def make() -> View:
            whole = self._whole.get(sort, lambda: self._sorted(sort))
            alive = np.ones(self._size, bool) if allowed is None else allowed().copy()
            alive[deleted[deleted < self._size]] = False
            return View(sort, whole[alive[whole]], self)

        return views.get((sort, key), make)

    def key(self, sort: Sort, ordinal: int) -> Key:
        """Return what an image is sorted by, so that the first has the least."""
        if sort is Sort.NAME:
            return self._name(ordinal)
        at = int(np.searchsorted(self._ordinals, ordinal))
        return int(_keys(sort, self._times(sort)[at : at + 1])[0])

    def times(self, sort: Sort, ordinals: Ordinals) -> Ordinals:
        """Return the times that images are sorted by, in microseconds; `UNKNOWN`: none."""
        found: Ordinals = self._times(sort)[np.searchsorted(self._ordinals, ordinals)]
        return found

    def _times(self, sort: Sort) -> Ordinals:
        return self._taken if sort.field == "taken" else self._added

    def _sorted(self, sort: Sort) -> Ordinals:
        if sort is Sort.NAME:
            return self._sorted_by_name()
        ties = -self._ordinals if sort.is_descending else self._ordinals
        return self._ordinals[np.lexsort((ties, _keys(sort, self._times(sort))))]

    @property
    def _has_names(self) -> bool:
        return self._by_name is not None

    def _begins_with(self, file: ItemsFile) -> bool:
        return bool(self._files) and self._files[0].path == file.path

    def _sorted_by_name(self) -> Ordinals:
        former, self._former = self._former, None
        order = former._by_name if former is not None else None
        found = None if former is None or order is None else self._renamed(former, order)
        if found is None:
            names = self._names()
            sorted_ = sorted(range(len(names)), key=names.__getitem__)
            found = self._ordinals[np.array(sorted_, np.int64)]
        self._by_name = found
        return found

    def _renamed(self, former: "Orders", order: Ordinals) -> Ordinals | None:
        """Return the former order with what came, went and was renamed since; None: too much."""
        moved: list[tuple[bytes, int]] = []
        for file, rows in zip(self._files, self._rows, strict=True):
            new = np.setdiff1d(rows, former._rows_of(file), assume_unique=True)
            if len(new) > _MOST_NEW * (len(self._ordinals) + 1):
                return None
            for row in new.tolist():
                name, ordinal = file.sorted_by.name(row), int(file.ordinals[row])
                if former._name(ordinal) != name or not former._has(ordinal):
                    moved.append((name, ordinal))
        moved.sort()
        placed = np.array([ordinal for _, ordinal in moved], np.int64)
        stays = _among(order, self._ordinals) & ~np.isin(order, placed)
        kept = order[stays]
        at = [
            bisect_left(range(len(kept)), one, key=lambda i: self._place(int(kept[i])))
            for one in moved
        ]
        return np.insert(kept, np.array(at, np.int64), placed)

    def _place(self, ordinal: int) -> tuple[bytes, int]:
        return self._name(ordinal), ordinal

    def _rows_of(self, file: ItemsFile) -> NDArray[np.int64]:
        """Return the rows of a file whose records stand; none of a file that is another's."""
        for own, rows in zip(self._files, self._rows, strict=True):
            if own is file or own.path == file.path:
                return rows
        return np.empty(0, np.int64)

    def _has(self, ordinal: int) -> bool:
        at = int(np.searchsorted(self._ordinals, ordinal))
        return at < len(self._ordinals) and int(self._ordinals[at]) == ordinal

    @cached_property
    def _rows(self) -> list[NDArray[np.int64]]:
        """The rows of each file whose records stand."""
        return [
            np.flatnonzero(~np.isin(file.ordinals, superseded))
            for file, superseded in zip(self._files, self._superseded, strict=True)
        ]

    @cached_property
    def _by_ordinal(self) -> NDArray[np.int64]:
        """How what the files hold, one after the other, comes into the order of ordinals."""
        parts = [file.ordinals[rows] for file, rows in zip(self._files, self._rows, strict=True)]
        return np.argsort(_joined(parts), kind="stable")

    @cached_property
    def _ordinals(self) -> Ordinals:
        return self._column(lambda file: file.ordinals)

    @cached_property
    def _added(self) -> Ordinals:
        return self._column(lambda file: file.sorted_by.added_at)

    @cached_property
    def _taken(self) -> Ordinals:
        return self._column(lambda file: file.sorted_by.taken_at)

    def _column(self, of: Callable[[ItemsFile], Ordinals]) -> Ordinals:
        parts = [of(file)[rows] for file, rows in zip(self._files, self._rows, strict=True)]
        found: Ordinals = _joined(parts)[self._by_ordinal]
        return found

    def _names(self) -> list[bytes]:
        names = [
            file.sorted_by.name(row)
            for file, rows in zip(self._files, self._rows, strict=True)
            for row in rows.tolist()
        ]
        return [names[at] for at in self._by_ordinal.tolist()]

    def _name(self, ordinal: int) -> bytes:
        for file in reversed(self._files):
            row = file.row_of(ordinal)
            if row is not None:
                return file.sorted_by.name(row)
        return b""

    @property
    def _size(self) -> int:
        return 1 + int(max((f.ordinals[-1] for f in self._files if len(f.ordinals)), default=-1))


class View:
    """Some images in an order."""

    def __init__(self, sort: Sort, ordinals: Ordinals, orders: Orders) -> None:
        self.sort = sort
        self.ordinals = ordinals
        self._orders = orders
        self.written: dict[str, str] = {}
        """Answers that were written from it, which stay true."""

    def __len__(self) -> int:
        return len(self.ordinals)

    def place(self, position: int) -> tuple[Key, int]:
        """Return the place of the image at a position."""
        ordinal = int(self.ordinals[position])
        return self._orders.key(self.sort, ordinal), ordinal

    def after(self, place: tuple[Key, int]) -> int:
        """Return the position after a place, whether or not its image is still there."""
        return bisect_right(range(len(self)), self._compared(place), key=self._at)

    def at_date(self, text: str) -> int:
        """Return the position of the first image of a day, month or year, or after it.

        Raises InvalidInput where the order isn't one of dates, or it is no date.
        """
        if self.sort is Sort.NAME:
            raise InvalidInput("`from` is a date, so sort by one: `-taken`, `taken` or `-added`.")
        first, end = _period(text)
        key = 1 - end if self.sort.is_descending else first
        target: tuple[Key, int] = key, -_LAST
        return bisect_left(range(len(self)), target, key=self._at)

    def months(self) -> list[tuple[str, int]]:
        """How many images are of each month, in the order of the sort."""
        found: dict[str, int] = {}
        for day, count in self.days[0]:
            found[day[:7]] = found.get(day[:7], 0) + count
        return list(found.items())

    @cached_property
    def days(self) -> tuple[list[tuple[str, int]], int]:
        """How many images are of each day, in the order of the sort; and how many have no date."""
        times = self._orders.times(self.sort, self.ordinals)
        dated = times[times != UNKNOWN]
        numbers, counts = np.unique(dated // _DAY, return_counts=True)
        found = [
            ((_EPOCH + timedelta(days=number)).isoformat(), count)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        ]
        return found[::-1] if self.sort.is_descending else found, len(times) - len(dated)

    def _at(self, position: int) -> tuple[Key, int]:
        return self._compared(self.place(position))

    def _compared(self, place: tuple[Key, int]) -> tuple[Key, int]:
        key, ordinal = place
        return key, -ordinal if self.sort.is_descending else ordinal


def _keys(sort: Sort, times: Ordinals) -> Ordinals:
    """Return keys that ascend in an order; what has no date comes last."""
    keys = -times if sort.is_descending else times
    found: Ordinals = np.where(times == UNKNOWN, _LAST, keys)
    return found


def _period(text: str) -> tuple[int, int]:
    """Return the first microsecond of a day, month or year, and that of the next one."""
    year, *rest = map(int, text.split("-"))
    month, day = (*rest, 1, 1)[:2] if rest else (1, 1)
    try:
        first = date(year, month, day)
        if len(rest) == 2:
            end = (first - _EPOCH).days + 1
        elif rest:
            end = (date(year + month // 12, month % 12 + 1, 1) - _EPOCH).days
        else:
            end = (date(year + 1, 1, 1) - _EPOCH).days
    except ValueError:
        raise InvalidInput(f"`from`: {text} is no date.") from None
    return (first - _EPOCH).days * _DAY, end * _DAY


def _among(values: Ordinals, ascending: Ordinals) -> Bits:
    """Return a mask of the values that are among others."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: Bits = ascending[at] == values
    return found


def _joined(parts: Sequence[Ordinals]) -> Ordinals:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
