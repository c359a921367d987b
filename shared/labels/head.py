"""Linear classifier over named classes, applied to stored features.

A classifier of the usual kind is linear in the pooled features, so a picture's labels are
`softmax((W f + b) / T)` of what the feature store holds: no picture is read again.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt
from shared.terms.normal_form import normal_form

MOST_LABELS = 30
"""Labels that are stored of a picture, the most probable first."""
_BLOCK = 4096
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class LabelClass:
    """Class of a classifier. `names`: its synonyms, the one that is shown first.

    synset: WordNet's noun as `n02088364`; empty where the class is none.
    """

    names: tuple[str, ...]
    synset: str = ""

    @property
    def name(self) -> str:
        """The name that is shown."""
        return self.names[0]


@dataclass(frozen=True)
class LabelHead:
    """Classifier of one model's pooled features.

    weight: float32 (classes, dim). bias: float32 (classes,). source: which classes these are, as
    `imagenet-1k`. temperature: what logits are divided by before the softmax; 1 is as trained.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    classes: tuple[LabelClass, ...]
    source: str
    temperature: float = 1.0

    def __post_init__(self) -> None:
        count = len(self.classes)
        fits = self.weight.ndim == 2 and len(self.weight) == count and self.bias.shape == (count,)
        if not fits or not count:
            raise ValueError("a label head has one row of weights, one bias and a name a class")

    @property
    def dim(self) -> int:
        """The number of features that it takes."""
        return int(self.weight.shape[1])

    @property
    def most(self) -> int:
        """The number of labels that `top` gives of a picture."""
        return min(MOST_LABELS, len(self.classes))

    @cached_property
    def digest(self) -> str:
        """Identity of the head: 16 hex digits over its weights, names and temperature."""
        found = hashlib.sha256(_described(self))
        found.update(np.ascontiguousarray(self.weight, "<f4").data)
        found.update(np.ascontiguousarray(self.bias, "<f4").data)
        return found.hexdigest()[:16]

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw pooled features (n, dim) -> the probability of each class, float32 (n, classes)."""
        logits = (np.asarray(features, np.float32) @ self.weight.T + self.bias) / self.temperature
        logits -= logits.max(axis=1, keepdims=True)
        shares: NDArray[np.float32] = np.exp(logits, dtype=np.float32)
        shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def top(self, features: NDArray[np.float32]) -> tuple[NDArray[np.uint16], NDArray[np.float16]]:
        """Raw pooled features (n, dim) -> the classes and probabilities of the likeliest labels.

        Both of shape (n, most), the most probable first; of equal ones the lower class.
        """
        ids = np.empty((len(features), self.most), np.uint16)
        chances = np.empty((len(features), self.most), np.float16)
        for start in range(0, len(features), _BLOCK):
            found = self.probabilities(features[start : start + _BLOCK])
            some = np.argpartition(-found, self.most - 1, axis=1)[:, : self.most]
            some.sort(axis=1)
            order = np.argsort(-np.take_along_axis(found, some, 1), axis=1, kind="stable")
            best = np.take_along_axis(some, order, 1)
            ids[start : start + len(found)] = best
            chances[start : start + len(found)] = np.take_along_axis(found, best, 1)
        return ids, chances

    def named(self, name: str) -> list[int]:
        """The classes that have a name, matched by its normal form; two may share one."""
        return self._by_name.get(normal_form(name), [])

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        return classes_by_name(self.classes)

    def to_bytes(self) -> bytes:
        """The head as an `.npz` archive, the same bytes for the same head."""
        file = io.BytesIO()
        np.savez(
            file,
            weight=np.ascontiguousarray(self.weight, "<f4"),
            bias=np.ascontiguousarray(self.bias, "<f4"),
            described=np.frombuffer(_described(self), np.uint8),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "LabelHead":
        """Read what `to_bytes` wrote. Raises Corrupt."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                described = arrays["described"].tobytes()
                return head_of(arrays["weight"], arrays["bias"], described)
        except _UNREADABLE as error:
            raise Corrupt(f"The classifier of labels can't be read: {error}") from error


def head_of(weight: NDArray[np.float32], bias: NDArray[np.float32], described: bytes) -> LabelHead:
    """Put a head together from its arrays and its JSON. Raises ValueError, KeyError, TypeError."""
    told = json.loads(described)
    classes = tuple(LabelClass(tuple(names), synset) for names, synset in told["classes"])
    return LabelHead(
        np.asarray(weight, np.float32),
        np.asarray(bias, np.float32),
        classes,
        str(told["source"]),
        float(told["temperature"]),
    )


def described(head: LabelHead) -> bytes:
    """The names, source and temperature of a head as JSON, for `head_of`."""
    return _described(head)


def classes_by_name(classes: tuple[LabelClass, ...]) -> dict[str, list[int]]:
    """The classes of each name and synonym, by its normal form."""
    found: dict[str, list[int]] = {}
    for number, one in enumerate(classes):
        for key in dict.fromkeys(map(normal_form, one.names)):
            found.setdefault(key, []).append(number)
    return found


def shown(
    ids: NDArray[np.uint16], chances: NDArray[np.float16], least: float, most: int
) -> Iterator[tuple[int, float]]:
    """The classes and probabilities of one picture that are worth showing, likeliest first."""
    for number, chance in zip(ids[:most].tolist(), chances[:most].tolist(), strict=True):
        if chance < least:
            return
        yield number, float(chance)


def _described(head: LabelHead) -> bytes:
    told = {
        "source": head.source,
        "temperature": head.temperature,
        "classes": [[list(one.names), one.synset] for one in head.classes],
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
