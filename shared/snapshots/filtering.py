"""Filters as masks: a bit an image, from the lists of the items files."""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from shared.contracts.facts import ADDED, FILE
from shared.contracts.filters import Condition, Filter
from shared.contracts.labels import SHOWN_LEAST
from shared.core.errors import InvalidInput
from shared.media.taken import wall
from shared.snapshots.folders import FOLDER
from shared.snapshots.image_labels import ImageLabels
from shared.snapshots.items import ItemsFile, tag_key
from shared.snapshots.metadata_index import MetadataIndex

Bits = NDArray[np.bool_]

_DATES = frozenset({ADDED, f"{FILE}.taken_at"})
_LAST = "\U0010ffff"


class Filtering:
    """Evaluates filters over items files, oldest first; a newer file's record stands."""

    def __init__(self, files: Sequence[ItemsFile], labels: ImageLabels | None = None) -> None:
        self._files = files
        self._labels = labels or ImageLabels(None, [])
        self.size = 1 + max((int(f.ordinals[-1]) for f in files if len(f.ordinals)), default=-1)

    def allowed(self, wanted: Filter) -> Bits:
        """Return whether each image, by ordinal, meets a filter; bool of shape (largest ordinal +
        1,). Raises InvalidInput for an unknown label, Conflict where there are none.
        """
        met = reduce(np.logical_and, map(self._meets, wanted.must), self._all(True))
        if wanted.should:
            met = met & reduce(np.logical_or, map(self._meets, wanted.should))
        return reduce(lambda bits, c: bits & ~self._meets(c), wanted.must_not, met)

    def _meets(self, condition: Condition) -> Bits:
        if condition.tag is not None:
            key = tag_key(condition.tag)
            return self._marked(lambda file: file.carriers(key))
        if condition.label is not None:
            return self._showing(condition.label, condition.least or SHOWN_LEAST)
        if condition.key is not None:
            return self._of_metadata(condition, condition.key)
        return self.allowed(condition)

    def _showing(self, label: str, least: float) -> Bits:
        bits = self._all(False)
        found = self._labels.showing(label, least)
        bits[found[found < self.size]] = True
        return bits

    def _of_metadata(self, condition: Condition, key: str) -> Bits:
        if key == FOLDER:
            return self._of_folder(condition)
        if condition.exists is not None:
            having = self._marked(lambda file: file.metadata.having(key))
            return having if condition.exists else ~having
        if key in _DATES:
            return self._marked(lambda file: _of_time(file.metadata, key, condition))
        bounds = condition.bounds
        if bounds:
            return self._marked(lambda file: _within(file.metadata, key, bounds))
        values = condition.any if condition.match is None else [condition.match]
        return self._marked(
            lambda file: np.concatenate([file.metadata.equal(key, v) for v in values or []])
        )

    def _of_folder(self, condition: Condition) -> Bits:
        values = condition.any if condition.match is None else [condition.match]
        if values is None:
            raise InvalidInput(f"`{FOLDER}` takes `match` or `any`.")
        return self._marked(
            lambda file: np.concatenate(
                [file.ordinals[file.folders.rows_in(str(value))] for value in values]
            )
        )

    def _marked(self, found: Callable[[ItemsFile], NDArray[np.int64]]) -> Bits:
        bits = self._all(False)
        for number, file in enumerate(self._files):
            if number:
                bits[file.ordinals] = False
            bits[found(file)] = True
        return bits

    def _all(self, value: bool) -> Bits:
        return np.full(self.size, value)


def _of_time(metadata: MetadataIndex, key: str, condition: Condition) -> NDArray[np.int64]:
    """The images of a local time. A date stands for all of its day, a month for all of it."""
    if (bounds := condition.bounds) and not any(isinstance(b, str) for b in bounds.values()):
        return np.empty(0, np.int64)
    if bounds:
        ends = {name: _end(str(bound), name in ("gt", "lte")) for name, bound in bounds.items()}
        return metadata.among_texts(key, **ends)
    values = condition.any if condition.match is None else [condition.match]
    found = [
        metadata.among_texts(key, gte=_end(str(value), False), lte=_end(str(value), True))
        for value in values or []
    ]
    return np.concatenate(found)


def _end(text: str, is_last: bool) -> str:
    """Return a bound before or after all times that begin as a text does."""
    return wall(text.strip().replace(" ", "T", 1)) + (_LAST if is_last else "")


def _within(metadata: MetadataIndex, key: str, bounds: dict[str, float | str]) -> NDArray[np.int64]:
    texts = {name: bound for name, bound in bounds.items() if isinstance(bound, str)}
    if texts:
        return metadata.among_texts(key, **texts)
    return metadata.among_numbers(
        key, **{name: bound for name, bound in bounds.items() if not isinstance(bound, str)}
    )
