"""Several vectors as one query.

Wanted parts attract the query, unwanted ones repel it (Rocchio, 1971). Vectors count by their
direction only, so that weights don't depend on lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import InvalidInput
from shared.maths import distances

_NOTHING = 1e-6


@dataclass(frozen=True)
class Slots:
    """Places of the parts that have vectors, among `count` parts of a request."""

    places: list[int]
    count: int


class Combination:
    """`vector`: the query, float32 of shape (dim,).

    A hit's cosine to it is the sum of the parts' contributions, because the query is the sum of the
    parts.
    """

    def __init__(
        self,
        vectors: Sequence[NDArray[np.float32]],
        weights: Sequence[float],
        slots: Slots | None = None,
    ) -> None:
        """Vectors of shape (dim,), and a weight for each. Raises InvalidInput.

        slots: their places among the parts of a request; None: they are all of these.
        """
        rows = np.stack(vectors).astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1)
        units = rows / np.where(lengths > 0, lengths, 1)[:, None]
        pulls = np.array(weights)[:, None] * units
        whole = pulls.sum(axis=0)
        length = float(np.linalg.norm(whole))
        if length < _NOTHING * np.abs(weights).max():
            raise InvalidInput("The parts cancel each other out: change a weight or a part.")
        self._pulls = pulls / length
        self._slots = slots
        # Scaled to the mean length of its parts, because clusters built by L2 are ranked by L2.
        self.vector = (whole / length * lengths.mean()).astype(np.float32)

    @property
    def is_single(self) -> bool:
        """True if there is one part only."""
        return len(self._pulls) == 1

    def contributions(self, stored: NDArray[np.float32]) -> list[float]:
        """Return each part's contribution to the cosine of a stored vector, of shape (dim,): 0 of
        a part that no vector stands for, as of a colour.
        """
        found = self._pulls @ distances.unit(stored).astype(np.float64)
        if self._slots is not None:
            every = np.zeros(self._slots.count)
            every[self._slots.places] = found
            found = every
        contributions: list[float] = found.tolist()
        return contributions
