"""Ridge regression from image features to the vectors of their words, the start of training.

It keeps word2vec's distances between words, so it is as good for words that no image carries. A
network that learns from tags alone moves these freely and loses the others (DeViSE, Frome et al.
2013, keeps to word2vec's distances for the same reason).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from services.embedder.matching.examples import Examples
from services.embedder.matching.network import MatchingNetwork

Doubles = NDArray[np.float64]

_RIDGE = 5.0
"""Ridge penalty, relative to the features' mean variance, which is 1 after standardising."""
_CHUNK = 4096
# Lengths should be near 1; anything shorter is rounding.
_LEAST_LENGTH = 1e-6


def start(network: MatchingNetwork, examples: Examples) -> None:
    """Sets the linear maps of both towers, whose inputs are standardised already."""
    words = _standard(network.word.mean, network.word.std, examples.words)
    basis = _basis(words[examples.occurring()], network.joint_dim)
    joint = words @ basis
    joint /= np.maximum(np.linalg.norm(joint, axis=1, keepdims=True), 1e-12)
    weights = _regression(network, examples, joint)
    network.word.start_from(torch.from_numpy(basis.T).float())
    network.image.start_from(torch.from_numpy(weights.T).float())
    if not weights.any():
        # Nothing distinguishes these images, for example because all carry one tag: map each to the
        # mean of its words.
        centre = np.mean([joint[terms].mean(axis=0) for terms in examples.image_terms], axis=0)
        network.image.second.bias.copy_(torch.from_numpy(centre).float())


def _basis(words: Doubles, dim: int) -> Doubles:
    """(t, w) -> (w, dim): the directions that the words vary in most; zeros past w of them."""
    _, _, directions = np.linalg.svd(words, full_matrices=True)
    basis = np.zeros((words.shape[1], dim))
    kept = directions[:dim]
    basis[:, : len(kept)] = kept.T
    # Scale words to about length 1, as images are, so that what the layers add weighs the same.
    scaled: Doubles = basis / np.sqrt(words.shape[1])
    return scaled


def _regression(network: MatchingNetwork, examples: Examples, joint: Doubles) -> Doubles:
    """(image_dim, joint_dim), in one pass over features that may not fit into memory."""
    dim = network.image_dim
    products, targets = np.zeros((dim, dim)), np.zeros((dim, joint.shape[1]))
    for begin in range(0, len(examples), _CHUNK):
        rows = examples.rows[begin : begin + _CHUNK]
        terms = examples.image_terms[begin : begin + _CHUNK]
        images = _standard(network.image.mean, network.image.std, examples.features[rows])
        products += images.T @ images
        targets += images.T @ np.stack([joint[indexes].mean(axis=0) for indexes in terms])
    ridge = _RIDGE * len(examples) * np.eye(dim)
    weights: Doubles = np.asarray(np.linalg.solve(products + ridge, targets), np.float64)
    length = float(np.sqrt((weights * (products @ weights)).sum() / len(examples)))
    return weights / length if length > _LEAST_LENGTH else np.zeros_like(weights)


def _standard(mean: torch.Tensor, std: torch.Tensor, features: NDArray[np.float32]) -> Doubles:
    standard: Doubles = (features.astype(np.float64) - mean.numpy()) / std.numpy()
    return standard
