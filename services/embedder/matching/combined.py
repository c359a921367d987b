"""Joint space that begins from labels and learns from tags.

A vector is that of the label map beside that of a matching network, if one was trained. A tag that
was trained on is found mostly by the network, and any other term mostly by labels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from services.embedder.matching.label_map import OUTPUTS, LabelMap
from services.embedder.matching.network import MatchingNetwork
from services.embedder.words.meanings import MeaningParts, Meanings

Floats = NDArray[np.float32]

_CHUNK = 1024
TRAINED_SHARE = 0.5
"""Of the network's block in a picture's squared length."""
KNOWN_WEIGHT, UNKNOWN_WEIGHT = 16.0, 0.05
"""Of the network's block of a term, beside labels: for terms it was trained on, and for others that
stand for no class. Where a term stands for classes, labels know more of it than other tags tell."""
_FAMILIAR = 0.9
"""A term whose word is nearer to a trained one than this counts as known in part."""


class CombinedNetwork(nn.Module):
    """Stands where a matching network does. Terms come as `Meanings.embed` gives them."""

    takes_context = False
    takes_meanings = True

    def __init__(self, labels: LabelMap, trained: MatchingNetwork | None, word_dim: int) -> None:
        super().__init__()
        self.labels = labels
        self.trained = trained
        self.word_dim = word_dim
        self.image_dim = labels.inputs
        self.joint_dim = OUTPUTS + (0 if trained is None else trained.joint_dim)

    def joint_images(self, features: Tensor) -> Tensor:
        """(n, image_dim) -> (n, joint_dim) of length 1."""
        seen = self.labels.images(features)
        if self.trained is None:
            return seen
        learnt = self.trained.joint_images(features)
        share = TRAINED_SHARE
        return torch.cat([learnt * share**0.5, seen * (1 - share) ** 0.5], dim=1)

    def joint_terms(self, parts: MeaningParts) -> Tensor:
        """Meanings of terms -> (n, joint_dim) of length 1."""
        directions = torch.from_numpy(np.array(parts.directions))
        classes = torch.from_numpy(np.array(parts.classes))
        seen = self.labels.terms(directions, classes)
        if self.trained is None:
            return seen
        words = torch.from_numpy(np.array(parts.in_context))
        # A term that word2vec lacks is known by its classes alone.
        has_word = (directions != 0).any(dim=1, keepdim=True)
        unknown = torch.where((classes > 0).any(dim=1, keepdim=True), 0.0, UNKNOWN_WEIGHT)
        weights = torch.where(has_word, self._weights(words, unknown), 0.0)
        learnt = torch.where(has_word, self.trained.joint_words(words), 0.0)
        return functional.normalize(torch.cat([learnt * weights, seen], dim=1), dim=1)

    def project_images(self, features: Floats) -> Floats:
        """(n, image_dim) -> (n, joint_dim) float32 of length 1."""
        joint = np.empty((len(features), self.joint_dim), np.float32)
        with torch.inference_mode():
            for start in range(0, len(features), _CHUNK):
                chunk = np.array(features[start : start + _CHUNK], np.float32)
                joint[start : start + len(chunk)] = self.joint_images(torch.from_numpy(chunk))
        return joint

    def project_words(self, features: Floats) -> Floats:
        """Meanings (n, dim) -> (n, joint_dim) float32 of length 1."""
        with torch.inference_mode():
            found: Floats = self.joint_terms(Meanings.split(features, self.word_dim)).numpy()
        return found

    def _weights(self, words: Tensor, unknown: Tensor) -> Tensor:
        """The weight of the network's block for each term, (n, 1), by how near it was trained."""
        if self.trained is None or self.trained.anchors is None:
            return unknown
        near: Tensor = (self.trained.word(words) @ self.trained.anchors.T).amax(dim=1, keepdim=True)
        known = ((near - _FAMILIAR) / (1 - _FAMILIAR)).clamp(0, 1)
        return unknown + known * (KNOWN_WEIGHT - unknown)
