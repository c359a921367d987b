"""Tag -> image: each loss, with and without hard negatives, on images and on terms not seen.

Seen terms: a tenth of the images is put aside before training, which holds out another tenth of its
own to choose the epoch by. Every term then ranks all that was put aside. Unseen terms: of twenty
terms no image is trained on; each ranks the images of the twenty. Means over the terms, and over
the splits.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from services.embedder.matching.calibrating import first_hits
from services.embedder.matching.evaluation import evaluate
from services.embedder.matching.joint import JointNetwork
from services.embedder.matching.training import train
from services.embedder.matching.training_set import TrainingSet
from services.embedder.words.vectors import Words
from shared.contracts.embedder import MatchingLoss, TrainingReport, TrainingSettings
from shared.contracts.query import Metric
from shared.maths import calibration

Rows = NDArray[np.int64]
Judging = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

_UNSEEN = 20
HARD = 16
"""Negatives a row, where only hard ones count."""


def variants(epochs: int | None) -> Iterator[tuple[str, TrainingSettings]]:
    """Return the variants by name: both losses, each with all negatives and with the hard ones."""
    few = {} if epochs is None else {"epochs": epochs}
    for loss in MatchingLoss:
        for hard in (0, HARD):
            name = f"{loss.value}, {'hard' if hard else 'all'} negatives"
            yield (
                name,
                TrainingSettings.model_validate({"loss": loss, "hard_negatives": hard} | few),
            )


def measure(
    photos: TrainingSet, words: Words, settings: TrainingSettings, splits: int
) -> dict[str, Any]:
    """The figures of one way to train."""
    started = time.perf_counter()
    unseen = [_unseen(photos, words, settings, seed) for seed in range(splits)]
    return _seen(photos, words, settings) | {
        "unseen_mean_average_precision": float(np.mean(unseen)),
        "unseen_splits": unseen,
        "unseen_probability": _unseen_probability(photos, words, settings),
        "minutes": (time.perf_counter() - started) / 60,
    }


def _seen(photos: TrainingSet, words: Words, settings: TrainingSettings) -> dict[str, Any]:
    aside, trained = _aside(photos)
    network, report = train(_part(photos, trained), words, settings)
    return {
        "mean_average_precision": _precision(network, photos, words, aside, range(_count(photos))),
        "epochs": report.epochs,
        "best_epoch": report.best_epoch,
        "training_seconds": report.seconds,
        "images": report.images,
        "probability": _probability(network, report, _judging(photos, words, aside)),
    }


def _unseen(photos: TrainingSet, words: Words, settings: TrainingSettings, seed: int) -> float:
    terms, own = _put_by(photos, seed)
    network, _ = train(_part(photos, np.flatnonzero(~own)), words, settings)
    return _precision(network, photos, words, np.flatnonzero(own), terms)


def _unseen_probability(
    photos: TrainingSet, words: Words, settings: TrainingSettings
) -> dict[str, Any]:
    """Measure the probability of hits of unseen terms among images of all terms, as in a
    collection.
    """
    terms, own = _put_by(photos, 0)
    aside, trained = _aside(photos)
    network, report = train(_part(photos, trained[~own[trained]]), words, settings)
    return _probability(network, report, _judging(photos, words, aside, terms), untrained=True)


def _probability(
    network: JointNetwork, report: TrainingReport, judging: Judging, untrained: bool = False
) -> dict[str, Any]:
    """Measure the report's curve on first hits against the truth.

    untrained: by the curve for terms that the network was not trained on.
    """
    curve = next(
        one
        for one in report.calibration
        if one.metric is Metric.COSINE and one.untrained == untrained
    )
    isotonic = calibration.Isotonic(np.array(curve.scores), np.array(curve.probabilities))
    pairs = first_hits(network, *judging)
    told = calibration.reliability(isotonic(pairs.scores), pairs.matched)
    return {
        "expected_error": told.expected_error,
        "brier": told.brier,
        "base_rate_brier": told.base_rate_brier,
        "predicted": told.predicted.tolist(),
        "matched": told.matched.tolist(),
    }


def _aside(photos: TrainingSet) -> tuple[Rows, Rows]:
    """A tenth of the images, and the others."""
    order = np.random.default_rng(0).permutation(len(photos.image_terms))
    aside, others = np.split(order, [len(order) // 10])
    return aside, others


def _put_by(photos: TrainingSet, seed: int) -> tuple[list[int], NDArray[np.bool_]]:
    """Twenty terms, and which images carry any of them."""
    terms = np.random.default_rng(seed).permutation(_count(photos))[:_UNSEEN].tolist()
    return terms, np.array([not set(terms).isdisjoint(row) for row in photos.image_terms])


def _count(photos: TrainingSet) -> int:
    return len(photos.terms)


def _part(photos: TrainingSet, rows: Rows) -> TrainingSet:
    image_terms = [photos.image_terms[row] for row in rows]
    return TrainingSet(photos.features[rows], photos.terms, image_terms, photos.fingerprint)


def _judging(
    photos: TrainingSet, words: Words, rows: Rows, terms: Sequence[int] | None = None
) -> Judging:
    """The images of those rows, the terms that any of them carries, and who carries which."""
    chosen = list(range(_count(photos)) if terms is None else terms)
    carries = np.array([[term in photos.image_terms[row] for term in chosen] for row in rows])
    carried = np.flatnonzero(carries.any(axis=0)).tolist()
    vectors = np.stack([words.features(photos.terms[chosen[column]]) for column in carried])
    images = torch.from_numpy(np.array(photos.features[rows]))
    return (
        images,
        torch.from_numpy(words.in_context(vectors)),
        torch.from_numpy(carries[:, carried]),
    )


def _precision(
    network: JointNetwork,
    photos: TrainingSet,
    words: Words,
    rows: Rows,
    terms: Sequence[int],
) -> float:
    judging = _judging(photos, words, rows, terms)
    return evaluate(network, *judging).mean_average_precision
