"""Retrieval metrics of terms and their images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from services.embedder.matching.joint import JointNetwork


@dataclass(frozen=True)
class Figures:
    """Means over the terms, of the ranking of all given images by cosine similarity to each.

    Precision at k is the share of carriers among the first k; a term with fewer than k carriers
    can't reach 1. Where there are fewer than k images, k is their number.
    """

    precision_at_1: float
    precision_at_10: float
    mean_average_precision: float


def evaluate(network: JointNetwork, images: Tensor, terms: Tensor, carries: Tensor) -> Figures:
    """`images` (n, image_dim), `terms` (t, word_dim), `carries` (n, t) bool, each term carried."""
    joint_images = network.project_images(images.numpy())
    joint_terms = network.project_words(terms.numpy())
    relevant = carries.numpy()
    at_1, at_10, average = [], [], []
    for term, carriers in zip(joint_terms, relevant.T, strict=True):
        ranked = carriers[np.argsort(-(joint_images @ term), kind="stable")]
        at_1.append(ranked[:1].mean())
        at_10.append(ranked[:10].mean())
        average.append(average_precision(ranked))
    return Figures(float(np.mean(at_1)), float(np.mean(at_10)), float(np.mean(average)))


def average_precision(ranked: NDArray[np.bool_]) -> float:
    """The mean, over the relevant ones of a ranking, of the precision down to each."""
    places = np.flatnonzero(ranked)
    if not len(places):
        return 0.0
    return float(np.mean(np.arange(1, len(places) + 1) / (places + 1)))
