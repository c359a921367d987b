"""One vector space of a snapshot: an inverted index, whose model made it, what recall it has."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.calibration import Isotonic
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.errors import BadVector, Conflict
from shared.ivf.index import InvertedIndex
from shared.ivf.reader import Postings
from shared.snapshots.transform import Transform

# The square of a vector of such numbers, of any length met, still fits float32.
_MAX_VALUE = 1e15
# Numbers of all vectors together: 1 GiB, and what is compared one by one in a few milliseconds.
_IN_MEMORY = 2**28
_SCANNED = 2**23


class Space:
    """Immutable; search parameters are arguments."""

    def __init__(
        self,
        fingerprint: str,
        metric: Metric,
        segments: Sequence[Postings],
        curves: Sequence[RecallCurve] = (),
        former: Self | None = None,
        calibration: Sequence[Calibration] = (),
        transform: Transform | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.metric = metric
        before = None if former is None else former.index
        self.index: InvertedIndex = InvertedIndex(segments, metric, before)
        self.transform = transform
        self.curves = list(curves)
        self.calibration = list(calibration)
        self._chances = {
            one.metric: Isotonic(np.array(one.scores), np.array(one.probabilities))
            for one in calibration
        }

    def chances(self, scores: Sequence[float], metric: Metric) -> list[float | None]:
        """The calibrated probability that a hit of each score matches; None: none was fitted."""
        fitted = self._chances.get(metric)
        return [None] * len(scores) if fitted is None else fitted(np.array(scores)).tolist()

    def is_calibrated(self, metric: Metric) -> bool:
        """Whether there are probabilities for a metric."""
        return metric in self._chances

    def check_calibrated(self, metric: Metric, wanted: str) -> None:
        """Raises Conflict where there are no probabilities for a metric. `wanted`: what needs
        them, as a sentence begins with it."""
        if not self.is_calibrated(metric):
            raise Conflict(
                f"{wanted} takes probabilities, and none were learnt for {metric} here. They are "
                "learnt from tags: tag images, then run `ise build`."
            )

    @property
    def is_quick(self) -> bool:
        """Whether an ordinary search takes milliseconds: what it reads is little, and in memory."""
        numbers = self.index.rows * self.index.dim
        return numbers <= (_IN_MEMORY if self.index.is_coded(self.metric) else _SCANNED)

    @property
    def features_dim(self) -> int:
        """The length of a model's features."""
        return self.index.dim if self.transform is None else self.transform.dim

    def placed(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """A model's features as this space holds vectors, float32 of shape (dim,).

        What has the length of a stored vector, and not of features, is taken for one. Raises
        BadVector.
        """
        if self.transform is None or features.shape == (self.index.dim,) != (self.transform.dim,):
            return self.checked(features)
        vectors = self.transform(_checked(features, self.transform.dim, self.fingerprint)[None])
        placed: NDArray[np.float32] = vectors[0]
        return placed

    def checked(self, vector: NDArray[np.floating]) -> NDArray[np.float32]:
        """A stored vector, or one like them, as float32 of shape (dim,). Raises BadVector."""
        return _checked(vector, self.index.dim, self.fingerprint)


def _checked(vector: NDArray[np.floating], dim: int, fingerprint: str) -> NDArray[np.float32]:
    query = np.asarray(vector)
    if query.shape != (dim,):
        raise BadVector(
            f"The vector has {query.size} numbers; vectors of {fingerprint} have {dim}."
        )
    if not np.abs(query).max() < _MAX_VALUE:
        raise BadVector(f"The vector has numbers that are not finite, or not below {_MAX_VALUE:g}.")
    return query.astype(np.float32)
