"""Seeded vectors that behave like pooled CNN features, of any number and dimension.

Low intrinsic dimension, clusters of unequal weight, two random layers with ReLU, so non-negative,
then unit norm. Gaussian noise would tell nothing of an index; tight blobs would be too easy.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK = 50_000
_LATENT = 64
_CLUSTERS = 2000
_MOVED = 1 / 3


def chunks(rows: int, dim: int, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """`rows` vectors in all: float32 arrays of shape (<= 50,000, dim), each row of length 1.

    Queries are the last rows of one draw: what is drawn apart has another distribution.
    """
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, _LATENT + 1, dtype=np.float32) ** np.float32(-0.35)
    centres = rng.standard_normal((_CLUSTERS, _LATENT), dtype=np.float32) * spectrum
    first = rng.standard_normal((_LATENT, dim), dtype=np.float32) / np.float32(np.sqrt(_LATENT))
    bias = (rng.standard_normal(dim) * 0.3 - 0.2).astype(np.float32)
    second = rng.standard_normal((dim, dim), dtype=np.float32) / np.float32(np.sqrt(dim))
    weights = rng.dirichlet(np.full(_CLUSTERS, 0.5))
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        latent = centres[rng.choice(_CLUSTERS, count, p=weights)]
        latent = latent + rng.standard_normal((count, _LATENT), dtype=np.float32) * (
            spectrum * np.float32(0.8)
        )
        hidden = np.maximum(latent @ first + bias, 0)
        noise = rng.standard_normal((count, dim), dtype=np.float32) * np.float32(0.2)
        features = np.maximum(hidden @ second + noise, 0)
        yield features / np.linalg.norm(features, axis=1, keepdims=True)


def mixture(rows: int, source: Path, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """`rows` vectors around real ones: each is one of `base_f16_*.npy`, moved at random.

    It moves by a third of the collection's own deviation in each direction, so that the vectors
    around neighbours overlap; then it has length 1 again.
    """
    rng = np.random.default_rng(seed)
    real = np.load(next(source.glob("base_f16_*.npy"))).astype(np.float32)
    spread = real.std(axis=0) * np.float32(_MOVED)
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        around = real[rng.integers(len(real), size=count)]
        moved = around + rng.standard_normal(around.shape, dtype=np.float32) * spread
        yield moved / np.linalg.norm(moved, axis=1, keepdims=True)
