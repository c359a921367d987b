"""Changes of the catalogue that a manifest lacks, and the embedder's answers about them.

A publication reads the first in one short transaction and asks the second without any lock, so
that an embedder that hangs holds nobody up but whoever needs its answer.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from shared.core import deadline
from shared.core.errors import Unavailable
from shared.snapshots.items import Item

log = logging.getLogger(__name__)

# A person who waits for a retag waits this long for an embedder that could give it more.
PATIENCE_S = 0.3
_AWAY_S = 15.0
NO_ROWS = FeatureRows(*(np.empty(0, np.int64) for _ in range(3)))


@dataclass(frozen=True)
class Pending:
    """Changes up to `revision`: records, new rows of both spaces, and images with new tags."""

    revision: int
    changed: list[Item]
    visual: FeatureRows
    joint: FeatureRows
    joint_since: int
    joint_changed: list[Item]
    tags_since: int
    tagged: list[Item]

    def of_own_records(self) -> "Pending":
        """Return the same without new rows."""
        return replace(self, visual=NO_ROWS, joint=NO_ROWS)


def _no_ordinals() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


def _no_vectors() -> NDArray[np.float32]:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Answers:
    """Joint vectors of images, by ascending ordinal, and those of terms; None: an unknown word.

    `upto`: the revision up to which every image has one; None where the embedder gave none.
    """

    network: str = ""
    upto: int | None = None
    ordinals: NDArray[np.int64] = field(default_factory=_no_ordinals)
    vectors: NDArray[np.float32] = field(default_factory=_no_vectors)
    terms: Mapping[str, NDArray[np.float32] | None] = field(default_factory=dict)

    def beside(self, former: "Answers") -> "Answers":
        """Return these with former ones."""
        if former.network != self.network or not len(former.ordinals):
            return replace(self, terms={**former.terms, **self.terms})
        if not len(self.ordinals):
            return replace(former, upto=self.upto, terms={**former.terms, **self.terms})
        new = ~np.isin(former.ordinals, self.ordinals)
        ordinals = np.concatenate([self.ordinals, former.ordinals[new]])
        order = np.argsort(ordinals)
        return replace(
            self,
            ordinals=ordinals[order],
            vectors=np.concatenate([self.vectors, former.vectors[new]])[order],
            terms={**former.terms, **self.terms},
        )

    def having(self, ordinals: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a mask of the images that have a vector."""
        found: NDArray[np.bool_] = np.isin(ordinals, self.ordinals)
        return found

    def of(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of images, all of which have one."""
        return self.vectors[np.searchsorted(self.ordinals, ordinals)]


class EmbedderPatience:
    """Limits how long a person's change waits for an embedder that doesn't answer.

    After one wait in vain, the changes of the next seconds don't wait at all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away_until = 0.0

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """In the block, calls of the embedder end after so many seconds; None: as they like.

        Raises Unavailable at once where the embedder gave no answer a moment ago.
        """
        if seconds is None:
            yield
            return
        with self._lock:
            if time.monotonic() < self._away_until:
                raise Unavailable("The embedder gave no answer a moment ago.", retry_after=5)
        try:
            with deadline.within(seconds):
                yield
        except Unavailable:
            with self._lock:
                self._away_until = time.monotonic() + _AWAY_S
            raise
