"""The built-in pictures that every engine has to agree on."""

import numpy as np

from services.embedder.engines.engine import Pixels

_COUNT = 4


def built_in(height: int, width: int) -> Pixels:
    """Waves and edges in several colours and sizes, (n, height, width, 3); always the same."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    rng = np.random.default_rng(0)
    pictures = np.zeros((_COUNT, height, width, 3))
    for picture in pictures:
        for _ in range(6):
            turn, waves, shift = rng.uniform((0, 1, 0), (np.pi, 20, 2 * np.pi))
            wave = np.sin(2 * np.pi * waves * (x * np.cos(turn) + y * np.sin(turn)) + shift)
            picture += wave[..., None] * rng.normal(size=3)
        for _ in range(4):
            left, top, side = rng.uniform((0, 0, 0.1), (0.8, 0.8, 0.5))
            inside = (x > left) & (x < left + side) & (y > top) & (y < top + side)
            picture[inside] = rng.normal(scale=3, size=3)
    return np.clip(128 + 40 * pictures, 0, 255).astype(np.uint8)
