"""The tags that images carry: completion by any word, pages of all, tags that are spelt alike."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA, Indel

from services.query.search.spelling import bound, is_alike, without_accents
from shared.snapshots.tag_lists import TagLists

# Start of a word: at the start, after a space, or after punctuation other than an apostrophe.
_BEGINNING = re.compile(r"(?:^|(?<= ))\S|(?<!['’])\b\w")
_LAST = "\U0010ffff"
_ALIKE = 0.6

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Tag:
    """A tag as most images spell it, and the number of images that carry it."""

    key: str
    name: str
    count: int


@dataclass(frozen=True)
class Page:
    """Some tags in order; `total`: of all pages; `is_last`: whether no other page follows."""

    tags: list[Tag]
    total: int
    is_last: bool


class Vocabulary:
    """Keys of tags, ascending, and an index of where their words begin. Immutable."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = list(keys)

    def at(self, key: str) -> int | None:
        """Return the number of a key, or None."""
        place = bisect_left(self.keys, key)
        return place if place < len(self.keys) and self.keys[place] == key else None

    def beginning(self, text: str) -> Numbers:
        """Return the numbers of the keys that begin with a text, ascending."""
        first, end = bisect_left(self.keys, text), bisect_left(self.keys, text + _LAST)
        return np.arange(first, end)

    def matching(self, text: str) -> Numbers:
        """Return the numbers of the keys with a word that begins as a text does, ascending."""
        if not text:
            return np.arange(len(self.keys))
        of, starts = self._words

        def rest(place: int) -> str:
            key: str = self.keys[int(of[place])]
            return key[int(starts[place]) :]

        places = range(len(of))
        first, end = (bisect_left(places, one, key=rest) for one in (text, text + _LAST))
        return np.unique(of[first:end])

    def holding(self, texts: Iterable[str]) -> list[int]:
        """Return the numbers of longer keys that hold a text as whole words, but for accents."""
        asked = list(texts)
        plain = {without_accents(text) for text in asked}
        whole = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, plain))})(?!\w)")
        found = {number for text in asked for number in self.matching(text).tolist()}
        found.update(*self._accentless.values())
        keys = {number: without_accents(self.keys[number]) for number in found}
        return sorted(n for n, key in keys.items() if key not in plain and whole.search(key))

    def accentless(self, text: str) -> list[int]:
        """Return the numbers of the keys that are the same text but for accents."""
        plain = without_accents(text)
        found = self._accentless.get(plain, [])
        same = self.at(plain)
        return found if same is None else [same, *found]

    @cached_property
    def _words(self) -> tuple[Numbers, Numbers]:
        """Each beginning of a word: the key's number, the place in it, by the text from there."""
        found = [
            (key[begin.start() :], number, begin.start())
            for number, key in enumerate(self.keys)
            for begin in _BEGINNING.finditer(key)
        ]
        found.sort()
        return (
            np.array([number for _, number, _ in found], np.int64),
            np.array([start for _, _, start in found], np.int64),
        )

    @cached_property
    def _accentless(self) -> dict[str, list[int]]:
        """Map accentless forms to the keys that have accents."""
        found: dict[str, list[int]] = {}
        for number, key in enumerate(self.keys):
            if not key.isascii() and (plain := without_accents(key)) != key:
                found.setdefault(plain, []).append(number)
        return found


class Tags:
    """The tags of one collection at one moment."""

    def __init__(self, vocabulary: Vocabulary, names: Sequence[str], counts: Numbers) -> None:
        """`names` and `counts` are in the order of the vocabulary's keys."""
        self._vocabulary = vocabulary
        self._names = names
        self._counts = counts
        self._live = counts > 0

    @classmethod
    def of(cls, vocabulary: Vocabulary, lists: Iterable[tuple[TagLists, Numbers]]) -> "Tags":
        """Count the images of tag lists, without deleted ones.

        The most frequent spelling represents the tag; of equally frequent ones, the first in sort
        order.
        """
        numbers = {key: number for number, key in enumerate(vocabulary.keys)}
        counts = np.zeros(len(numbers), np.int64)
        spelt: list[dict[str, int] | tuple[str, int]] = [("", 0)] * len(numbers)

        def add(number: int, name: str, count: int) -> None:
            known = spelt[number]
            if isinstance(known, tuple):
                if known[0] in ("", name):
                    spelt[number] = name, known[1] + count
                    return
                known = spelt[number] = {known[0]: known[1]}
            known[name] = known.get(name, 0) + count

        for tags, gone in lists:
            deleted_counts = tags.counts(gone)
            rare = list(tags.spelling_counts(gone))
            most = deleted_counts.copy()
            for row, _, count in rare:
                most[row] -= count
            rows = np.empty(len(tags), np.int64)
            for (key, (name, row)), count in zip(tags.items(), most.tolist(), strict=True):
                rows[row] = number = numbers[key]
                add(number, name, count)
            for row, name, count in rare:
                add(int(rows[row]), name, count)
            counts[rows] += deleted_counts  # keys are unique, so rows don't repeat
        names = [
            one[0] if isinstance(one, tuple) else min(one, key=lambda name: (-one[name], name))
            for one in spelt
        ]
        return cls(vocabulary, names, counts)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._live))

    def find(self, key: str) -> Tag | None:
        """Return the tag with a key, where a live image carries it."""
        number = self._vocabulary.at(key)
        return None if number is None or not self._live[number] else self._tag(number)

    def page(
        self,
        match: str,
        prefix: str,
        by_count: bool,
        limit: int,
        after: tuple[int, str] | None = None,
    ) -> Page:
        """Return a page of the tags that match.

        match: how a word of the tag begins. prefix: how the tag begins. Both are normal forms.
        after: the count and the key of the last one before.
        """
        found = self._vocabulary.matching(match)
        if prefix:
            found = np.intersect1d(found, self._vocabulary.beginning(prefix), assume_unique=True)
        found = found[self._live[found]]
        total = len(found)
        if after is not None:
            count, key = after
            later = found >= bisect_right(self._vocabulary.keys, key)
            if by_count:
                counts = self._counts[found]
                later = (counts < count) | ((counts == count) & later)
            found = found[later]
        if by_count:
            ranks = self._ranks[found]
            if len(found) > limit:
                nearest = np.argpartition(ranks, limit)[: limit + 1]
                found, ranks = found[nearest], ranks[nearest]
            found = found[np.argsort(ranks)]
        page = [self._tag(number) for number in found[:limit].tolist()]
        return Page(page, total, is_last=len(found) <= limit)

    def first_of(self, keys: Iterable[str]) -> Tag | None:
        """Return the first of these keys' tags, else the first that is one but for accents."""
        forms = list(keys)
        for key in forms:
            if (found := self.find(key)) is not None:
                return found
        for key in forms:
            numbers = [n for n in self._vocabulary.accentless(key) if self._live[n]]
            if numbers:
                return self._tag(max(numbers, key=lambda n: (self._counts[n], -n)))
        return None

    def only_holding(self, keys: Iterable[str]) -> Tag | None:
        """Return the tag that holds one of these keys as whole words, unless several tags do."""
        found = [number for number in self._vocabulary.holding(keys) if self._live[number]]
        return self._tag(found.pop()) if len(found) == 1 else None

    def nearest(self, keys: Iterable[str]) -> Tag | None:
        """Return the tag that is a slip of the keyboard away from one of these keys."""
        best: tuple[int, bool, int, int] | None = None
        for key in keys:
            most = bound(key)
            if not most:
                continue
            found = process.extract(
                key, self._vocabulary.keys, scorer=OSA.distance, score_cutoff=most, limit=None
            )
            for other, distance, number in found:
                if self._live[number] and is_alike(key, other, int(distance)):
                    place = (
                        int(distance),
                        other[0] != key[0],
                        -int(self._counts[number]),
                        int(number),
                    )
                    best = min(best or place, place)
        return None if best is None else self._tag(best[-1])

    def close(self, key: str, limit: int = 3) -> list[str]:
        """Return up to three tags to suggest instead of a key, the closest first."""
        found = process.extract(
            key,
            self._vocabulary.keys,
            scorer=Indel.normalized_similarity,
            score_cutoff=_ALIKE,
            limit=None,
        )
        live = [number for _, _, number in found if self._live[number]]
        return [self._names[number] for number in live[:limit]]

    def _tag(self, number: int) -> Tag:
        return Tag(self._vocabulary.keys[number], self._names[number], int(self._counts[number]))

    @cached_property
    def _ranks(self) -> Numbers:
        """The place of each tag by its count, ties by its key."""
        order = np.lexsort((np.arange(len(self._counts)), -self._counts))
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ranks
