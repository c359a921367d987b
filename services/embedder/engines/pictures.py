"""The built-in pictures that every engine has to agree on."""

import numpy as np
from numpy.typing import NDArray

from services.embedder.engines.engine import Pixels

_WAVES = 6
_PATCHES = 4


def built_in(height: int, width: int) -> Pixels:
    """Return the built-in test pictures, (n, height, width, 3), always the same.

    Low precision is least accurate on the plain ones, worse than on any photo, because nothing in
    them outweighs the rounding.
    """
    y, x = np.mgrid[:height, :width] / max(height, width)
    grey = np.full((height, width, 3), 128.0)
    shades = np.stack([20 + 200 * x, 30 + 180 * y, 150 + 0 * x], axis=-1)
    disc = np.where(np.hypot(x - 0.5, y - 0.5)[..., None] < 0.2, (60, 40, 30), (250, 250, 250))
    drawn = [_drawn(x, y, seed) for seed in range(3)]
    pictures: Pixels = np.clip([grey, shades, disc, *drawn], 0, 255).astype(np.uint8)
    return pictures


def drawn(height: int, width: int, seeds: range) -> Pixels:
    """Return a picture of waves and edges for each seed, (n, height, width, 3)."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    pictures: Pixels = np.clip([_drawn(x, y, seed) for seed in seeds], 0, 255).astype(np.uint8)
    return pictures


def _drawn(x: NDArray[np.float64], y: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Waves and edges in several colours and sizes."""
    rng = np.random.default_rng(seed)
    picture = np.full((*x.shape, 3), 128.0)
    for _ in range(_WAVES):
        turn, waves, shift = rng.uniform((0, 1, 0), (np.pi, 20, 2 * np.pi))
        wave = np.sin(2 * np.pi * waves * (x * np.cos(turn) + y * np.sin(turn)) + shift)
        picture += 40 * wave[..., None] * rng.normal(size=3)
    for _ in range(_PATCHES):
        left, top, side = rng.uniform((0, 0, 0.1), (0.8, 0.8, 0.5))
        inside = (x > left) & (x < left + side) & (y > top) & (y < top + side)
        picture[inside] = 128 + rng.normal(scale=120, size=3)
    return picture
