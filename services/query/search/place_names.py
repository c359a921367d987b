"""Names of the towns and countries where images were taken, to find them by a word."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.query.search.spelling import without_accents
from shared.contracts.browsing import PlaceCount, PlaceKind
from shared.contracts.facts import FILE
from shared.snapshots.filtering import Bits
from shared.snapshots.items import ItemsFile, tag_key


@dataclass(frozen=True)
class _Named:
    key: str
    place: PlaceCount


class PlaceNames:
    """The places of one collection at one moment, those with the most images first."""

    def __init__(self, records: Iterable[tuple[ItemsFile, Bits]]) -> None:
        """records: files, each with the live images whose record it has."""
        counts: Counter[tuple[PlaceKind, str]] = Counter()
        for file, valid in records:
            for kind in PlaceKind:
                for name, count in file.metadata.counts(f"{FILE}.{kind}", valid):
                    counts[kind, name] += count
        order = sorted(counts.items(), key=lambda one: (-one[1], one[0][1], one[0][0]))
        self._named = [
            _Named(_folded(name), PlaceCount(name=name, kind=kind, count=count))
            for (kind, name), count in order
        ]

    def starting(self, text: str, limit: int) -> list[PlaceCount]:
        """Return places with a word that starts with a text; all of them for an empty one."""
        wanted = _folded(text)
        found = (one for one in self._named if f" {one.key}".find(f" {wanted}") >= 0)
        return [one.place for one, _ in zip(found, range(limit), strict=False)]

    def called(self, name: str) -> list[PlaceCount]:
        """Return places of this name; case and accents make no difference."""
        wanted = _folded(name)
        return [one.place for one in self._named if one.key == wanted]


def live(size: int, deleted: NDArray[np.int64]) -> Bits:
    """Return whether each image, by ordinal, is not deleted."""
    alive = np.ones(size, bool)
    alive[deleted[deleted < size]] = False
    return alive


def _folded(name: str) -> str:
    return without_accents(tag_key(name)) if name.strip() else ""
