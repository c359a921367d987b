"""One vector space of a snapshot: an inverted index, its model, and its measured recall."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.query.search.key_frames import KeyFrames, NearestFrames
from services.query.search.probing import Plans
from shared.contracts.calibration import TAG, Calibration
from shared.contracts.counting import Counting
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.core.errors import BadVector, Conflict
from shared.engines.engine import Index, is_small
from shared.engines.evidence import moments_of
from shared.maths import tag_trust
from shared.maths.calibration import Isotonic
from shared.maths.counting import Counter
from shared.maths.distances import MAX_VALUE, NO_DIRECTION, is_directed
from shared.maths.packaged_counting import packaged_words
from shared.maths.standard_scores import ScoreSample
from shared.snapshots.transform import Transform

# Floats of all vectors: up to 1 GiB of them stay in memory, and up to 8 million are compared in a
# few milliseconds.
_IN_MEMORY = 2**28
_SCANNED = 2**23
# Of fewer carriers, none tells whether another one is right.
_LEAST_CARRIERS = 4


class _Sample:
    """Sample of the vectors of an index, read once."""

    def __init__(self, index: Index) -> None:
        self._index = index

    @cached_property
    def moments(self) -> ScoreSample | None:
        """Return the sample; None if the vectors lie elsewhere or are too few."""
        return moments_of(self._index)


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
        former: "Space | None" = None,
        counting: Counting | None = None,
        tag_spread: float | None = None,
        frames: KeyFrames | None = None,
    ) -> None:
        """way_out: advice if there are no probabilities. former: the space of the snapshot before,
        whose sample is taken over where the files are the same. counting, tag_spread: see
        `SpaceManifest`. frames: key frames of its videos, if there are any."""
        self._way_out = way_out
        self.fingerprint = fingerprint
        self.metric = index.metric
        self.index = index
        # Files are opened once, so the same ones are the same objects.
        is_same = former is not None and former.index.segments == index.segments
        self._sample: _Sample = former._sample if former is not None and is_same else _Sample(index)
        self.transform = transform
        self.curves = list(curves)
        self.plans = Plans(self.curves, index.clusters, is_small(index))
        self.calibration = list(calibration)
        self.counter = None if counting is None else Counter(counting)
        self.tag_spread = tag_spread
        self.frames = frames
        self._chances = {
            one.metric: Isotonic(np.array(one.scores), np.array(one.probabilities))
            for one in calibration
            if not one.untrained and one.space != TAG and one.is_telling
        }
        self._tag_chances = next(
            (
                Isotonic(np.array(one.scores), np.array(one.probabilities))
                for one in calibration
                if one.space == TAG and one.is_telling
            ),
            None,
        )

    def for_untrained(self, vector: NDArray[np.floating], is_label: bool = False) -> "Space":
        """The same for a term that the network was not trained on, whose scores mean less.

        vector: that of the term, by which standard scores become scores. is_label: a label has that
        name, so that its matches can be counted where no tag teaches it.
        """
        parts_found = [
            made
            for one in self.calibration
            if one.untrained and (made := self._of_term(one, vector)) is not None
        ]
        way_out = (
            "Of terms that no image carries they are learnt by a training on 8 tags or more: "
            "`ise train-matching`."
        )
        return Space(
            self.fingerprint,
            self.index,
            self.curves,
            parts_found,
            self.transform,
            way_out,
            former=self,
            counting=self._words_counting() if is_label else None,
            frames=self.frames,
        )

    def _words_counting(self) -> Counting | None:
        """How to count the matches of a word, where the space has seen no tags."""
        is_packaged = any(one.standardized for one in self.calibration)
        return packaged_words() if is_packaged else None

    def nearest_frames(self, query: NDArray[np.float32], metric: Metric) -> NearestFrames | None:
        """Return the key frame of each video that is nearest to a query; None: there are none."""
        return None if self.frames is None else self.frames.nearest(query, metric)

    @property
    def moments(self) -> ScoreSample | None:
        """A sample of the vectors; None if they lie elsewhere or are too few."""
        return self._sample.moments

    def _of_term(self, one: Calibration, vector: NDArray[np.floating]) -> Calibration | None:
        """A calibration of untrained terms as it is for one of them; None: it tells nothing."""
        scores = np.array(one.scores)
        if one.standardized:
            sample = self._sample.moments
            weights = one.peak_weight, one.crowd_weight
            cosines = None if sample is None else sample.cosines(vector, scores, *weights)
            if cosines is None:
                return None
            scores = cosines
            if one.metric is Metric.L2:
                scores = 1 / (1 + np.sqrt(np.maximum(2 - 2 * cosines, 0)))
        update = {"untrained": False, "standardized": False, "scores": scores.tolist()}
        return one.model_copy(update=update)

    def chances(self, scores: Sequence[float], metric: Metric) -> list[float | None]:
        """Return the calibrated probability of a match for each score; None: none was fitted."""
        fitted = self._chances.get(metric)
        return [None] * len(scores) if fitted is None else fitted(np.array(scores)).tolist()

    def tag_chances(
        self, carriers: NDArray[np.int64], ordinals: NDArray[np.int64]
    ) -> list[float | None]:
        """How surely images show a tag that they carry; None: nothing tells.

        carriers: ordinals of all images that carry it. ordinals: those to judge.
        """
        curve, some = self._tag_chances, tag_trust.sample(carriers)
        if curve is None or not len(ordinals):
            return [None] * len(ordinals)
        stored = {one: self.index.vector(one) for one in some.tolist()}
        known = {one: vector for one, vector in stored.items() if vector is not None}
        if len(known) < _LEAST_CARRIERS:
            return [None] * len(ordinals)
        others = tag_trust.unit(np.stack(list(known.values())))
        # One scan, as there may be very many; one of the sample is not compared with itself.
        found, away = self.index.among(
            others.mean(axis=0).astype(np.float32), ordinals, Metric.COSINE
        )
        likeness = dict(zip(found.tolist(), (1 - away).tolist(), strict=True))
        own = tag_trust.likeness(others, others, np.ones(len(others), bool))
        likeness |= {
            one: alike for one, alike in zip(known, own.tolist(), strict=True) if one in likeness
        }
        chances = dict(
            zip(likeness, curve(np.array(list(likeness.values()))).tolist(), strict=True)
        )
        return [chances.get(one) for one in ordinals.tolist()]

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

    def given(
        self, vector: Sequence[float] | NDArray[np.float64], metric: Metric | None
    ) -> NDArray[np.float32]:
        """A vector that a caller sent, placed. Raises BadVector, as where vectors are added.

        `metric`: that of the search; None: the index's own.
        """
        features = np.asarray(vector)
        placed = self.placed(features)
        is_by_angle = (metric or self.metric) is Metric.COSINE
        seen = (placed,) if self.transform is None else (features, placed)
        if is_by_angle and not all(map(is_directed, seen)):
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
