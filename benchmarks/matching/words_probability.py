"""Words on photos without tags: is the packaged probability right on terms that it lacks?

No collection without tags can teach its own probabilities. So a curve is fitted across terms on
photos whose tags nobody showed the joint space, and packaged: numbers only.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching import photos
from services.embedder.backbones.lite_backbone import load_lite
from services.embedder.matching.combined import CombinedNetwork
from services.embedder.matching.label_map import learnt_map
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import load_words
from shared.maths import calibration

_HITS = 20
_FOLDS, _STEPS = 10, 30


def measure(folder: Path, cache: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure terms by the joint space that has seen no tag; also return the curve to package."""
    backbone = load_lite()
    if backbone.head is None:
        raise RuntimeError("the backbone has no named classifier")
    meanings = Meanings(load_words(), backbone.head)
    labels, fingerprint, features = photos.labelled(folder, "lite", "", cache)
    tags = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    whole = np.asarray(features, np.float32)
    network = CombinedNetwork(learnt_map(meanings, whole), None, meanings.words.dim).eval()
    rows = meanings.embed([tag.replace("_", " ") for tag in tags], allow_unknown=True)
    known = [number for number, row in enumerate(rows) if row is not None]
    terms = network.project_words(np.stack([row for row in rows if row is not None]))
    scores = (network.project_images(whole) @ terms.T).astype(np.float64)
    carries = labels[:, None] == np.array(known)[None]
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(carries, order, 0)
    hits = np.cumsum(ranked, axis=0) / np.arange(1, len(ranked) + 1)[:, None]
    standard = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    told = np.take_along_axis(standard, order[:_HITS], 0).T
    right = ranked[:_HITS].T
    curve, worth = _fitted(told, right)
    found = {
        "model": fingerprint,
        "terms": len(known),
        "mAP": float(((hits * ranked).sum(axis=0) / ranked.sum(axis=0)).mean()),
        "P@10": float(ranked[:10].mean()),
        "probability": {
            "expected_error": worth.expected_error,
            "brier": worth.brier,
            "base_rate_brier": worth.base_rate_brier,
        },
    }
    packaged = {
        "scores": [round(one, 3) for one in curve.scores.tolist()],
        "probabilities": [round(one, 4) for one in curve.probabilities.tolist()],
        "queries": len(known),
        "pairs": int(right.size),
        "expected_error": round(worth.expected_error, 4),
        "brier": round(worth.brier, 4),
        "base_rate_brier": round(worth.base_rate_brier, 4),
        "predicted": [round(one, 4) for one in worth.predicted.tolist()],
        "matched": [round(one, 4) for one in worth.matched.tolist()],
    }
    return found, packaged


def _fitted(
    scores: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[calibration.Isotonic, calibration.Reliability]:
    """A logistic curve over standard scores (terms, hits), and its worth on terms left out."""
    folds = np.random.default_rng(0).permutation(len(scores)) % _FOLDS
    told = np.zeros(scores.shape)
    for fold in range(_FOLDS):
        told[folds == fold] = _logistic(scores[folds != fold], right[folds != fold])(
            scores[folds == fold]
        )
    return _logistic(scores, right), calibration.reliability(told.ravel(), right.ravel())


def _logistic(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> calibration.Isotonic:
    """Platt's curve, by Newton's method, as knots."""
    rows = np.stack([np.ones(scores.size), scores.ravel()], axis=1)
    weights = np.zeros(2)
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-rows @ weights))
        curvature = (rows * (chances * (1 - chances))[:, None]).T @ rows + 1e-3 * np.eye(2)
        weights += np.linalg.solve(curvature, rows.T @ (right.ravel() - chances))
    knots = np.arange(-1.0, 12.01, 0.5)
    return calibration.Isotonic(knots, 1 / (1 + np.exp(-(weights[0] + weights[1] * knots))))
