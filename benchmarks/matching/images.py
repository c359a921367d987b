"""Image -> image: is a probability that a collection taught right on images that it lacks?

A tenth of the images is put aside; the others are the collection, on which the product fits its
curve. The images put aside ask it then, and each of their first hits has their tag or has it not.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedder.matching.training_set import TrainingSet
from services.indexer.clustering import transforms
from services.indexer.clustering.streaming import assign, train_centroids
from services.indexer.measuring.calibration import CalibrationQuery, calibrate, first_hits
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from shared.maths import calibration
from shared.maths.calibrated import Pairs
from shared.snapshots.transform import transformed

# Every list is probed, so that the answers are exact and the curve is all that is judged.
_CLUSTERS = 16


def measure(photos: TrainingSet) -> dict[str, dict[str, Any]]:
    """Measure the curve's predictions for first hits against the truth, by metric."""
    order = np.random.default_rng(0).permutation(len(photos.image_terms))
    aside, kept = np.split(order, [len(order) // 10])
    features = _as_indexed(photos, kept)
    tags = {number: [str(t) for t in photos.image_terms[row]] for number, row in enumerate(kept)}
    asked = [_asked(features[row], photos.image_terms[row], tags) for row in aside]
    with TemporaryDirectory() as folder:
        index = index_of(Path(folder), features[kept])
        return {
            curve.metric.value: _judged(
                curve, first_hits(index, asked, tags, curve.metric, None, reranks=True)
            )
            for curve in calibrate(index, tags, [], seed=0, reranks=True)
        }


def _as_indexed(photos: TrainingSet, kept: NDArray[np.int64]) -> NDArray[np.float32]:
    """All features by the transform that a build of the kept ones learns."""
    features = np.asarray(photos.features, np.float32)
    dim = features.shape[1]
    name = transforms.chosen("auto", photos.fingerprint, len(kept), dim)
    transform = transforms.learned(name, features[kept], dim)
    return np.concatenate([block for _, block in transformed([(0, features)], transform)])


def _asked(
    vector: NDArray[np.float32], terms: list[int], tags: dict[int, list[str]]
) -> CalibrationQuery:
    own = {str(term) for term in terms}
    return CalibrationQuery(vector, lambda hit: not own.isdisjoint(tags[hit]))


def index_of(folder: Path, features: NDArray[np.float32]) -> InvertedIndex:
    """Make an index of features, (n, dim), whose ordinals are their rows."""
    rows = len(features)
    centroids = train_centroids(features, _CLUSTERS, Metric.COSINE, seed=0)
    lists = assign([(0, features)], rows, centroids, Metric.COSINE)
    path = folder / "postings.hdf5"
    partition = Partition(centroids, Metric.COSINE, None, "float32")
    writer = PostingsWriter(path, partition, lists, np.arange(rows), is_first=True)
    writer.put(0, features)
    writer.close()
    return InvertedIndex([Postings(path)], Metric.COSINE)


def _judged(curve: Calibration, pairs: Pairs) -> dict[str, Any]:
    isotonic = calibration.Isotonic(np.array(curve.scores), np.array(curve.probabilities))
    told = calibration.reliability(isotonic(pairs.scores), pairs.matched)
    return {
        "queries": len(np.unique(pairs.queries)),
        "expected_error": told.expected_error,
        "brier": told.brier,
        "base_rate_brier": told.base_rate_brier,
        "predicted": told.predicted.tolist(),
        "matched": told.matched.tolist(),
    }
