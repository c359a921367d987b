"""Several vectors as one query.

Wanted parts attract the query, unwanted ones repel it (Rocchio, 1971). Vectors count by their
direction only, so that weights don't depend on lengths.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import InvalidInput
from shared.maths import distances

_NOTHING = 1e-6


class Combination:
    """`vector`: the query, float32 of shape (dim,).

    A hit's cosine to it is the sum of the parts' contributions, because the query is the sum of the
    parts.
    """

    def __init__(self, vectors: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> None:
        """Vectors of shape (dim,), and a weight for each. Raises InvalidInput."""
        rows = np.stack(vectors).astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1)
        units = rows / np.where(lengths > 0, lengths, 1)[:, None]
        pulls = np.array(weights)[:, None] * units
        whole = pulls.sum(axis=0)
        length = float(np.linalg.norm(whole))
        if length < _NOTHING * np.abs(weights).max():
            raise InvalidInput("The parts cancel each other out: change a weight or a part.")
        self._pulls = pulls / length
        # Scaled to the mean length of its parts, because clusters built by L2 are ranked by L2.
        self.vector = (whole / length * lengths.mean()).astype(np.float32)

    @property
    def is_single(self) -> bool:
        """True if there is one part only."""
        return len(self._pulls) == 1

    def contributions(self, stored: NDArray[np.float32]) -> list[float]:
        """Return each part's contribution to the cosine of a stored vector, of shape (dim,)."""
        found: list[float] = (self._pulls @ distances.unit(stored).astype(np.float64)).tolist()
        return found
