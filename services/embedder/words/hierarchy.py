"""Nouns of WordNet above the classes of a classifier: the classes that a general word stands for.

The table is an extract of WordNet 3.0 (Princeton University; `assets/LICENSE.wordnet`): synsets
of ImageNet's classes and all that stand above them, with their names.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedder.words.english import other_numbers
from shared.labels.head import LabelClass, classes_by_name
from shared.terms.normal_form import normal_form

ASSETS = "assets"
TABLE = "imagenet1k_wordnet.json"
_ID = "n"
# A name of more of ImageNet's classes than this says too little: artifact, organism, whole.
_MOST = 400
# Words that name what almost anything has or is, and words whose sense in this table is not the one
# that people mean: `toy` is a dog there, `wind` an instrument and `arm` a weapon.
_ABSTRACT = frozenset(
    [
        *["abstraction", "agent", "agency", "amount", "arm", "article", "barrier", "being", "body"],
        *["cause", "commodity", "component", "conveyance", "cover", "covering", "course", "entity"],
        *["establishment", "formation", "game", "good", "goods", "group", "head", "housing"],
        *["impediment", "implement", "instrumentality", "instrumentation", "matter", "object"],
        *["obstruction", "obstructor", "outlet", "part", "piece", "portion", "product", "relation"],
        *[
            "restraint",
            "constraint",
            "shape",
            "side",
            "solid",
            "structure",
            "construction",
            "stuff",
        ],
        *["substance", "support", "system", "thing", "top", "toy", "unit", "ware", "whole", "wind"],
        *["wood", "work"],
    ]
)
_LONGEST = 8
"""Words of a term, of more of which no name consists."""


class Hierarchy:
    """Names of classes and of what stands above them. Immutable."""

    def __init__(self, classes: Sequence[LabelClass]) -> None:
        """classes: of a classifier; those without a synset of the table have only their names."""
        table = _table()
        synsets: dict[str, Any] = table["synsets"]
        self.count = len(classes)
        every = Counter(one for own in table["classes"] for one in _upwards(own, synsets))
        below: dict[str, list[int]] = {}
        for number, one in enumerate(classes):
            for synset in _upwards(one.synset.removeprefix(_ID), synsets):
                below.setdefault(synset, []).append(number)
        self._below = [numbers for one, numbers in below.items() if every[one] <= _MOST]
        self._classes: dict[str, set[int]] = {}
        for synset, numbers in below.items():
            for name in synsets[synset]["lemmas"] if every[synset] <= _MOST else ():
                self._classes.setdefault(normal_form(name), set()).update(numbers)
        for name, own in classes_by_name(tuple(classes)).items():
            self._classes.setdefault(name, set()).update(own)
        self.names = [
            tuple(dict.fromkeys(map(normal_form, (*one.names, *_lemmas(one, synsets)))))
            for one in classes
        ]
        self.digest = hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]

    def memberships(self) -> NDArray[np.float32]:
        """The classes below each synset that has several, (classes, synsets), of ones and zeros."""
        columns = sorted({tuple(sorted(some)) for some in self._below if len(some) > 1})
        found = np.zeros((self.count, len(columns)), np.float32)
        for column, some in enumerate(columns):
            found[list(some), column] = 1
        return found

    @staticmethod
    def key(term: str) -> str:
        """The form that names are compared in."""
        return normal_form(term)

    def find(self, term: str) -> NDArray[np.float32] | None:
        """The classes that a name stands for, ones in (classes,); None if it is none.

        As written, else in the other number, else written as one word.
        """
        words = normal_form(term).split(" ")
        if len(words) > _LONGEST or (len(words) == 1 and words[0] in _ABSTRACT):
            return None
        last = [words[-1], *other_numbers(words[-1])]
        for form, joint in product(last, (" ", "")):
            found = self._classes.get(joint.join([*words[:-1], form]))
            if found:
                weights = np.zeros(self.count, np.float32)
                weights[sorted(found)] = 1
                return weights
        return None


def _table() -> dict[str, Any]:
    text = resources.files("services.embedder").joinpath(ASSETS, TABLE).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _upwards(synset: str, synsets: dict[str, Any]) -> list[str]:
    """A synset and all that stand above it; empty for one that the table lacks."""
    found: list[str] = []
    left = [synset] if synset in synsets else []
    while left:
        one = left.pop()
        if one not in found:
            found.append(one)
            left += synsets[one]["hypernyms"]
    return found


def _lemmas(one: LabelClass, synsets: dict[str, Any]) -> list[str]:
    synset = synsets.get(one.synset.removeprefix(_ID))
    return list(synset["lemmas"]) if synset else []
