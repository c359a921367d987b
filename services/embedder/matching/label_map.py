"""Joint space that needs no tags: a picture by its label probabilities, a term by its classes.

A vector has two blocks and a filler. The first block holds word vectors: of a picture the mean of
its labels' (ConSE, Norouzi et al., 2014). The second holds classes, so that a term's score is the
probability of the classes that it stands for. The filler brings every picture to length 1, so that
a cosine is that score. Pictures are averaged with pictures that look like them (`references.py`),
since one alone is often mislabelled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from services.embedder.matching.references import Floats, References
from services.embedder.words.meanings import Meanings
from shared.labels.head import MOST_LABELS, LabelHead

WORD_DIM, GENERAL_DIM, CLASS_DIM = 95, 64, 96
OUTPUTS = WORD_DIM + GENERAL_DIM + CLASS_DIM + 1
"""Numbers of a vector: words, general words, single classes, and the filler."""
TEMPERATURE = 2.0
"""Of the labels' softmax: a picture of what is no class is told by what it is a little like."""
CLASS_WEIGHT = 2.0
"""Of the classes beside the words."""
BESIDE_CLASSES = 0.5
"""Of a term's word vector where it stands for classes."""
_SEED = 20
_CHUNK = 1024


@dataclass(frozen=True)
class LabelBases:
    """How label probabilities become vectors: float32 arrays.

    classes: (classes, WORD_DIM + GENERAL_DIM + CLASS_DIM), the rows that a picture's probabilities
    weigh. terms: (classes, GENERAL_DIM + CLASS_DIM), the rows that a term's classes add up. words:
    (word_dim, WORD_DIM), for the direction of a term's word vector.
    """

    classes: Floats
    terms: Floats
    words: Floats

    @classmethod
    def of(cls, meanings: Meanings) -> Self:
        """The bases of a classifier and word vectors; the same for the same ones."""
        vectors = meanings.class_vectors.astype(np.float64)
        _, directions = np.linalg.eigh(vectors.T @ vectors)
        words = _columns(directions[:, ::-1], WORD_DIM)
        of_pictures, of_terms = _class_bases(meanings.hierarchy.memberships().astype(np.float64))
        classes = np.concatenate([vectors @ words, of_pictures], axis=1)
        found = [one.astype(np.float32) for one in (classes, of_terms, words)]
        return cls(*found)

    @property
    def longest(self) -> float:
        """The length that the class block of a picture has at most."""
        return float(np.linalg.norm(self.classes[:, WORD_DIM:], axis=1).max())


def _class_bases(memberships: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Rows for pictures and for terms, both (classes, GENERAL_DIM + CLASS_DIM).

    Their products approximate the identity. General words lie in the leading directions of the
    hierarchy exactly, scaled so that a word for many classes has about the length of one for few; a
    random projection keeps the rest on the mean (Johnson and Lindenstrauss, 1984).
    """
    count = len(memberships)
    general = min(GENERAL_DIM, count)
    # Thin: classes may be tens of thousands, while there are hundreds of words above them.
    directions, values, _ = np.linalg.svd(memberships, full_matrices=False)
    leading = directions[:, :general]
    # Each class is a word, too.
    sizes = np.sqrt(np.append(values, np.zeros(general))[:general] ** 2 + 1)
    if leading.shape[1] < general:
        others = np.random.default_rng(_SEED + 1).normal(size=(count, general - leading.shape[1]))
        others -= leading @ (leading.T @ others)
        leading = np.concatenate([leading, np.linalg.qr(others)[0]], axis=1)
    scale = sizes / sizes[-1]
    drawn = np.random.default_rng(_SEED).normal(size=(count, CLASS_DIM))
    drawn -= leading @ (leading.T @ drawn)
    rest = min(CLASS_DIM, count - general)
    single, _ = np.linalg.qr(drawn[:, :rest])
    single *= np.sqrt((count - general) / max(rest, 1))
    return tuple(
        np.concatenate([_columns(one, GENERAL_DIM), _columns(single, CLASS_DIM)], axis=1)
        for one in (leading * scale, leading / scale)
    )


def _columns(matrix: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first columns of a matrix; zeros past those that it has."""
    found = np.zeros((len(matrix), count))
    kept = matrix[:, :count]
    found[:, : kept.shape[1]] = kept
    return found


class LabelMap(nn.Module):
    """Image features and meanings of terms -> vectors (n, OUTPUTS) of length 1."""

    weight: Tensor
    bias: Tensor
    classes: Tensor
    term_classes: Tensor
    words: Tensor

    def __init__(self, head: LabelHead, bases: LabelBases, references: References) -> None:
        super().__init__()
        # Of the backbone's own weights, so it is no part of what is stored.
        self.register_buffer("weight", torch.from_numpy(head.weight), persistent=False)
        self.register_buffer("bias", torch.from_numpy(head.bias), persistent=False)
        self.register_buffer("classes", torch.from_numpy(bases.classes))
        self.register_buffer("term_classes", torch.from_numpy(bases.terms))
        self.register_buffer("words", torch.from_numpy(bases.words))
        self.references = references
        self._whole = float(np.sqrt(1 + (CLASS_WEIGHT * bases.longest) ** 2))

    @classmethod
    def read(cls, head: LabelHead, tensors: Mapping[str, Tensor]) -> Self:
        """The map of a classifier from its stored tensors. Raises KeyError and RuntimeError."""
        bases = LabelBases(
            *(tensors[name].numpy() for name in ("classes", "term_classes", "words"))
        )
        keys, values = tensors["references.keys"], tensors["references.values"]
        references = References(head.dim, len(keys), values.shape[1], keys.shape[1])
        made = cls(head, bases, references)
        made.load_state_dict(dict(tensors))
        return made

    @property
    def inputs(self) -> int:
        """The length of image features."""
        return self.weight.shape[1]

    def sums(self, features: Tensor) -> Tensor:
        """Image features (n, inputs) -> the sums of the classes' rows, before any neighbours."""
        logits = (features @ self.weight.T + self.bias) / TEMPERATURE
        chances = functional.softmax(logits, dim=1)
        best, which = chances.topk(min(MOST_LABELS, chances.shape[1]), dim=1)
        return torch.zeros_like(chances).scatter(1, which, best) @ self.classes

    def images(self, features: Tensor) -> Tensor:
        """Image features (n, inputs) -> vectors (n, OUTPUTS) of length 1."""
        sums = self.references(features, self.sums(features))
        words = functional.normalize(sums[:, :WORD_DIM], dim=1)
        both = torch.cat([words, CLASS_WEIGHT * sums[:, WORD_DIM:]], dim=1) / self._whole
        filler = (1 - both.square().sum(dim=1, keepdim=True)).clamp(min=1e-12).sqrt()
        return functional.normalize(torch.cat([both, filler], dim=1), dim=1)

    def terms(self, directions: Tensor, classes: Tensor) -> Tensor:
        """Directions (n, word_dim) and classes (n, classes) of terms -> vectors (n, OUTPUTS).

        At length 1, but where both are zero.
        """
        stands = (classes > 0).any(dim=1, keepdim=True)
        words = directions @ self.words * torch.where(stands, BESIDE_CLASSES, 1.0)
        rows = torch.cat([words, classes @ self.term_classes, torch.zeros(len(words), 1)], dim=1)
        return functional.normalize(rows, dim=1)


def learnt_map(meanings: Meanings, features: Floats) -> LabelMap:
    """The map of a collection, from the features of its pictures, (n, dim), or of a sample."""
    made = LabelMap(meanings.head, LabelBases.of(meanings), References.none(meanings.head.dim))
    with torch.inference_mode():
        sums = [
            made.sums(torch.from_numpy(np.array(features[start : start + _CHUNK], np.float32)))
            for start in range(0, len(features), _CHUNK)
        ]
    outputs = OUTPUTS - 1
    values = torch.cat(sums).numpy() if sums else np.zeros((0, outputs), np.float32)
    made.references = References.learnt(features, values)
    return made.eval().requires_grad_(False)
