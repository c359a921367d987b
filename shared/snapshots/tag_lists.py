"""The tag -> images index of an items file.

    tag_names        (bytes,)  uint8   JSON list of the tags as written, ascending by normal form
    tag_offsets      (t + 1,)  int64   list i is tag_ordinals[tag_offsets[i] : tag_offsets[i + 1]]
    tag_ordinals     (m,)      int64   images that carry a tag, ascending
    spelling_names   (bytes,)  uint8   JSON list of the less frequent spellings of these tags
    spelling_tags    (s,)      int64   the tag that each is a spelling of
    spelling_offsets (s + 1,)  int64   as `tag_offsets`, of the spellings
    spelling_ordinals          int64   images that spell a tag so, ascending

Files of older versions lack the spellings, and may have two lists of one tag, for their keys kept
`_`, `-` and spaces apart: such lists are merged when they are read.
"""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, offsets_of
from shared.terms.normal_form import normal_form

Ordinals = NDArray[np.int64]


class TagLists(Mapping[str, tuple[str, int]]):
    """Tags by key: how most images of the file spell each, and the row of its list."""

    def __init__(self, file: MappedFile) -> None:
        names: list[str] = file.json("tag_names")
        self._offsets: Ordinals = np.array(file["tag_offsets"])
        self._ordinals: Ordinals = file["tag_ordinals"]
        if len(names) != len(self._offsets) - 1:
            raise Corrupt(f"{file.path.name}: its tags and their lists don't agree.")
        self._rows = {normal_form(name): (name, row) for row, name in enumerate(names)}
        self._spellings = _spellings(file) if "spelling_names" in file else []
        if len(self._rows) < len(names):
            self._merge(names)

    def __getitem__(self, key: str) -> tuple[str, int]:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def carriers(self, key: str) -> Ordinals:
        """Return the ordinals of the images that carry a tag, ascending."""
        found = self._rows.get(key)
        return np.empty(0, np.int64) if found is None else self._list(found[1])

    def counts(self, gone: Ordinals) -> Ordinals:
        """Return how many images carry the tag of each row, without deleted ones."""
        if not len(gone):
            return np.diff(self._offsets)
        alive = ~np.isin(self._ordinals, gone)
        before = np.concatenate([[0], np.cumsum(alive, dtype=np.int64)])
        counts: Ordinals = np.diff(before[self._offsets])
        return counts

    def spelling_counts(self, gone: Ordinals) -> Iterator[tuple[int, str, int]]:
        """Give (row, spelling, images) of the less frequent spellings, without those gone."""
        for row, name, ordinals in self._spellings:
            yield row, name, len(ordinals) - int(np.isin(ordinals, gone).sum())

    def _list(self, row: int) -> Ordinals:
        start, end = self._offsets[row : row + 2]
        return np.asarray(self._ordinals[start:end])

    def _merge(self, names: Sequence[str]) -> None:
        """Make one list of the lists of each tag."""
        groups: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            groups.setdefault(normal_form(name), []).append(row)
        lists: list[Ordinals] = []
        rows: dict[str, tuple[str, int]] = {}
        spellings: list[tuple[int, str, Ordinals]] = []
        for number, (key, ordinals) in enumerate(groups.items()):
            first, *others = sorted(ordinals, key=lambda row: -len(self._list(row)))
            rows[key] = names[first], number
            lists.append(self._list(first))
            for row in others:
                rare = np.setdiff1d(self._list(row), lists[-1])
                lists[-1] = np.union1d(lists[-1], rare)
                spellings.append((number, names[row], rare))
        self._rows, self._spellings = rows, spellings
        self._offsets = offsets_of([len(one) for one in lists])
        self._ordinals = np.concatenate(lists)


class TagCollector:
    """Tags of images, given by ascending ordinal, until they are lists."""

    def __init__(self) -> None:
        self._carriers: dict[str, dict[str, array[int]]] = {}

    def add(self, ordinal: int, tags: Sequence[str]) -> None:
        its: dict[str, str] = {}
        for tag in tags:
            its.setdefault(normal_form(tag), tag)
        for key, tag in its.items():
            spellings = self._carriers.setdefault(key, {})
            spellings.setdefault(tag, array("q")).append(ordinal)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a file keeps of them."""
        carriers = self._carriers
        keys = sorted(carriers)
        names: list[str] = []
        lists: list[Ordinals] = []
        rare: list[tuple[int, str, Ordinals]] = []
        for row, key in enumerate(keys):
            spelt = [(name, np.frombuffer(some, np.int64)) for name, some in carriers[key].items()]
            # A stable sort, so that the first of two equally frequent spellings wins.
            (name, most), *others = sorted(spelt, key=lambda found: -len(found[1]))
            names.append(name)
            lists.append(np.sort(np.concatenate([most, *(some for _, some in others)])))
            rare += [(row, spelling, some) for spelling, some in others]
        return {
            "tag_names": _json(names),
            "tag_offsets": offsets_of([len(some) for some in lists]),
            "tag_ordinals": _joined(lists),
            "spelling_names": _json([name for _, name, _ in rare]),
            "spelling_tags": np.array([row for row, _, _ in rare], np.int64),
            "spelling_offsets": offsets_of([len(some) for _, _, some in rare]),
            "spelling_ordinals": _joined([some for _, _, some in rare]),
        }


def _spellings(file: MappedFile) -> list[tuple[int, str, Ordinals]]:
    names: list[str] = file.json("spelling_names")
    tags, offsets = np.array(file["spelling_tags"]), np.array(file["spelling_offsets"])
    if not len(names) == len(tags) == len(offsets) - 1:
        raise Corrupt(f"{file.path.name}: its tags and their spellings don't agree.")
    ordinals = file["spelling_ordinals"]
    return [
        (int(row), name, np.asarray(ordinals[offsets[at] : offsets[at + 1]]))
        for at, (row, name) in enumerate(zip(tags, names, strict=True))
    ]


def _joined(lists: Sequence[Ordinals]) -> Ordinals:
    return np.concatenate(lists) if lists else np.empty(0, np.int64)


def _json(names: list[str]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(names).encode(), np.uint8)
