"""Pictures of a collection that tell what pictures like them show.

What a classifier makes of one picture is noisy; of ten that look alike the mean is not. A picture
is averaged with its nearest references, which were averaged among themselves before. Of a
collection beyond MOST, each reference stands for the pictures that are nearest to it.
"""

import math
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Floats = NDArray[np.float32]

MOST = 4096
KEY_DIM = 128
NEIGHBOURS = 10
_SEED = 0
_CHUNK = 1024
_LEAST_SIMILARITY = 0.2


class References(nn.Module):
    """Keys to find references by, (r, KEY_DIM), and their values, (r, outputs)."""

    mean: Tensor
    axes: Tensor
    keys: Tensor
    values: Tensor

    def __init__(self, dim: int, count: int, outputs: int, key_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("axes", torch.zeros(dim, key_dim))
        self.register_buffer("keys", torch.zeros(count, key_dim))
        self.register_buffer("values", torch.zeros(count, outputs))

    @classmethod
    def none(cls, dim: int) -> Self:
        """References of an empty collection: every picture stays as it is."""
        return cls(dim, 0, 0, 0)

    @classmethod
    def learnt(cls, features: Floats, values: Floats) -> Self:
        """References of pictures by their features (n, dim) and values (n, outputs).

        The same pictures give the same references.
        """
        count = len(features)
        if count < 2:
            return cls.none(features.shape[1])
        chosen = np.arange(count)
        if count > MOST:
            chosen = np.sort(np.random.default_rng(_SEED).choice(count, MOST, replace=False))
        some = _unit(np.array(features[chosen], np.float64))
        mean = some.mean(axis=0)
        axes = _leading(some - mean, min(KEY_DIM, *some.shape))
        made = cls(features.shape[1], len(chosen), values.shape[1], axes.shape[1])
        made.mean.copy_(torch.from_numpy(mean))
        made.axes.copy_(torch.from_numpy(np.ascontiguousarray(axes)))
        with torch.inference_mode():
            made.keys.copy_(made.placed(torch.from_numpy(some).float()))
            own = torch.from_numpy(values[chosen])
            if count > MOST:
                own = made._cell_means(features, values)
            made.values.copy_(own)
            made.values.copy_(made._averaged(made.keys, own, itself=False))
        return made

    @property
    def neighbours(self) -> int:
        """How many references a picture is averaged with: few where the collection is small."""
        return min(NEIGHBOURS, round(math.sqrt(len(self.keys)) / 5))

    def forward(self, features: Tensor, values: Tensor) -> Tensor:
        """Features (n, dim) and values (n, outputs) -> values averaged with the references."""
        if not self.neighbours:
            return values
        return self._averaged(self.placed(features), values, itself=True)

    def placed(self, features: Tensor) -> Tensor:
        """(n, dim) -> keys (n, KEY_DIM)."""
        return functional.normalize(
            (functional.normalize(features, dim=1) - self.mean) @ self.axes, dim=1
        )

    def _averaged(self, keys: Tensor, values: Tensor, itself: bool) -> Tensor:
        """Mean of the nearest references; itself: with a picture's own value beside them."""
        if not self.neighbours:
            return values
        parts = []
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            near, which = (some @ self.keys.T).topk(self.neighbours, dim=1)
            weights = (near > _LEAST_SIMILARITY).to(values.dtype)
            total = torch.einsum("nk,nkd->nd", weights, self.values[which])
            count = weights.sum(dim=1, keepdim=True)
            own = values[start : start + _CHUNK]
            if itself:
                total, count = total + own, count + 1
            parts.append(torch.where(count > 0, total / count.clamp(min=1), own))
        return torch.cat(parts) if parts else values

    def _cell_means(self, features: Floats, values: Floats) -> Tensor:
        """The mean value of the pictures that each reference is nearest to."""
        total = torch.zeros_like(self.values)
        count = torch.zeros(len(self.keys))
        for start in range(0, len(features), _CHUNK):
            some = torch.from_numpy(np.array(features[start : start + _CHUNK], np.float32))
            nearest = (self.placed(some) @ self.keys.T).argmax(dim=1)
            own = torch.from_numpy(np.array(values[start : start + _CHUNK], np.float32))
            total.index_add_(0, nearest, own)
            count.index_add_(0, nearest, torch.ones(len(own)))
        return total / count.clamp(min=1)[:, None]


def _leading(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The directions that rows vary in most, (dim, count)."""
    if len(rows) < rows.shape[1]:
        _, _, directions = np.linalg.svd(rows, full_matrices=False)
        found: NDArray[np.float64] = directions[:count].T
        return found
    _, directions = np.linalg.eigh(rows.T @ rows)
    return directions[:, ::-1][:, :count]


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(lengths > 0, lengths, 1)
    return unit
