"""How likely an image carries the term that found it, by its score."""

from dataclasses import replace

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
    cosine = first_hits(network, images, terms, carries)
    l2 = replace(cosine, scores=_of_l2(cosine.scores))
    fitted = [
        calibrated(pairs, "joint", metric)
        for metric, pairs in ((Metric.COSINE, cosine), (Metric.L2, l2))
    ]
    return [one for one in fitted if one is not None]


def first_hits(network: MatchingNetwork, images: Tensor, terms: Tensor, carries: Tensor) -> Pairs:
    """The first hits of each term by cosine, and whether they carry it."""
    joint_images = network.project_images(images.numpy())
    joint_terms = network.project_words(terms.numpy())
    cosines = (joint_images @ joint_terms.T).astype(np.float64)
    first = np.argsort(-cosines, axis=0, kind="stable")[:_HITS]
    return Pairs(
        scores=np.take_along_axis(cosines, first, axis=0).ravel(),
        matched=np.take_along_axis(carries.numpy(), first, axis=0).ravel(),
        queries=np.broadcast_to(np.arange(len(joint_terms)), first.shape).ravel(),
    )


def _of_l2(cosines: Floats) -> Floats:
    """The score 1 / (1 + d) of unit vectors with that cosine."""
    return 1 / (1 + np.sqrt(np.maximum(2 - 2 * cosines, 0)))
