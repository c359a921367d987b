"""Perceptual hash: coarse structure of a picture, comparable in all eight turns and mirrors.

It finds copies that were turned, which a network's features may not.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    # Which loads OpenCV; a plan needs only the version of the hashes.
    from services.indexer.comparing.look import Look

VERSION = 2
"""Of hashes and evidence; those of another version are made anew."""
_SIDE = 8
SIZE = _SIDE * _SIDE
_FULL = 100.0
_LEAST = 0.9
"""Cosine of two hashes from which a pair is worth a look."""
_MOST = 4
"""Pairs of each turn that one picture is proposed for."""
_LISTED = 20_000
"""Hashes from which they are searched by lists."""
_N, _K = np.mgrid[0:16, 0:_SIDE]
_COSINES = np.cos(np.pi * (_N + 0.5) * _K / 16) * np.where(_K == 0, np.sqrt(1 / 16), np.sqrt(1 / 8))

Bytes = NDArray[np.int8]


def hash_of(look: "Look") -> Bytes:
    """Return the low frequencies (DCT) of the tiny picture, int8 of shape (64,)."""
    spectrum = _COSINES.T @ look.small @ _COSINES
    norm = float(np.linalg.norm(spectrum))
    whole: Bytes = np.rint(spectrum.ravel() / max(norm, 1e-6) * _FULL).astype(np.int8)
    return whole


def turns_of(hashes: Bytes) -> list[NDArray[np.float32]]:
    """Return the hashes of the eight turned and mirrored pictures, float32 at length 1."""
    whole = hashes.reshape(-1, _SIDE, _SIDE).astype(np.float32)
    # A mirror changes the sign of odd frequencies; a turn is a mirror across the diagonal, too.
    signs = (-1.0) ** np.arange(_SIDE, dtype=np.float32)
    found: list[NDArray[np.float32]] = []
    for spectrum in (whole, whole.transpose(0, 2, 1)):
        for down in (np.ones_like(signs), signs):
            for right in (np.ones_like(signs), signs):
                rows = (spectrum * down[:, None] * right).reshape(-1, SIZE)
                norms = np.linalg.norm(rows, axis=1, keepdims=True)
                found.append((rows / np.where(norms > 0, norms, 1)).astype(np.float32))
    return found


class HashIndex:
    """Hashes of pictures, to be searched in all turns."""

    def __init__(self, stored: Bytes) -> None:
        self._count = len(stored)
        self._index = _index(turns_of(stored)[0]) if len(stored) else None

    def find(self, queries: Bytes) -> Iterator[tuple[int, int]]:
        """Give pairs of rows, of `queries` and of what is stored, that may show one picture."""
        if self._index is None or not len(queries):
            return
        for turned in turns_of(queries):
            values, rows = self._index.search(turned, min(_MOST, self._count))
            for query, place in np.argwhere(values >= _LEAST).tolist():
                yield query, int(rows[query, place])


def _index(units: NDArray[np.float32]) -> faiss.Index:
    if len(units) < _LISTED:
        index = faiss.IndexFlatIP(SIZE)
    else:
        lists = int(4 * np.sqrt(len(units)))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(SIZE), SIZE, lists, faiss.METRIC_INNER_PRODUCT)
        index.nprobe = max(8, lists // 100)
        index.train(units[:: max(1, len(units) // (40 * lists))])
    index.add(units)
    return index
