"""How likely an image carries the term that found it, by its score."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from services.embedder.matching.network import MatchingNetwork
from shared.calibrated import Pairs, calibrated
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric

Floats = NDArray[np.float64]

_HITS = 20


def calibrate(
    network: MatchingNetwork, images: Tensor, terms: Tensor, carries: Tensor
) -> list[Calibration]:
    """By metric, over the first hits of each term; arguments as of `evaluate`.

    Empty where there's too little to learn from.
    """
    joint_images = network.project_images(images.numpy())
    joint_terms = network.project_words(terms.numpy())
    cosines = (joint_images @ joint_terms.T).astype(np.float64)
    first = np.argsort(-cosines, axis=0, kind="stable")[:_HITS]
    queries = np.broadcast_to(np.arange(len(joint_terms)), first.shape)
    scores = np.take_along_axis(cosines, first, axis=0)
    matched = np.take_along_axis(carries.numpy(), first, axis=0)
    found = []
    for metric in Metric:
        told = scores if metric is Metric.COSINE else _of_l2(scores)
        pairs = Pairs(told.ravel(), matched.ravel(), queries.ravel())
        if (fitted := calibrated(pairs, "joint", metric)) is not None:
            found.append(fitted)
    return found


def _of_l2(cosines: Floats) -> Floats:
    """The score 1 / (1 + d) of unit vectors with that cosine."""
    return 1 / (1 + np.sqrt(np.maximum(2 - 2 * cosines, 0)))
