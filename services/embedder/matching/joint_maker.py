"""Joint networks of one training: with labels beneath, where the backbone brings a classifier."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from services.embedder.matching.combined import CombinedNetwork
from services.embedder.matching.examples import Examples, Floats
from services.embedder.matching.label_map import LabelMap, learnt_map
from services.embedder.matching.network import MatchingNetwork
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import Words
from shared.core.errors import InvalidInput

_MOST = 20_000
"""Pictures that references are learnt from; more make no difference that is worth the time."""

Judging = tuple[Tensor, Tensor, Tensor]
"""Image features, features of terms as the network takes them, and who carries which."""


@dataclass(frozen=True)
class JointMaker:
    """Puts a trained network beside the label map of the collection, if it has one."""

    words: Words
    meanings: Meanings | None
    labels: LabelMap | None

    @classmethod
    def of(cls, features: Floats, words: Words, meanings: Meanings | None) -> Self:
        """The maker for a collection's features (n, dim), which may lie on disk."""
        if meanings is None:
            return cls(words, None, None)
        count = len(features)
        rows = np.arange(count)
        if count > _MOST:
            rows = np.sort(np.random.default_rng(0).choice(count, _MOST, replace=False))
        some = np.array(features[rows], np.float32)
        if not np.isfinite(some).all():
            raise InvalidInput("Matching can't be trained: some features are NaN or infinite.")
        return cls(words, meanings, learnt_map(meanings, some))

    @property
    def digest(self) -> str | None:
        """Identity of the classes, as a network's header has it."""
        return None if self.meanings is None else self.meanings.digest

    def network(self, trained: MatchingNetwork | None) -> MatchingNetwork | CombinedNetwork:
        """The network to publish. Raises ValueError where there is neither."""
        if self.labels is not None:
            made = CombinedNetwork(self.labels, trained, self.words.dim)
            return made.eval().requires_grad_(False)
        if trained is None:
            raise ValueError("a joint space needs labels or a trained network")
        return trained

    def judging(self, examples: Examples) -> Judging:
        """Pictures and the terms that they carry, as `network` takes them."""
        images, vectors, carries = examples.tensors()
        if self.meanings is None:
            return images, torch.from_numpy(self.words.in_context(vectors.numpy())), carries
        names = [examples.names[i] for i in examples.occurring()]
        rows = np.stack([row for row in self.meanings.embed(names) if row is not None])
        return images, torch.from_numpy(rows), carries
