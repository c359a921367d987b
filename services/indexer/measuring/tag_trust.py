"""Learns how surely pictures show the tags that they carry; see `shared/maths/tag_trust.py`."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.calibration import TAG, Calibration
from shared.contracts.query import Metric
from shared.engines.engine import Index
from shared.engines.ivf.index import InvertedIndex
from shared.maths import calibration, tag_trust
from shared.maths.calibration import Isotonic

Floats = NDArray[np.float64]
_Scores = list[tuple[Floats, Floats]]
"""Of each tag: scores of its carriers, and of pictures without it."""

_TAGS, _PICTURES = 100, 32
_LEAST_CARRIERS, _LEAST_TAGS = 4, 4
_MISTAKEN = 0.1
"""Share of carriers that are replaced to judge the curve: nobody says which tags are mistaken."""


def calibrate_carriers(
    index: Index, tags: Mapping[int, Sequence[str]], seed: int
) -> list[Calibration]:
    """Fit the curve on a sample of the tags; empty where it is no better than the mean.

    tags: tag keys by ordinal. It is judged on tags that it was not fitted on, with mistakes put in.
    """
    if not isinstance(index, InvertedIndex):
        # Its vectors would come one by one from elsewhere.
        return []
    rng = np.random.default_rng(seed)
    scores = scores_by_tag(index, tags, rng)
    if len(scores) < _LEAST_TAGS:
        return []
    halves = scores[::2], scores[1::2]
    told: list[Floats] = []
    truth: list[NDArray[np.bool_]] = []
    for fitted_on, judged in (halves, halves[::-1]):
        curve = fitted_curve([with_mistakes(one, rng)[0] for one in fitted_on], fitted_on)
        if curve is None:
            return []
        for one in judged:
            mixed, right = with_mistakes(one, rng)
            told.append(curve(mixed))
            truth.append(right)
    whole = fitted_curve([carriers for carriers, _ in scores], scores)
    if whole is None:
        return []
    worth = calibration.reliability(np.concatenate(told), np.concatenate(truth))
    if worth.brier >= worth.base_rate_brier:
        return []
    return [
        Calibration(
            space=TAG,
            metric=Metric.COSINE,
            scores=whole.scores.tolist(),
            probabilities=whole.probabilities.tolist(),
            queries=len(scores),
            pairs=sum(len(carriers) for carriers, _ in scores),
            expected_error=worth.expected_error,
            brier=worth.brier,
            base_rate_brier=worth.base_rate_brier,
            predicted=worth.predicted.tolist(),
            matched=worth.matched.tolist(),
        )
    ]


def scores_by_tag(
    index: Index, tags: Mapping[int, Sequence[str]], rng: np.random.Generator
) -> _Scores:
    """Likenesses of carriers of a sample of tags, and of pictures without them."""
    carriers: dict[str, list[int]] = {}
    for ordinal, keys in tags.items():
        for key in keys:
            carriers.setdefault(key, []).append(ordinal)
    able = sorted(key for key, some in carriers.items() if len(some) >= _LEAST_CARRIERS)
    every = np.sort(np.fromiter(tags, np.int64, len(tags)))
    found: _Scores = []
    for key in rng.permutation(able)[:_TAGS].tolist() if able else []:
        own = np.sort(np.array(carriers[key], np.int64))
        others = np.setdiff1d(rng.permutation(every)[: 2 * _PICTURES], own)[:_PICTURES]
        inside = _vectors(index, tag_trust.sample(own, _PICTURES))
        outside = _vectors(index, others)
        if len(inside) >= _LEAST_CARRIERS and len(outside):
            found.append(
                (
                    tag_trust.likeness(inside, inside, np.ones(len(inside), bool)),
                    tag_trust.likeness(outside, inside, np.zeros(len(outside), bool)),
                )
            )
    return found


def _vectors(index: Index, ordinals: NDArray[np.int64]) -> Floats:
    found = [vector for one in ordinals.tolist() if (vector := index.vector(one)) is not None]
    return tag_trust.unit(np.stack(found)) if found else np.empty((0, index.dim))


def fitted_curve(carriers: list[Floats], scores: _Scores) -> Isotonic | None:
    """Fit the curve to the carriers of several tags."""
    return tag_trust.fit(np.concatenate(carriers), np.concatenate([one for _, one in scores]))


def with_mistakes(
    one: tuple[Floats, Floats], rng: np.random.Generator, share: float = _MISTAKEN
) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores of carriers, some of them replaced by those of others, and which are right."""
    carriers, others = one
    right = rng.random(len(carriers)) >= share
    return np.where(right, carriers, rng.choice(others, len(carriers))), right
