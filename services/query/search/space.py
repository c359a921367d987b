"""One vector space of a snapshot: an inverted index, its model, and its measured recall."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.core.errors import BadVector, Conflict
from shared.engines.engine import Index
from shared.maths.calibration import Isotonic
from shared.maths.distances import MAX_VALUE, NO_DIRECTION, has_direction
from shared.snapshots.transform import Transform

# Floats of all vectors: up to 1 GiB of them stay in memory, and up to 8 million are compared in a
# few milliseconds.
_IN_MEMORY = 2**28
_SCANNED = 2**23


class Space:
    """Immutable; search parameters are arguments."""

    def __init__(
        self,
        fingerprint: str,
        index: Index,
        curves: Sequence[RecallCurve] = (),
        calibration: Sequence[Calibration] = (),
        transform: Transform | None = None,
        way_out: str = "Calibration needs tags: tag images, then run `ise build`.",
    ) -> None:
        """way_out: advice if there are no probabilities."""
        self._way_out = way_out
        self.fingerprint = fingerprint
        self.metric = index.metric
        self.index = index
        self.transform = transform
        self.curves = list(curves)
        self.calibration = list(calibration)
        self._chances = {
            one.metric: Isotonic(np.array(one.scores), np.array(one.probabilities))
            for one in calibration
            if not one.untrained
        }

    @cached_property
    def for_untrained(self) -> "Space":
        """The same for a term that the network was not trained on, whose scores mean less."""
        parts_found = [
            one.model_copy(update={"untrained": False}) for one in self.calibration if one.untrained
        ]
        way_out = (
            "Of terms that no image carries they are learnt by a training on 8 tags or more: "
            "`ise train-matching`."
        )
        return Space(
            self.fingerprint, self.index, self.curves, parts_found, self.transform, way_out
        )

    def chances(self, scores: Sequence[float], metric: Metric) -> list[float | None]:
        """Return the calibrated probability of a match for each score; None: none was fitted."""
        fitted = self._chances.get(metric)
        return [None] * len(scores) if fitted is None else fitted(np.array(scores)).tolist()

    def is_calibrated(self, metric: Metric) -> bool:
        """Return whether there are probabilities for a metric."""
        return metric in self._chances

    def check_calibrated(self, metric: Metric, wanted: str) -> None:
        """Raise Conflict if there are no probabilities for a metric.

        `wanted`: what needs them, as the start of a sentence.
        """
        if not self.is_calibrated(metric):
            raise Conflict(
                f"{wanted} needs probabilities, and none are calibrated for {metric} "
                f"here. {self._way_out}"
            )

    @property
    def is_quick(self) -> bool:
        """True if an ordinary search takes milliseconds: it reads little, and from memory."""
        numbers = self.index.rows * self.index.dim
        return numbers <= (_IN_MEMORY if self.index.is_coded(self.metric) else _SCANNED)

    @property
    def features_dim(self) -> int:
        """The length of a model's features."""
        return self.index.dim if self.transform is None else self.transform.dim

    def placed(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return a model's features in the form of stored vectors, float32 of shape (dim,).

        A vector with the length of stored ones, and not of features, is used unchanged. Raises
        BadVector.
        """
        if self.transform is None or features.shape == (self.index.dim,) != (self.transform.dim,):
            return self.checked(features)
        vectors = self.transform(_checked(features, self.transform.dim, self.fingerprint)[None])
        placed: NDArray[np.float32] = vectors[0]
        return placed

    def given(self, vector: Sequence[float], metric: Metric | None) -> NDArray[np.float32]:
        """A vector that a caller sent, placed. Raises BadVector, as where vectors are added.

        `metric`: that of the search; None: the index's own.
        """
        features = np.array(vector)
        placed = self.placed(features)
        is_by_angle = (metric or self.metric) is Metric.COSINE
        if is_by_angle and not all(has_direction(one[None])[0] for one in (features, placed)):
            raise BadVector(f"The vector {NO_DIRECTION}.")
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
    if not np.abs(query).max() < MAX_VALUE:
        raise BadVector(f"The vector has numbers that are not finite, or not below {MAX_VALUE:g}.")
    return query.astype(np.float32)
