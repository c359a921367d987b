"""Labels of one snapshot's images, as searches and answers use them."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.labels import SHOWN, SHOWN_LEAST, Label, LabelCount, LabelCounts, LabelsQuery
from shared.core.errors import Conflict, InvalidInput
from shared.labels.head import LabelHead, shown
from shared.snapshots.items import tag_key
from shared.snapshots.labels import LabelsFile
from shared.terms.number import other_numbers

_NO_LABELS = (
    "The collection has no labels. `ise label` computes them where the model has a classifier with "
    "named classes, as that of ISE_PROFILE=lite has."
)


@dataclass(frozen=True)
class _Counted:
    """Counts of classes; images that have labels; images that show one of the classes."""

    labels: list[LabelCount]
    labelled: int
    shown: int


class ImageLabels:
    """The labels of a snapshot's images; without a head, nothing has any."""

    def __init__(
        self, head: LabelHead | None, files: Sequence[LabelsFile], model: str | None = None
    ) -> None:
        """model: fingerprint of the features that the head takes."""
        self.head = head
        self.model = model
        self._files = list(files)
        self._counted: tuple[NDArray[np.int64], float, _Counted] | None = None

    def of(self, ordinal: int) -> list[Label]:
        """The labels of an image that are worth showing, the most probable first."""
        for file in self._files:
            if (row := file.row_of(ordinal)) is not None:
                return self._named(file.classes[row], file.probabilities[row])
        return []

    def of_features(self, features: NDArray[np.float32], model: str) -> list[Label]:
        """The labels of a picture by its raw features, (dim,), where they are of that model."""
        if self.head is None or model != self.model or features.shape != (self.head.dim,):
            return []
        ids, chances = self.head.top(features[None])
        return self._named(ids[0], chances[0])

    def classes(self, name: str) -> list[int]:
        """The classes of a name. Raises InvalidInput for one of none, Conflict without labels."""
        if self.head is None:
            raise Conflict(_NO_LABELS)
        found = self.head.named(name)
        if not found:
            raise InvalidInput(
                f"No label is named {name!r}.{self._hint(name)} `GET /v1/labels` lists those that "
                "images show."
            )
        return found

    def showing(self, name: str, least: float) -> NDArray[np.int64]:
        """The images that show a label with at least a probability, ascending. Raises as
        `classes`."""
        numbers = self.classes(name)
        parts = [file.showing(numbers, least) for file in self._files]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    def shown_by(self, alive: NDArray[np.bool_], least: float) -> list[tuple[str, int]]:
        """The labels that live images show, each with their number."""
        if self.head is None:
            return []
        names = [one.name for one in self.head.classes]
        counts = np.zeros(len(names), np.int64)
        for file in self._files:
            counts += file.counts(alive, least)
        return [(names[at], int(counts[at])) for at in np.flatnonzero(counts).tolist()]

    def counts(
        self,
        asked: LabelsQuery,
        images: int,
        deleted: NDArray[np.int64],
        carriers: Callable[[str], NDArray[np.int64]],
    ) -> LabelCounts:
        """The labels that images show. Raises InvalidInput for a name of none.

        carriers: gives the images that carry a tag, deleted ones too. Counts of all labels are kept
        for the next who asks, until an image is deleted.
        """
        only = {n for name in asked.name for n in self.classes(name)} if self.head else set()
        key = tag_key(asked.match)
        if not only and not key:
            kept = self._counted
            if kept is None or kept[0] is not deleted or kept[1] != asked.least:
                every = range(len(self.head.classes) if self.head else 0)
                found = self._count(every, asked.least, deleted, carriers)
                kept = self._counted = deleted, asked.least, found
            counted = kept[2]
        else:
            numbers = [
                number
                for number, one in enumerate(self.head.classes if self.head else ())
                if (not only or number in only)
                and (not key or any(key in tag_key(name) for name in one.names))
            ]
            counted = self._count(numbers, asked.least, deleted, carriers)
        order = heapq.nsmallest(
            asked.limit, counted.labels, key=lambda one: (-one.images, one.name)
        )
        return LabelCounts(
            least=asked.least,
            model=self.model,
            source=self.head.source if self.head else None,
            labelled=counted.labelled,
            images=images,
            total=len(counted.labels),
            shown=counted.shown,
            untagged=sum(one.untagged for one in counted.labels),
            labels=order,
        )

    def _count(
        self,
        numbers: Iterable[int],
        least: float,
        deleted: NDArray[np.int64],
        carriers: Callable[[str], NDArray[np.int64]],
    ) -> _Counted:
        """Count the images of classes."""
        size = max(
            (int(file.ordinals[-1]) + 1 for file in self._files if len(file.ordinals)), default=0
        )
        # A mask, because a set operation for each class would go over all deletions each time.
        live = np.ones(size, bool)
        live[deleted[deleted < size]] = False
        seen = np.zeros(size, bool)
        counted: list[LabelCount] = []
        classes = self.head.classes if self.head else ()
        for number in numbers:
            one = classes[number]
            parts = [file.showing([number], least) for file in self._files]
            found = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
            found = found[live[found]]
            if len(found):
                seen[found] = True
                lacking = np.setdiff1d(found, carriers(one.name), assume_unique=True)
                counted.append(
                    LabelCount(
                        name=one.name,
                        synset=one.synset,
                        images=len(found),
                        untagged=len(lacking),
                    )
                )
        labelled = sum(int(np.count_nonzero(live[file.ordinals])) for file in self._files)
        return _Counted(counted, labelled, int(np.count_nonzero(seen)))

    def _named(self, ids: NDArray[np.uint16], chances: NDArray[np.float16]) -> list[Label]:
        if self.head is None:
            return []
        return [
            Label(name=self.head.classes[number].name, probability=round(chance, 4))
            for number, chance in shown(ids, chances, SHOWN_LEAST, SHOWN)
        ]

    def _hint(self, name: str) -> str:
        """` Did you mean ...?` with labels that are that word in another number, or hold it."""
        if self.head is None:
            return ""
        key = tag_key(name)
        near = [one for one in other_numbers(key) if self.head.named(one)]
        near += [
            other
            for one in self.head.classes
            for other in one.names
            if key in tag_key(other).split(" ")
        ]
        some = list(dict.fromkeys(near))[:3]
        return f" Did you mean {', '.join(some)}?" if some else ""


def not_carried(labels: Sequence[Label], tags: Sequence[str]) -> list[Label]:
    """The labels that an image does not carry as tags."""
    own = {tag_key(tag) for tag in tags}
    return [label for label in labels if tag_key(label.name) not in own]
