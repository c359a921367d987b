"""Image -> image: how right the default order is, by the product's transform and re-rank.

Each photo is a query, itself left out, against all others, exactly. Parameters were chosen on the
first half of the classes; both halves are told. Fewer photos a class tell of small classes.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching import photos
from benchmarks.matching.images import index_of
from services.indexer.clustering import transforms
from services.indexer.measuring.tag_trust import calibrate_carriers
from services.query.search.space import Space
from shared.contracts.query import Metric
from shared.engines.ivf.rerank import CANDIDATES, averaged_distances
from shared.maths import calibration
from shared.maths.calibrated import Pairs, calibrated
from shared.maths.linear_algebra import one_thread
from shared.snapshots.transform import transformed

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

_A_CLASS = (25, 8, 4, 2)
_HITS = 20
_MISTAKEN = (0.02, 0.05, 0.1, 0.2)


def measure(folder: Path, network: str, weights: str, cache: Path, queries: int) -> dict[str, Any]:
    """Measure every number of photos a class, without a re-rank and with it."""
    labels, fingerprint, features = photos.labelled(folder, network, weights, cache)
    found: dict[str, Any] = {"model": fingerprint, "photos": len(labels)}
    whole = np.asarray(features, np.float32)
    name = transforms.chosen("auto", fingerprint, len(labels), whole.shape[1])
    transform = transforms.learned(name, whole, whole.shape[1])
    vectors = np.concatenate([block for _, block in transformed([(0, whole)], transform)])
    found["transform"] = name
    found["tags"] = _tags(vectors, labels)
    for count in _A_CLASS:
        rows = np.concatenate([np.flatnonzero(labels == one)[:count] for one in np.unique(labels)])
        with one_thread():
            ordered = _ordered(vectors[rows], labels[rows], queries)
        found[f"{count} a class"] = ordered
    return found


def _tags(vectors: Floats, labels: Labels) -> dict[str, Any]:
    """Measure how surely pictures show their tags, where some tags are mistaken on purpose.

    The curve is fitted on the collection with its mistakes; nothing tells it which they are.
    """
    found: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        index = index_of(Path(folder), vectors)
        for share in _MISTAKEN:
            rng = np.random.default_rng(0)
            wrong = rng.random(len(labels)) < share
            given = np.where(wrong, rng.permutation(labels), labels)
            tags = {number: [str(label)] for number, label in enumerate(given.tolist())}
            curves = calibrate_carriers(index, tags, seed=0)
            if not curves:
                found[f"{share:.0%} mistaken"] = None
                continue
            space = Space("model", index, calibration=curves)
            told, right = [], []
            for label in np.unique(given):
                carriers = np.flatnonzero(given == label)
                told += space.tag_chances(carriers, carriers)
                right += (labels[carriers] == label).tolist()
            worth = calibration.reliability(np.array(told, np.float64), np.array(right))
            found[f"{share:.0%} mistaken"] = {
                "expected_error": worth.expected_error,
                "brier": worth.brier,
                "base_rate_brier": worth.base_rate_brier,
            }
    return found


def _ordered(vectors: Floats, labels: Labels, count: int) -> dict[str, Any]:
    points = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    half = np.random.default_rng(0).permutation(int(labels.max()) + 1) % 2
    queries = np.random.default_rng(1).permutation(len(labels))[:count]
    orders: dict[str, list[NDArray[np.int64]]] = {"none": [], "neighbours": []}
    pairs: list[tuple[NDArray[np.float64], NDArray[np.bool_]]] = []
    seconds = 0.0
    for query in queries.tolist():
        scores = points @ points[query]
        scores[query] = -np.inf
        order = np.argsort(-scores, kind="stable")[:-1]
        nearest = order[:CANDIDATES]
        began = time.process_time()
        moved = averaged_distances(np.vstack([points[query][None], points[nearest]]), Metric.COSINE)
        seconds += time.process_time() - began
        first = nearest[np.argsort(moved, kind="stable")]
        orders["none"].append(order)
        orders["neighbours"].append(np.concatenate([first, order[CANDIDATES:]]))
        top = first[:_HITS]
        pairs.append((scores[top].astype(np.float64), labels[top] == labels[query]))
    figures: dict[str, Any] = {
        name: _figures(labels, queries, some, half) for name, some in orders.items()
    }
    figures["milliseconds"] = 1000 * seconds / len(queries)
    figures["probability"] = _probability(pairs)
    return figures


def _figures(
    labels: Labels, queries: Labels, orders: list[NDArray[np.int64]], half: Labels
) -> dict[str, float]:
    rights = np.stack(
        [labels[o] == labels[q] for q, o in zip(queries.tolist(), orders, strict=True)]
    )
    first = min(10, int(rights[0].sum()))
    tens = rights[:, :first].mean(axis=1)
    hits = np.cumsum(rights, axis=1) / np.arange(1, rights.shape[1] + 1)
    precisions = (hits * rights).sum(axis=1) / np.maximum(rights.sum(axis=1), 1)
    of = half[labels[queries]]
    return {
        "mAP": float(precisions.mean()),
        "P@1": float(rights[:, 0].mean()),
        "P@10": float(tens.mean()),
        "P@10 of the first half": float(tens[of == 0].mean()),
        "P@10 of the second half": float(tens[of == 1].mean()),
    }


def _probability(
    pairs: list[tuple[NDArray[np.float64], NDArray[np.bool_]]],
) -> dict[str, float] | None:
    """Measure probabilities of first hits on queries that they were not fitted on."""
    scores = np.concatenate([some for some, _ in pairs])
    matched = np.concatenate([some for _, some in pairs])
    numbers = np.repeat(np.arange(len(pairs)), [len(some) for some, _ in pairs])
    told = calibrated(Pairs(scores, matched, numbers), "visual", Metric.COSINE)
    if told is None:
        return None
    return {
        "expected_error": told.expected_error,
        "brier": told.brier,
        "base_rate_brier": told.base_rate_brier,
    }
