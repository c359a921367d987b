"""Calibration: the probability that an image carries the term that found it, by its score."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from services.embedder.matching.joint import JointNetwork
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.maths.calibrated import Pairs, calibrated

Floats = NDArray[np.float64]

_HITS = 20


def fitted(parts: Sequence[Pairs], *, untrained: bool = False) -> list[Calibration]:
    """Fit a calibration for each metric from first hits; empty where there's too little to learn
    from.

    parts: each of other queries. untrained: whether the network was not trained on their terms.
    """
    cosine = _together(parts)
    l2 = replace(cosine, scores=_of_l2(cosine.scores))
    found = [
        calibrated(pairs, "joint", metric)
        for metric, pairs in ((Metric.COSINE, cosine), (Metric.L2, l2))
    ]
    return [one.model_copy(update={"untrained": untrained}) for one in found if one is not None]


def first_hits(network: JointNetwork, images: Tensor, terms: Tensor, carries: Tensor) -> Pairs:
    """The first hits of each term by cosine, and whether they carry it.

    Arguments as of `evaluate`.
    """
    joint_images = network.project_images(images.numpy())
    joint_terms = network.project_words(terms.numpy())
    cosines = (joint_images @ joint_terms.T).astype(np.float64)
    first = np.argsort(-cosines, axis=0, kind="stable")[:_HITS]
    return Pairs(
        scores=np.take_along_axis(cosines, first, axis=0).ravel(),
        matched=np.take_along_axis(carries.numpy(), first, axis=0).ravel(),
        queries=np.broadcast_to(np.arange(len(joint_terms)), first.shape).ravel(),
    )


def _together(parts: Sequence[Pairs]) -> Pairs:
    ends = np.cumsum([0, *(part.queries.max(initial=-1) + 1 for part in parts)])
    return Pairs(
        scores=np.concatenate([part.scores for part in parts]),
        matched=np.concatenate([part.matched for part in parts]),
        queries=np.concatenate([p.queries + end for p, end in zip(parts, ends, strict=False)]),
    )


def _of_l2(cosines: Floats) -> Floats:
    """The score 1 / (1 + d) of unit vectors with that cosine."""
    return 1 / (1 + np.sqrt(np.maximum(2 - 2 * cosines, 0)))
