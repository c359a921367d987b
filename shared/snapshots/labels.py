"""Labels of images in a snapshot: the likeliest classes of each, and the images of each class.

A labels file:

    ordinals            (n,)       int64    image numbers, ascending
    classes             (n, most)  uint16   classes of each image, the most probable first
    probabilities       (n, most)  float16  of these classes
    list_offsets        (c + 1,)   int64    class i has list_rows[list_offsets[i] : ...[i + 1]]
    list_rows           (m,)       int32    rows where a class has at least LISTED, ascending
    list_probabilities  (m,)       float16  of the class there

A head file has the classifier itself: `weight`, `bias`, and `described`, the names as JSON.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, write_arrays
from shared.labels.head import LabelHead, described, head_of

LISTED = 0.01
"""Least probability by which an image stands in the list of a class; a filter asks for no less."""


def write_head(path: Path, head: LabelHead) -> int:
    """Write a classifier; give the number of its classes."""
    write_arrays(
        path,
        {
            "weight": np.ascontiguousarray(head.weight, np.float32),
            "bias": np.ascontiguousarray(head.bias, np.float32),
            "described": np.frombuffer(described(head), np.uint8),
        },
    )
    return len(head.classes)


def read_head(path: Path) -> LabelHead:
    """Read a classifier; its weights stay on disk. Raises Corrupt."""
    file = MappedFile(path)
    try:
        return head_of(file["weight"], file["bias"], file["described"].tobytes())
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"{path.name} can't be read as a classifier: {error}") from error


def write_labels(
    path: Path,
    ordinals: NDArray[np.int64],
    ids: NDArray[np.uint16],
    chances: NDArray[np.float16],
    classes: int,
) -> int:
    """Write the labels of images, as `LabelHead.top` gives them; give the number of images."""
    order = np.argsort(ordinals, kind="stable")
    ids, chances = ids[order], chances[order]
    rows, places = np.nonzero(chances >= np.float16(LISTED))
    listed = ids[rows, places]
    by_class = np.argsort(listed, kind="stable")
    counts = np.bincount(listed, minlength=classes)
    write_arrays(
        path,
        {
            "ordinals": np.asarray(ordinals[order], np.int64),
            "classes": np.asarray(ids, np.uint16),
            "probabilities": np.asarray(chances, np.float16),
            "list_offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            "list_rows": rows[by_class].astype(np.int32),
            "list_probabilities": chances[rows, places][by_class].astype(np.float16),
        },
    )
    return len(ordinals)


class LabelsFile:
    """One labels file, read through memory maps."""

    def __init__(self, path: Path) -> None:
        file = MappedFile(path)
        self.path = path
        self.ordinals: NDArray[np.int64] = np.asarray(file["ordinals"])
        self.classes: NDArray[np.uint16] = np.asarray(file["classes"])
        self.probabilities: NDArray[np.float16] = np.asarray(file["probabilities"])
        self._offsets: NDArray[np.int64] = np.asarray(file["list_offsets"])
        self._rows: NDArray[np.int32] = np.asarray(file["list_rows"])
        self._listed: NDArray[np.float16] = np.asarray(file["list_probabilities"])
        if not len(self.ordinals) == len(self.classes) == len(self.probabilities):
            raise Corrupt(f"{path.name}: its images and their labels don't agree.")

    def row_of(self, ordinal: int) -> int | None:
        """Return the row of an image, or None."""
        row = int(self.ordinals.searchsorted(ordinal))
        return row if row < len(self.ordinals) and self.ordinals[row] == ordinal else None

    def listed(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """The images where a class has at least `LISTED`, ascending, and its probability there."""
        start, end = self._offsets[number : number + 2]
        return self.ordinals[self._rows[start:end]], self._listed[start:end]

    def counts(self, alive: NDArray[np.bool_], least: float) -> NDArray[np.int64]:
        """The number of live images that show each class with at least a probability."""
        ordinals = self.ordinals[self._rows]
        shown = self._listed >= np.float16(least)
        shown &= ordinals < len(alive)
        shown[shown] = alive[ordinals[shown]]
        counts: NDArray[np.int64] = np.diff(
            np.concatenate([[0], np.cumsum(shown, dtype=np.int64)])[self._offsets]
        )
        return counts

    def showing(self, classes: Sequence[int], least: float) -> NDArray[np.int64]:
        """The images where one of several classes has at least a probability, ascending."""
        parts = []
        for number in classes:
            ordinals, chances = self.listed(number)
            parts.append(ordinals[chances >= np.float16(least)])
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
