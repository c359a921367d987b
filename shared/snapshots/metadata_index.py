"""The metadata -> images index of an items file: for each key and value, who has it.

    metadata_keys   (bytes,)  uint8    JSON list of the keys, ascending
    key_values      (k + 1,)  int64    key i has values key_values[i] : key_values[i + 1]
    value_offsets   (v + 1,)  int64    value i is bytes value_offsets[i] : value_offsets[i + 1]
    values          (bytes,)  uint8    the values as text (UTF-8), ascending within a key
    value_numbers   (v,)      float64  the number that each reads as, or NaN
    image_offsets   (v + 1,)  int64    images of value i: image_offsets[i] : image_offsets[i + 1]
    value_images    (m,)      int64    their ordinals, ascending within a value

A text that reads as a number is that number too, and a number has its JSON for a text: metadata
from a CSV manifest has texts only. Each element of a list is a value; `a.b` is the key of what is
in an object; null is no value.

Numbers compare exactly, though a float holds whole ones of 53 bits only: rounding keeps the order,
so that only values of the very float of a bound are in doubt, and their texts have all digits.
"""

import json
import operator
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt
from shared.files.mapped import offsets_of

_NAMES = (
    "metadata_keys",
    "key_values",
    "value_offsets",
    "values",
    "value_numbers",
    "image_offsets",
    "value_images",
)
# Stricter than Python's `float`, which also accepts "nan", "inf" and "1_000".
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)

Side = Literal["left", "right"]


class MetadataIndex:
    """Returns ordinals of images; an image with several values may occur several times."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        keys: list[str] = json.loads(arrays["metadata_keys"].tobytes())
        self._keys = {key: row for row, key in enumerate(keys)}
        self._key_values = np.array(arrays["key_values"])
        self._value_offsets = arrays["value_offsets"]
        self._values = arrays["values"]
        self._numbers = arrays["value_numbers"]
        self._image_offsets = arrays["image_offsets"]
        self._images = arrays["value_images"]
        if (
            len(self._key_values) != len(keys) + 1
            or self._key_values[-1] != len(self._numbers)
            or self._image_offsets[-1] != len(self._images)
        ):
            raise Corrupt("Its metadata's keys and values don't agree.")

    @classmethod
    def within(cls, file: Any) -> Self | None:
        """Return the metadata index of a file, or None for a file of a version without one."""
        return cls({name: file[name] for name in _NAMES}) if _NAMES[0] in file else None

    @classmethod
    def of(cls, metadata: Iterable[tuple[int, Mapping[str, Any]]]) -> Self:
        return cls(metadata_arrays(metadata))

    def has(self, key: str) -> bool:
        """Tell whether an image has a key."""
        return key in self._keys

    def having(self, key: str) -> NDArray[np.int64]:
        """The images that have a key."""
        return self._between(*self._range(key))

    def counts(self, key: str, alive: NDArray[np.bool_]) -> list[tuple[str, int]]:
        """Return the values of a key, each with the number of live images that have it."""
        first, last = self._range(key)
        if first == last:
            return []
        met = np.concatenate([[0], np.cumsum(alive[self._between(first, last)], dtype=np.int64)])
        ends = np.asarray(self._image_offsets[first : last + 1]) - self._image_offsets[first]
        counts = np.diff(met[ends])
        return [(self._text(first + at), int(counts[at])) for at in np.flatnonzero(counts).tolist()]

    def numbers(self, key: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return images and the number that each has for a key, by ascending image."""
        first, last = self._range(key)
        sizes = np.diff(self._image_offsets[first : last + 1])
        values = np.repeat(self._numbers[first:last], sizes)
        images = self._between(first, last)
        order = np.argsort(images, kind="stable")
        order = order[~np.isnan(values[order])]
        return images[order], values[order]

    def equal(self, key: str, value: bool | float | str) -> NDArray[np.int64]:
        """The images of which a value is this one; a number is compared as a number."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.among_numbers(key, gte=value, lte=value)
        text = value if isinstance(value, str) else text_of(value)
        return self.among_texts(key, gte=text, lte=text)

    def among_numbers(self, key: str, **bounds: float) -> NDArray[np.int64]:
        """The images of which a value reads as a number within bounds: gt, gte, lt, lte."""
        first, last = self._range(key)
        numbers = self._numbers[first:last]
        kept = ~np.isnan(numbers)
        for name, bound in bounds.items():
            compared, rounded = _COMPARED[name], _float(bound)
            met = compared(numbers, rounded)
            # Below this bound every float is exact, so most are compared in bulk.
            if abs(rounded) >= EXACT_BELOW:
                for at in np.flatnonzero(numbers == rounded).tolist():
                    met[at] = compared(exact_number(self._text(first + at)), bound)
            kept &= met
        each = np.repeat(kept, np.diff(self._image_offsets[first : last + 1]))
        found: NDArray[np.int64] = self._between(first, last)[each]
        return found

    def among_texts(self, key: str, **bounds: str) -> NDArray[np.int64]:
        """The images of which a value, as text, is within bounds: gt, gte, lt, lte."""
        first, last = start, end = self._range(key)
        for name, bound in bounds.items():
            at = self._search(bound, first, last, "left" if name in ("gte", "lt") else "right")
            if name in ("gt", "gte"):
                start = max(start, at)
            else:
                end = min(end, at)
        return self._between(start, max(start, end))

    def _range(self, key: str) -> tuple[int, int]:
        row = self._keys.get(key)
        if row is None:
            return 0, 0
        return int(self._key_values[row]), int(self._key_values[row + 1])

    def _search(self, text: str, first: int, last: int, side: Side) -> int:
        """Return the position of a text among some values. In UTF-8, bytes are in the order of
        characters.
        """
        wanted = text.encode()
        while first < last:
            middle = (first + last) // 2
            there = self._bytes(middle)
            if there < wanted or (side == "right" and there == wanted):
                first = middle + 1
            else:
                last = middle
        return first

    def _bytes(self, value: int) -> bytes:
        start, end = self._value_offsets[value : value + 2]
        found: bytes = self._values[start:end].tobytes()
        return found

    def _text(self, value: int) -> str:
        return self._bytes(value).decode()

    def _between(self, first: int, last: int) -> NDArray[np.int64]:
        start, end = self._image_offsets[first], self._image_offsets[last]
        return np.asarray(self._images[start:end])


EXACT_BELOW = 2.0**53
"""Up to here, a float is one whole number; beyond, several share it."""

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class MetadataCollector:
    """Metadata of images, given by ascending ordinal, until it is an index."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    def add(self, ordinal: int, fields: Mapping[str, Any]) -> None:
        for key, text in dict.fromkeys(texts_of(fields)):
            column = self._columns.get(key)
            if column is None:
                column = self._columns[key] = _Column()
            column.add(ordinal, text)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a file keeps of it."""
        keys = sorted(self._columns)
        key_values, values, images = [0], [], []
        counts: list[NDArray[np.int64]] = []
        for key in keys:
            texts, sizes, ordinals = self._columns.pop(key).sorted()
            values += texts
            counts.append(sizes)
            images.append(ordinals)
            key_values.append(len(values))
        encoded = [value.encode() for value in values]
        return {
            "metadata_keys": np.frombuffer(json.dumps(keys).encode(), np.uint8),
            "key_values": np.array(key_values, np.int64),
            "value_offsets": offsets_of([len(value) for value in encoded]),
            "values": np.frombuffer(b"".join(encoded), np.uint8),
            "value_numbers": np.array([number_of(value) for value in values], np.float64),
            "image_offsets": offsets_of(_joined(counts)),
            "value_images": _joined(images),
        }


class _Column:
    """Values of one key: each text once, with the number of it for each image that has it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._ordinals, self._values = array("q"), array("i")

    def add(self, ordinal: int, text: str) -> None:
        self._ordinals.append(ordinal)
        self._values.append(self._numbers.setdefault(text, len(self._numbers)))

    def sorted(self) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """Return the texts, ascending, the number of images of each, and these images."""
        texts = sorted(self._numbers)
        places = np.empty(len(texts), np.int32)
        places[[self._numbers[text] for text in texts]] = np.arange(len(texts))
        each = places[np.frombuffer(self._values, np.int32)]
        # A stable sort, so that ordinals ascend within a value.
        order = np.argsort(each, kind="stable")
        ordinals = np.frombuffer(self._ordinals, np.int64)[order]
        return texts, np.bincount(each, minlength=len(texts)), ordinals


def metadata_arrays(metadata: Iterable[tuple[int, Mapping[str, Any]]]) -> dict[str, NDArray[Any]]:
    """Return the arrays that a file keeps of (ordinal, metadata) pairs, ordinals ascending."""
    collected = MetadataCollector()
    for ordinal, fields in metadata:
        collected.add(ordinal, fields)
    return collected.arrays()


def _joined(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def texts_of(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, value as text) pairs. Not by recursion: JSON may be nested deeper than Python calls."""
    pending = list(metadata.items())
    while pending:
        key, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [(f"{key}.{inner}", found) for inner, found in value.items()]
        elif isinstance(value, list):
            pending += [(key, found) for found in value]
        elif value is not None:
            yield key, text_of(value)


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    # Millions of images share few values, such as shares of colours: one text each.
    return _float_text(value) if isinstance(value, float) and value > 0 else json.dumps(value)


_float_text = lru_cache(4096)(json.dumps)


def exact_number(text: str) -> int | float:
    """The number that a text reads as: of a whole one all digits, of any other the nearest float.

    Only for a text of which `number_of` is a number.
    """
    return int(text) if _WHOLE.fullmatch(text) else float(text)


def number_of(text: str) -> float:
    """Return the float nearest to the number in a text, or NaN if it isn't a number."""
    number = float(text) if _NUMBER.fullmatch(text) else np.nan
    return number if np.isfinite(number) else np.nan


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return np.inf if number > 0 else -np.inf
